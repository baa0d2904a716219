/**
 * W10 wide: 500 outputs over one queue stream of 100 lines a batch, each of which maps, filters and counts.
 */
import { Effect } from "effect"
import * as Queue from "../../adapters/queue/mod.ts"
import { check, DStream, everyTick, linesOf, StreamingApp } from "./kit.ts"

export const outputs = 500
export const lines = 100

/** The driver takes one a batch; more than any bench has. */
const queue = Array.from({ length: 10_000 }, () => linesOf(0, lines))

const lengths = Queue.stream(queue, { numPartitions: 2 })

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
