/**
 * BatchReader: what an output operation reads of a batch, each reading a job over the batch's RDD.
 */
import { Effect } from "effect"
import type { Batch, JobFailed } from "../../core/dstream/Batch.ts"
import type { Payload } from "../../core/dstream/BatchPlan.ts"
import type { SealedRDD } from "../../core/dstream/Derivation.ts"
import type { Action } from "../../core/protocol/ExecutorProtocol.ts"
import type { Border } from "../../core/protocol/RecordCodec.ts"

/** Runs an action on every partition; the values are in the order of partitions. */
export type RunAction = (rdd: SealedRDD, action: Action) => Effect.Effect<ReadonlyArray<Payload | undefined>, JobFailed>

export const make = (rdd: SealedRDD, border: Border["Service"], run: RunAction): Batch<unknown> => {
  const lists = (action: Action) =>
    Effect.map(
      run(rdd, action),
      (values) => values.map((value) => value === undefined ? [] : border.unpack(value) as ReadonlyArray<unknown>)
    )
  return {
    time: rdd.identity.time,
    numPartitions: rdd.numPartitions,
    partitions: lists({ kind: "collect" }),
    collect: Effect.map(
      lists({ kind: "collect" }),
      (partitions) => partitions.length === 1 ? partitions[0]! : partitions.flat(1)
    ),
    count: Effect.map(
      run(rdd, { kind: "count" }),
      (counts) => counts.reduce((sum, count) => sum + (count === undefined ? 0 : border.unpack(count) as number), 0)
    ),
    take: (count) => Effect.map(lists({ kind: "take", count }), (partitions) => partitions.flat(1).slice(0, count))
  }
}
