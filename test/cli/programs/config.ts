/** Builds its app from Config that has to be there. */
import { Config, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

export default Effect.gen(function* () {
  const host = yield* Config.String("HOST")
  const port = yield* Config.Int("PORT")
  return StreamingApp.make({
    name: `${host}:${port}`,
    batchDuration: "100 millis",
    outputs: [Memory.batches([["a"]]).pipe(DStream.print())],
    settings: { onBlockLost: "ignore", maxTaskFailures: 3 }
  })
})
