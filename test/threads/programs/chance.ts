/** Reads a random number while its module is loaded: another graph each time. */
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

const words = Memory.batches([["a"]])

export default StreamingApp.make({
  name: "chance",
  batchDuration: "100 millis",
  outputs: [
    words.pipe(
      DStream.mapToPair((word) => [word, 1]),
      DStream.reduceByKey((a, b) => a + b, { numPartitions: 1 + Math.floor(Math.random() * 4000) }),
      DStream.print()
    )
  ]
})
