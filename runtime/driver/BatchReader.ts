/**
 * BatchReader: what an output operation reads of a batch, each reading a job over the batch's RDD.
 */
import { Effect } from "effect"
import { type Batch, inputsOf, type JobFailed } from "../../core/dstream/Batch.ts"
import type { Payload } from "../../core/dstream/BatchPlan.ts"
import type { SealedRDD } from "../../core/dstream/Derivation.ts"
import type { Action } from "../../core/protocol/ExecutorProtocol.ts"
import type { PartitionIndex } from "../../core/protocol/Ids.ts"
import type { Border } from "../../core/protocol/RecordCodec.ts"

/** Runs an action on the partitions (all, if not given); the values are in their order. */
export type RunAction = (
  rdd: SealedRDD,
  action: Action,
  partitions?: ReadonlyArray<PartitionIndex>
) => Effect.Effect<ReadonlyArray<Payload | undefined>, JobFailed>

export const make = (
  rdd: SealedRDD,
  commitId: string,
  border: Border["Service"],
  run: RunAction
): Batch<unknown> => {
  const lists = (action: Action, partitions?: ReadonlyArray<PartitionIndex>) =>
    Effect.map(
      run(rdd, action, partitions),
      (values) => values.map((value) => value === undefined ? [] : border.unpack(value) as ReadonlyArray<unknown>)
    )
  return {
    time: rdd.identity.time,
    commitId,
    numPartitions: rdd.numPartitions,
    get inputs() {
      return inputsOf(rdd)
    },
    partitions: lists({ kind: "collect" }),
    collect: Effect.map(
      lists({ kind: "collect" }),
      (partitions) => partitions.length === 1 ? partitions[0]! : partitions.flat(1)
    ),
    count: Effect.map(
      run(rdd, { kind: "count" }),
      (counts) => counts.reduce((sum, count) => sum + (count === undefined ? 0 : border.unpack(count) as number), 0)
    ),
    take: Effect.fnUntraced(function* (count) {
      const records: Array<unknown> = []
      let done = 0
      // One partition first, and four times as many as before while too few came: what is not shown is not computed.
      for (let next = 1; records.length < count && done < rdd.numPartitions; next *= 4) {
        const partitions = Array.from({ length: Math.min(next, rdd.numPartitions - done) }, (_, i) => done + i)
        for (const list of yield* lists({ kind: "take", count: count - records.length }, partitions)) {
          for (const record of list) records.push(record)
        }
        done += partitions.length
      }
      return records.slice(0, count)
    })
  }
}
