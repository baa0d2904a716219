/** Fails at its first batch, in a named operator. */
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

const words = Memory.batches([["good"], ["bad"]].map((words) => [...words, "bad"])).pipe(
  DStream.map((word) => {
    if (word === "bad") throw new TypeError("no word for this")
    return word
  }),
  DStream.named("shout")
)

export default StreamingApp.make({
  name: "failing",
  batchDuration: "100 millis",
  outputs: [words.pipe(DStream.print())],
  settings: { maxTaskFailures: 1 }
})
