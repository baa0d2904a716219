/** Does at its first record what Config says: what no batch can see, or what never returns. */
import * as fs from "node:fs"
import { Config, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

export default Effect.gen(function* () {
  const how = yield* Config.Literals(["timer", "promise", "pipe"], "HOW")
  const pipe = yield* Config.String("PIPE").pipe(Config.withDefault(""))
  const words = Memory.batches([["word"]], 1).pipe(DStream.map((word) => {
    if (how === "timer") {
      setTimeout(() => {
        throw new TypeError("too late")
      }, 0)
    }
    if (how === "promise") void Promise.reject(new TypeError("not awaited"))
    if (how === "pipe") {
      console.error("opening")
      fs.openSync(pipe, "r")
    }
    return word
  }))
  return StreamingApp.make({ name: "astray", batchDuration: "100 millis", outputs: [words.pipe(DStream.print())] })
})
