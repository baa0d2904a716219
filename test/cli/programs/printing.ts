/** Prints so many lines of a thousand letters in each batch. */
import { Config, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

export default Effect.gen(function* () {
  const lines = yield* Config.Int("LINES").pipe(Config.withDefault(1))
  const words = Memory.stream({
    numPartitions: 1,
    read: ({ batch }) => Array.from({ length: lines }, () => `${batch}`.padEnd(1000, "."))
  })
  return StreamingApp.make({
    name: "printing",
    batchDuration: "50 millis",
    outputs: [words.pipe(DStream.print(lines))]
  })
})
