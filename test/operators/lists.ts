/**
 * Streams of lists: a stream's lineage is derived batch by batch, as a driver does, and evaluated by the reference model of lineage.
 * Batch i ends at i times 1,000 ms; a batch of null has no data set; after the lists batches are empty.
 */
import { Effect } from "effect"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import { DStream, RDD, StreamingApp } from "../../core/mod.ts"
import { partitionsOf } from "../model/lineage.ts"
import { batchOf } from "../model/model.ts"
import type { Partitions } from "../model/Partitions.ts"

export const batchMillis = 1000
export const defaultParallelism = 2

const notAsked = Effect.die("the lists of a test are in its lineage")

/** One list per batch, cut into partitions in order. */
export const lists = <A>(
  batches: ReadonlyArray<ReadonlyArray<A> | null>,
  numPartitions = 2
): DStream.DStream<A> =>
  DStream.make({
    kind: "lists",
    params: { batches, numPartitions },
    parents: [],
    input: { kind: "direct", planner: notAsked, reader: notAsked },
    compute: ({ time }) => {
      const batch = batches[time / batchMillis - 1]
      return batch === null ? undefined : RDD.of(batch ?? [], numPartitions)
    }
  })

const world = {
  input: ({ params }: DStream.AnyDStream, time: number): Partitions | undefined => {
    const batch = (params["batches"] as ReadonlyArray<ReadonlyArray<unknown> | null>)[time / batchMillis - 1]
    return batch === null ? undefined : RDD.cut(batch ?? [], params["numPartitions"] as number)
  },
  defaultParallelism
}

export const graphOf = (...streams: ReadonlyArray<DStream.AnyDStream>): DStreamGraph.DStreamGraph =>
  DStreamGraph.make(StreamingApp.make({
    name: "lists",
    batchDuration: batchMillis,
    outputs: streams.map((stream) => stream.pipe(DStream.print()))
  }))

/** The partitions of each batch; undefined: it has no data set; a text: why it failed, after which there is nothing. */
export const partitionsOfBatches = (
  stream: DStream.AnyDStream,
  count: number
): ReadonlyArray<Partitions | string | undefined> => {
  const graph = graphOf(stream)
  const memo = GeneratedRDDs.make(graph, { defaultParallelism })
  return upToFailure(count, (time) => {
    memo.addPlan({ time, zeroTime: 0, inputs: [], sideValues: [] })
    const rdd = memo.getOrCompute(graph.outputs[0]!.stream, time)
    return rdd && partitionsOf(rdd)
  })
}

/** The same by the reference model of streams. */
export const modelOfBatches = (
  stream: DStream.AnyDStream,
  count: number
): ReadonlyArray<Partitions | string | undefined> => upToFailure(count, (time) => batchOf(stream, time, world))

const upToFailure = (count: number, batch: (time: number) => Partitions | undefined) => {
  const batches: Array<Partitions | string | undefined> = []
  for (let i = 1; i <= count; i++) {
    try {
      batches.push(batch(i * batchMillis))
    } catch (error) {
      return [...batches, (error as Error).message]
    }
  }
  return batches
}

/** The records of each batch. */
export const recordsOfBatches = (stream: DStream.AnyDStream, count: number): ReadonlyArray<unknown> =>
  partitionsOfBatches(stream, count).map((batch) => Array.isArray(batch) ? batch.flat(1) : batch)
