/**
 * W4 window: keys are counted over a window of 30 batches; the output folds the window. With `inverse=yes` incrementally by an inverse
 * function, with a snapshot every ten batches; without it by the function alone.
 */
import { Config, Effect } from "effect"
import { add, check, checkpointInterval, DStream, everyTick, StreamingApp } from "./kit.ts"
import { windowBatches, windowKeyStream } from "../keys/windowKeys.ts"

const subtract = (a: number, b: number) => a - b

export default Effect.gen(function* () {
  const inverse = (yield* Config.String("inverse")) === "yes"
  const length = `${windowBatches * 20} millis` as const
  return StreamingApp.make({
    name: "window",
    ...everyTick,
    outputs: [
      windowKeyStream.pipe(
        DStream.mapToPair((key) => [key, 1]),
        DStream.reduceByKeyAndWindow(add, length, "20 millis", inverse ? { inverse: subtract } : {}),
        DStream.checkpoint(checkpointInterval),
        DStream.map(([, count]) => count),
        DStream.reduce(add),
        DStream.foreachBatch((batch) => Effect.map(batch.collect, ([sum = 0]) => check(sum)))
      )
    ]
  })
})
