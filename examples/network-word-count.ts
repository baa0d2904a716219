/**
 * Counts the words that a server sends, batch after batch. `npm start` is
 * `npm run dstreams -- run examples/network-word-count.ts --demo`; beside `nc -lk 9999`: `npm start -- --host localhost --port 9999`.
 */
import { DStream, StreamingApp } from "dstreams"
import * as Socket from "dstreams/socket"
import { Config, Effect } from "effect"

export default Effect.gen(function* () {
  const host = yield* Config.String("HOST").pipe(Config.withDefault("localhost"))
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(9999))

  const counts = Socket.textStream({ host, port }).pipe(
    DStream.flatMap((line) => line.split(" ")),
    DStream.mapToPair((word) => [word, 1]),
    DStream.reduceByKey((a, b) => a + b)
  )

  return StreamingApp.make({
    name: "NetworkWordCount",
    batchDuration: "1 second",
    outputs: [counts.pipe(DStream.print())]
  })
})
