/**
 * ShuffleStore: the map outputs that an executor holds, until the driver says that no task will need them again.
 *
 * An output is the blocks of one map partition, one per reduce partition. Outputs are kept by reference and never
 * changed; the same output stored again takes the place of the first, which whoever reads it keeps. A limit on
 * records guards against a program whose shuffles outgrow the executor: storing beyond it is refused, and the task
 * fails with the sentence that says so.
 */
import type { PartitionIndex, RddId } from "../../../core/protocol/Ids.ts"
import { timeOf } from "../../../core/rdd/RddId.ts"
import { blockLength } from "../../../core/rdd/ReduceSide.ts"
import type { ShuffleBlock } from "../../../core/rdd/ShuffleDependency.ts"
import type { Time } from "../../../core/time/Time.ts"

/** Records that the map outputs of one executor may hold together. */
export const shuffleRecordsMaxDefault = 100_000_000

interface MapOutput {
  readonly blocks: ReadonlyArray<ShuffleBlock>
  readonly records: number
}

export interface ShuffleCounts {
  readonly shuffles: number
  readonly mapOutputs: number
  readonly records: number
}

export interface ShuffleStore {
  /** How many records were stored. Throws where the limit is passed. */
  readonly put: (shuffle: RddId, mapPartition: PartitionIndex, blocks: ReadonlyArray<ShuffleBlock>) => number
  /** The block of one map partition for one reduce partition; not to be changed. */
  readonly get: (shuffle: RddId, map: PartitionIndex, reduce: PartitionIndex) => ShuffleBlock | undefined
  /** Ids that are not here are no error. */
  readonly remove: (shuffles: ReadonlyArray<RddId>) => void
  /** Drops the shuffles of batches before `time`. */
  readonly forgetBefore: (time: Time) => void
  readonly counts: () => ShuffleCounts
}

export const make = (recordsMax: number = shuffleRecordsMaxDefault): ShuffleStore => {
  const shuffles = new Map<RddId, Map<PartitionIndex, MapOutput>>()
  let held = 0
  const drop = (shuffle: RddId) => {
    for (const { records } of shuffles.get(shuffle)?.values() ?? []) held -= records
    shuffles.delete(shuffle)
  }
  return {
    put: (shuffle, mapPartition, blocks) => {
      const outputs = shuffles.get(shuffle) ?? new Map<PartitionIndex, MapOutput>()
      const records = blocks.reduce((sum, block) => sum + blockLength(block), 0)
      const after = held + records - (outputs.get(mapPartition)?.records ?? 0)
      if (after > recordsMax) {
        throw new Error(
          `map output ${mapPartition} of shuffle ${shuffle} has ${records} records, and the executor would hold ${after}, ` +
            `more than ${recordsMax} (shuffleRecordsMax): combine before the shuffle, shorten windows, or add executors`
        )
      }
      held = after
      shuffles.set(shuffle, outputs)
      outputs.set(mapPartition, { blocks, records })
      return records
    },
    get: (shuffle, map, reduce) => shuffles.get(shuffle)?.get(map)?.blocks[reduce],
    remove: (gone) => gone.forEach(drop),
    forgetBefore: (time) => {
      for (const shuffle of shuffles.keys()) if (timeOf(shuffle) < time) drop(shuffle)
    },
    counts: () => ({
      shuffles: shuffles.size,
      mapOutputs: Array.from(shuffles.values(), (outputs) => outputs.size).reduce((sum, size) => sum + size, 0),
      records: held
    })
  }
}
