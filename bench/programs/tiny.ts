/**
 * W6 tiny: 100 lines a batch, their words counted. BATCH_MILLIS from Config.
 */
import { Config, Effect } from "effect"
import { DStream, linesOf, Memory, StreamingApp } from "./kit.ts"

export default Effect.gen(function* () {
  const batchMillis = yield* Config.Int("BATCH_MILLIS")
  const lines = Memory.stream({ numPartitions: 2, read: ({ partition }) => linesOf(partition, 50), records: () => 50 })
  return StreamingApp.make({
    name: "tiny",
    batchDuration: batchMillis,
    outputs: [
      lines.pipe(
        DStream.flatMap((line) => line.split(" ")),
        DStream.mapToPair((word) => [word, 1]),
        DStream.reduceByKey((a, b) => a + b),
        DStream.foreachBatch((batch) => batch.collect)
      )
    ]
  })
})
