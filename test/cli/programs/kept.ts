import { DStream, StreamingApp } from "dstreams"
import * as Memory from "dstreams/memory"
import { Config, Effect } from "effect"

/** Counts words into a state; what the state is called and its version come from outside. */
export default Effect.gen(function* () {
  const name = yield* Config.String("STATE").pipe(Config.withDefault("counts"))
  const version = yield* Config.Int("VERSION").pipe(Config.withDefault(1))
  const migrates = yield* Config.Boolean("MIGRATES").pipe(Config.withDefault(false))
  const words = Memory.stream({
    numPartitions: 2,
    read: ({ batch, partition }) => ["all", `p${partition}`, `n${batch % 2}`]
  })
  const counts = words.pipe(
    DStream.mapToPair((word) => [word, 1]),
    DStream.updateStateByKey((ones, count: number | undefined) => ones.length + (count ?? 0), {
      version,
      migrations: migrates ? { 1: (count: number) => count } : {}
    }),
    DStream.named(name),
    DStream.checkpoint("200 millis")
  )
  return StreamingApp.make({ name: "kept", batchDuration: "100 millis", outputs: [counts.pipe(DStream.print())] })
})
