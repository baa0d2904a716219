/**
 * W2 wordcount-mem: 500,000 lines a batch in two partitions; their words are counted and the counts collected.
 */
import { Effect } from "effect"
import { digestOfCounts } from "../data.ts"
import { check, DStream, fullLoad, lineStream, StreamingApp } from "./kit.ts"

const perPartition = 250_000

export const recordsPerBatch = 2 * perPartition

export default StreamingApp.make({
  name: "wordcount-mem",
  ...fullLoad,
  outputs: [
    lineStream(perPartition).pipe(
      DStream.flatMap((line) => line.split(" ")),
      DStream.mapToPair((word) => [word, 1]),
      DStream.reduceByKey((a, b) => a + b),
      DStream.foreachBatch((batch) => Effect.map(batch.collect, (counts) => check(digestOfCounts(counts))))
    )
  ]
})
