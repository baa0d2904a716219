/**
 * The keys of the window workloads: 200,000 a batch over 100,000 distinct ones, of eight data sets in turn.
 */
import { generator } from "../data.ts"
import { Memory } from "../programs/kit.ts"

export const windowBatches = 30
export const keysPerPartition = 100_000

const made = new Map<string, ReadonlyArray<string>>()

export const windowKeys = (batch: number, partition: number): ReadonlyArray<string> => {
  const dataset = 42 + batch % 8
  const name = `${dataset}/${partition}`
  const known = made.get(name)
  if (known !== undefined) return known
  const next = generator(dataset, partition)
  const fresh = Array.from({ length: keysPerPartition }, () => `k${next() % 100_000}`)
  made.set(name, fresh)
  return fresh
}

export const windowKeyStream = Memory.stream({
  numPartitions: 2,
  read: ({ batch, partition }) => windowKeys(batch, partition),
  records: () => keysPerPartition
})
