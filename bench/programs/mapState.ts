/**
 * W5b mapWithState: as W5a; the output folds the records that the batch emits. `keys=N`: of so many keys.
 */
import { Config, Effect } from "effect"
import { add, check, checkpointInterval, DStream, everyTick, StateSpec, StreamingApp } from "./kit.ts"
import { keysInAll, stateKeyStream } from "../keys/stateKeys.ts"

const sums = StateSpec.make<string, number, number, number>((_key, value, state) => {
  const sum = (state.getOrUndefined() ?? 0) + (value ?? 0)
  state.update(sum)
  return sum
})

export default Effect.gen(function* () {
  const keys = yield* Config.Int("keys").pipe(Config.withDefault(keysInAll))
  return StreamingApp.make({
    name: "map-state",
    ...everyTick,
    outputs: [
      stateKeyStream(keys).pipe(
        DStream.mapToPair((key) => [key, 1]),
        DStream.mapWithState(sums),
        DStream.checkpoint(checkpointInterval),
        DStream.reduce(add),
        DStream.foreachBatch((batch) => Effect.map(batch.collect, ([sum = 0]) => check(sum)))
      )
    ]
  })
})
