/** A program whose name comes from Config. */
import { Config, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

export default Effect.gen(function* () {
  const name = yield* Config.String("NAME").pipe(Config.withDefault("counts"))
  return StreamingApp.make({
    name,
    batchDuration: "1 second",
    outputs: [Memory.batches([["a"]]).pipe(DStream.named("words"), DStream.print())]
  })
})
