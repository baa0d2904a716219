/**
 * W5a updateStateByKey: a sum per key over 1,000,000 keys, 100,000 of them updated in a batch; the output folds the whole state.
 */
import { Effect } from "effect"
import { add, check, checkpointInterval, DStream, everyTick, StreamingApp } from "./kit.ts"
import { stateKeyStream } from "../keys/stateKeys.ts"

export default StreamingApp.make({
  name: "update-state",
  ...everyTick,
  outputs: [
    stateKeyStream().pipe(
      DStream.mapToPair((key) => [key, 1]),
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: number | undefined) => {
        let sum = state ?? 0
        for (const value of values) sum += value
        return sum
      }),
      DStream.checkpoint(checkpointInterval),
      DStream.map(([, sum]) => sum),
      DStream.reduce(add),
      DStream.foreachBatch((batch) => Effect.map(batch.collect, ([sum = 0]) => check(sum)))
    )
  ]
})
