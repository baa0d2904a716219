/**
 * W9 files: the words of the files that appear in a folder are counted; the batch with 20 files is what is measured.
 */
import { Config, Effect } from "effect"
import * as File from "../../adapters/file/mod.ts"
import { add, check, DStream, StreamingApp } from "./kit.ts"

export default Effect.gen(function* () {
  const directory = yield* Config.String("DIRECTORY")
  return StreamingApp.make({
    name: "files",
    batchDuration: "2 seconds",
    outputs: [
      File.textStream({ directory }).pipe(
        DStream.flatMap((line) => line.split(" ")),
        DStream.mapToPair((word) => [word, 1]),
        DStream.reduceByKey(add),
        DStream.foreachBatch((batch) =>
          Effect.map(batch.collect, (counts) => {
            for (const [, count] of counts) check(count)
          })
        )
      )
    ]
  })
})
