/**
 * The keys of the state workloads: 100,000 distinct ones a batch, of so many (1,000,000) that come in turn.
 */
import { Memory } from "../programs/kit.ts"

export const keysPerBatch = 100_000
export const keysInAll = 1_000_000

const made = new Map<string, ReadonlyArray<string>>()

/** One of two partitions of a batch; each data set is made once in the process or thread that reads it. */
export const stateKeys = (batch: number, partition: number, keys = keysInAll): ReadonlyArray<string> => {
  const dataset = batch % (keys / keysPerBatch)
  const name = `${keys}/${dataset}/${partition}`
  const known = made.get(name)
  if (known !== undefined) return known
  const half = keysPerBatch / 2
  const fresh = Array.from(
    { length: half },
    (_, i) => `u${((dataset * keysPerBatch + partition * half + i) * 7919) % keys}`
  )
  made.set(name, fresh)
  return fresh
}

export const stateKeyStream = (keys = keysInAll) =>
  Memory.stream({
    numPartitions: 2,
    read: ({ batch, partition }) => stateKeys(batch, partition, keys),
    records: () => keysPerBatch / 2
  })
