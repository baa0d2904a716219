/**
 * StorageLevel: where the blocks of a receiver are kept until their batch is done.
 *
 * | level | where | at how many executors |
 * | --- | --- | --- |
 * | MEMORY_ONLY | memory; what does not fit waits, or is refused | 1 |
 * | MEMORY_AND_DISK | memory; what does not fit, on disk | 1 |
 * | DISK_ONLY | disk | 1 |
 * | MEMORY_ONLY_2, MEMORY_AND_DISK_2, DISK_ONLY_2 | as without `_2` | 2 |
 *
 * At two executors a block survives the loss of one. With a single executor it is at one, and lost with it. Source: Spark's
 * `StorageLevel`.
 */

/** What an executor does with a block. */
export type StoragePlace = "MEMORY_ONLY" | "MEMORY_AND_DISK" | "DISK_ONLY"

export type StorageLevel = StoragePlace | `${StoragePlace}_2`

/** Of receivers that do not say. */
export const storageLevelDefault: StorageLevel = "MEMORY_AND_DISK_2"

export const isReplicated = (level: StorageLevel): boolean => level.endsWith("_2")

export const placeOf = (level: StorageLevel): StoragePlace => level.replace("_2", "") as StoragePlace

export const storageLevels: ReadonlyArray<StorageLevel> = [
  "MEMORY_ONLY",
  "MEMORY_AND_DISK",
  "DISK_ONLY",
  "MEMORY_ONLY_2",
  "MEMORY_AND_DISK_2",
  "DISK_ONLY_2"
]

export const isStorageLevel = (value: unknown): value is StorageLevel => storageLevels.includes(value as StorageLevel)
