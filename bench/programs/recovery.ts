/**
 * W8 recovery: record ids of an acknowledging source are counted in a state; each batch prints what the state comes to. PORT from Config.
 */
import { Config, Effect } from "effect"
import * as Socket from "../../adapters/socket/mod.ts"
import { DStream, StreamingApp } from "./kit.ts"

/** What a batch prints, as JSON. */
export interface Counted {
  readonly time: number
  readonly ids: number
  readonly records: number
}

export default Effect.gen(function* () {
  const port = yield* Config.Port("PORT")
  return StreamingApp.make({
    name: "recovery",
    batchDuration: "1 second",
    outputs: [
      Socket.acknowledgedStream({ host: "127.0.0.1", port }).pipe(
        DStream.mapToPair((id) => [id, 1]),
        DStream.updateStateByKey((ones: ReadonlyArray<number>, count: number | undefined) =>
          (count ?? 0) + ones.length
        ),
        DStream.named("counts"),
        DStream.checkpoint("10 seconds"),
        DStream.map(([, count]): readonly [number, number] => [1, count]),
        DStream.reduce((a, b): readonly [number, number] => [a[0] + b[0], a[1] + b[1]]),
        DStream.foreachBatch((batch) =>
          Effect.map(batch.collect, ([[ids, records] = [0, 0]]) => {
            process.stdout.write(JSON.stringify({ time: batch.time, ids, records } satisfies Counted) + "\n")
          })
        )
      )
    ]
  })
})
