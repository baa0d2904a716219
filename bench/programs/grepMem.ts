/**
 * W1 grep-mem: 1,000,000 lines a batch in two partitions; those that contain the rarest word are counted.
 */
import { needle } from "../data.ts"
import { Effect } from "effect"
import { check, DStream, fullLoad, lineStream, StreamingApp } from "./kit.ts"

const perPartition = 500_000

export const recordsPerBatch = 2 * perPartition

export default StreamingApp.make({
  name: "grep-mem",
  ...fullLoad,
  outputs: [
    lineStream(perPartition).pipe(
      DStream.filter((line) => line.includes(needle)),
      DStream.foreachBatch((batch) => Effect.map(batch.count, check))
    )
  ]
})
