/** Saves counts beneath the folder that Config names. */
import { Config, Effect } from "effect"
import * as File from "../../../adapters/file/mod.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

export default Effect.gen(function* () {
  const folder = yield* Config.String("FOLDER")
  const counts = Memory.batches([["to", "be", "to"]], 2).pipe(
    DStream.mapToPair((word) => [word, 1]),
    DStream.reduceByKey((a, b) => a + b, { numPartitions: 2 })
  )
  return StreamingApp.make({
    name: "saving",
    batchDuration: "100 millis",
    outputs: [
      counts.pipe(File.saveAsTextFiles(`${folder}/counts`, "txt")),
      counts.pipe(File.saveAsObjectFiles(`${folder}/pairs`))
    ]
  })
})
