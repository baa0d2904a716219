/**
 * BatchSlice: the records of a stream over a stretch of batch times that are remembered, for looking at a running app.
 *
 * Both ends count, batch times are whole slides after zero time. What was generated is read, computed again if need be, and
 * changes nothing. Times that are still to come, or are forgotten, are an error. Source: Spark's `DStream.slice`.
 */
import { Effect, Schema } from "effect"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import { type AnyDStream, isDStream } from "../../core/dstream/DStream.ts"
import type { DStreamGraph, GraphNode } from "../../core/dstream/DStreamGraph.ts"
import type { GeneratedRDDs } from "../../core/dstream/GeneratedRDDs.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import type { Border } from "../../core/protocol/RecordCodec.ts"
import type { Time } from "../../core/time/Time.ts"
import type { TaskScheduler } from "./TaskScheduler.ts"

/** A slice that cannot be had: of a strange stream, of batches that are not there, of an app that does not run. */
export class SliceError extends Schema.TaggedError<SliceError>()("SliceError", { message: Schema.String }) {}

export interface Sliced {
  readonly graph: DStreamGraph
  readonly memo: GeneratedRDDs
  readonly tasks: TaskScheduler
  readonly border: Border["Service"]
  readonly zeroTime: Time
}

export type Slice = (
  stream: AnyDStream | StreamId,
  from: Time,
  to: Time
) => Effect.Effect<ReadonlyArray<unknown>, SliceError | JobFailed>

export const make = ({ border, graph, memo, tasks, zeroTime }: Sliced): Slice =>
  Effect.fnUntraced(function* (stream, from, to) {
    const node = graph.nodes.find((one) => one.stream === stream || one.id === stream)
    if (node === undefined) return yield* Effect.fail(notOfThisApp(stream))
    if (!(from <= to)) {
      return yield* Effect.fail(
        new SliceError({ message: `a slice from ${from} ms to ${to} ms ends before it begins` })
      )
    }
    const lists: Array<ReadonlyArray<unknown>> = []
    for (const time of timesOf(node, zeroTime, from, to)) {
      const rdd = yield* Effect.try({ try: () => memo.getOrCompute(node.id, time), catch: notThere(node, time) })
      if (rdd === undefined) continue
      const values = yield* tasks.runJob({ rdd, action: { kind: "collect" }, time, output: "slice" })
      for (const value of values) {
        if (value !== undefined) lists.push(border.unpack(value) as ReadonlyArray<unknown>)
      }
    }
    return lists.flat(1)
  })

/** The stream's batch times in the closed interval, of which both ends are rounded down to one; zero time itself has no batch. */
const timesOf = ({ slideMillis }: GraphNode, zeroTime: Time, from: Time, to: Time): ReadonlyArray<Time> => {
  const first = Math.max(1, Math.floor((from - zeroTime) / slideMillis))
  const last = Math.floor((to - zeroTime) / slideMillis)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => zeroTime + (first + i) * slideMillis)
}

const notOfThisApp = (stream: AnyDStream | StreamId) =>
  new SliceError({
    message:
      `${isDStream(stream) ? "this stream" : `"${stream}"`} is no operator of this app: give a stream that leads to ` +
      "one of its outputs, or the name of one"
  })

const notThere = ({ id, rememberMillis }: GraphNode, time: Time) => (cause: unknown) =>
  new SliceError({
    message: `the batch ${time} ms of "${id}" cannot be had: it is still to come, or was forgotten ` +
      `(it is remembered for ${rememberMillis} ms; the setting remember makes that longer): ${String(cause)}`
  })
