/** Its threads die while they start. */
import { isMainThread } from "node:worker_threads"
import { Effect, Layer } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

const layer = Layer.effectDiscard(
  Effect.suspend(() => isMainThread ? Effect.void : Effect.fail(new Error("no table for threads")))
)

export default StreamingApp.make({
  name: "mortal",
  batchDuration: "100 millis",
  outputs: [Memory.batches([["a"]]).pipe(DStream.print())],
  layer
})
