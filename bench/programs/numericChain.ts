/**
 * Numeric chain: 10,000,000 integers a batch; times 3, the odd ones, plus 1, summed.
 */
import { Effect } from "effect"
import { check, DStream, fullLoad, Memory, StreamingApp } from "./kit.ts"

const perPartition = 5_000_000

export const recordsPerBatch = 2 * perPartition

const made = new Map<number, ReadonlyArray<number>>()

/** Partition p holds the integers from p times 5,000,000 on. */
export const integersOf = (partition: number, count = perPartition): ReadonlyArray<number> => {
  const known = made.get(partition)
  if (known !== undefined) return known
  const integers: Array<number> = []
  for (let i = 0; i < count; i++) integers.push(partition * count + i)
  made.set(partition, integers)
  return integers
}

export default StreamingApp.make({
  name: "numeric-chain",
  ...fullLoad,
  outputs: [
    Memory.stream({ numPartitions: 2, read: ({ partition }) => integersOf(partition), records: () => perPartition })
      .pipe(
        DStream.map((x) => x * 3),
        DStream.filter((x) => x % 2 === 1),
        DStream.map((x) => x + 1),
        DStream.reduce((a, b) => a + b),
        DStream.foreachBatch((batch) => Effect.map(batch.collect, ([sum]) => check(sum!)))
      )
  ]
})
