/**
 * W6 tiny: 100 lines a batch, their words counted. BATCH_MILLIS from Config.
 */
import { Config, Effect } from "effect"
import { DStream, lineStream, StreamingApp } from "./kit.ts"

export default Effect.gen(function* () {
  const batchMillis = yield* Config.Int("BATCH_MILLIS")
  return StreamingApp.make({
    name: "tiny",
    batchDuration: batchMillis,
    outputs: [
      lineStream(50).pipe(
        DStream.flatMap((line) => line.split(" ")),
        DStream.mapToPair((word) => [word, 1]),
        DStream.reduceByKey((a, b) => a + b),
        DStream.foreachBatch((batch) => batch.collect)
      )
    ]
  })
})
