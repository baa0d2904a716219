/**
 * The keys of the state workloads: 100,000 distinct ones a batch, of 1,000,000 that come in turn.
 */
import { Memory } from "./kit.ts"

export const keysPerBatch = 100_000
const keys = 1_000_000
const datasets = keys / keysPerBatch

const made = new Map<string, ReadonlyArray<string>>()

/** One of two partitions of a batch; each data set is made once in the process or thread that reads it. */
export const stateKeys = (batch: number, partition: number): ReadonlyArray<string> => {
  const dataset = batch % datasets
  const name = `${dataset}/${partition}`
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

export const stateKeyStream = Memory.stream({
  numPartitions: 2,
  // The batch is counted by its place, not by its time: at full load ticks are left out.
  read: ({ batch, partition }) => stateKeys(batch, partition),
  records: () => keysPerBatch / 2
})
