/** Says when a batch begins, and takes as long for each as Config says. */
import { Config, Console, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

export default Effect.gen(function* () {
  const millis = yield* Config.Int("MILLIS")
  const words = Memory.stream({ numPartitions: 1, read: () => ["word"] })
  const slowly = DStream.foreachBatch(() =>
    Console.log("begin").pipe(Effect.andThen(Effect.sleep(millis)), Effect.andThen(Console.log("done")))
  )
  return StreamingApp.make({ name: "slow", batchDuration: "100 millis", outputs: [words.pipe(slowly)] })
})
