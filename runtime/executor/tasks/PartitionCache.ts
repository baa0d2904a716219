/**
 * PartitionCache: partitions of persisted RDDs, kept by the executor that computed them, among its blocks.
 *
 * What is kept saves work and is never needed: a partition that is not here, or does not fit, is computed again from its lineage.
 * A batch's partitions go when nobody can ask for them any more. Source: Spark's `CacheManager` and `BlockManager`.
 */
import { Effect } from "effect"
import { ofRecords, recordsOfPart } from "../../../core/blocks/BlockContents.ts"
import type { PartitionIndex, StreamId } from "../../../core/protocol/Ids.ts"
import type { StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import type { Identity } from "../../../core/rdd/RDD.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { BlockManager } from "../blocks/BlockManager.ts"

export interface PartitionCache {
  /** Undefined: it is not here, or cannot be read. */
  readonly get: (rdd: Identity, partition: PartitionIndex) => Effect.Effect<ReadonlyArray<unknown> | undefined>
  /** Keeps it if it fits. */
  readonly put: (
    rdd: Identity,
    partition: PartitionIndex,
    records: ReadonlyArray<unknown>,
    level: StorageLevel
  ) => Effect.Effect<void>
  /** Drops the partitions of each operator's batches before that time. */
  readonly forgetBefore: (timeOf: (operator: StreamId) => Time) => Effect.Effect<void>
}

export const make = (blocks: Pick<BlockManager, "get" | "put" | "remove">): PartitionCache => {
  const kept = new Map<string, Identity>()
  const nameOf = ({ id }: Identity, partition: PartitionIndex) => `rdd/${id}/${partition}`
  return {
    get: (rdd, partition) =>
      Effect.suspend(() => {
        const name = nameOf(rdd, partition)
        if (!kept.has(name)) return Effect.undefined
        return Effect.catch(
          Effect.map(blocks.get(name), (contents) => contents?.parts.flatMap((part) => recordsOfPart(part, undefined))),
          () => Effect.undefined
        )
      }),
    put: (rdd, partition, records, level) => {
      const name = nameOf(rdd, partition)
      const stored = Effect.map(blocks.put(name, ofRecords(records), level), () => void kept.set(name, rdd))
      return Effect.catch(stored, (error) => Effect.logDebug(error.message))
    },
    forgetBefore: (timeOf) =>
      Effect.suspend(() => {
        const gone = [...kept].flatMap(([name, { operator, time }]) => time < timeOf(operator) ? [name] : [])
        for (const name of gone) kept.delete(name)
        return blocks.remove(gone)
      })
  }
}
