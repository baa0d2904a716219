/**
 * W10 wide: 500 outputs over one queue stream of 100 lines a batch, each of which maps, filters and counts.
 */
import { Effect } from "effect"
import { check, DStream, everyTick, lineStream, StreamingApp } from "./kit.ts"

export const outputs = 500
export const linesPerPartition = 50

const lengths = lineStream(linesPerPartition)

export default StreamingApp.make({
  name: "wide",
  ...everyTick,
  outputs: Array.from({ length: outputs }, (_, k) =>
    lengths.pipe(
      DStream.map((line) => line.length + k),
      DStream.filter((n) => n % 2 === 0),
      DStream.foreachBatch((batch) => Effect.map(batch.count, check))
    ))
})
