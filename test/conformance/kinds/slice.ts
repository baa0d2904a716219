/**
 * Kind slice: a running app is asked for all data of a stream between two times. A batch has to be over before it can be asked for,
 * since what it reads is decided when it comes: the clock is moved there first.
 */
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import * as Local from "../../driver/local.ts"
import { sameBatches, sameError } from "../compare.ts"
import { batchMsDefault } from "../pipelines/run.ts"
import { type Json, onlyFields, type Vector } from "../Vector.ts"
import { kind } from "./kind.ts"

const rememberMs = 3_600_000

const appOf = ({ inputs: [input], batchMs = batchMsDefault }: Json) => {
  const stream = Memory.batches<unknown>(input.batches, input.partitions)
  const app = StreamingApp.make({
    name: "sliced",
    batchDuration: batchMs,
    outputs: [stream.pipe(DStream.foreachBatch(() => Effect.void))],
    settings: { remember: rememberMs }
  })
  return { stream, app, batchMs }
}

const advanceTo = Effect.fnUntraced(function* (timeMs: number, batchMs: number) {
  while ((yield* Clock.currentTimeMillis) < timeMs) {
    yield* TestClock.adjust(batchMs)
    yield* Local.settled
  }
})

export const slice = kind(
  ["inputs", "batchMs", "steps", "ordered"],
  Effect.fnUntraced(function* (vector) {
    const { app, batchMs, stream } = appOf(vector)
    const context = yield* Local.start(app, { executors: 2, coded: true })
    for (const [index, step] of vector["steps"].entries()) {
      onlyFields("a step", step, ["fromMs", "toMs", "expect"])
      yield* advanceTo(step.toMs, batchMs)
      const records = yield* context.slice(stream, step.fromMs, step.toMs)
      sameBatches(`step ${index + 1}`, [step.expect], [records], { ordered: vector["ordered"] })
    }
  })
)

/** Slices of an app that was not started fail. */
export const failingSlice = Effect.fnUntraced(function* (vector: Vector) {
  const { app, stream } = appOf(vector)
  const context = yield* Local.make(app)
  for (const { fromMs, toMs } of vector["steps"]) {
    const error = yield* Effect.flip(context.slice(stream, fromMs, toMs))
    sameError(`slice ${fromMs} to ${toMs}`, vector["expected"].error.category, error)
  }
})
