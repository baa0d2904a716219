/** Builds another graph in threads than in the driver. */
import { isMainThread } from "node:worker_threads"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

const words = Memory.batches([["a"]])

export default StreamingApp.make({
  name: "two faces",
  batchDuration: "100 millis",
  outputs: [
    (isMainThread ? words : words.pipe(DStream.map((word) => word), DStream.named("only-in-threads"))).pipe(
      DStream.print()
    )
  ]
})
