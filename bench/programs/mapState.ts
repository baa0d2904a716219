/**
 * W5b mapWithState: as W5a; the output folds the records that the batch emits.
 */
import { Effect } from "effect"
import { add, check, checkpointInterval, DStream, everyTick, StateSpec, StreamingApp } from "./kit.ts"
import { stateKeyStream } from "./stateKeys.ts"

const sums = StateSpec.make<string, number, number, number>((_key, value, state) => {
  const sum = (state.getOrUndefined() ?? 0) + (value ?? 0)
  state.update(sum)
  return sum
})

export default StreamingApp.make({
  name: "map-state",
  ...everyTick,
  outputs: [
    stateKeyStream.pipe(
      DStream.mapToPair((key) => [key, 1]),
      DStream.mapWithState(sums),
      DStream.checkpoint(checkpointInterval),
      DStream.reduce(add),
      DStream.foreachBatch((batch) => Effect.map(batch.collect, ([sum = 0]) => check(sum)))
    )
  ]
})
