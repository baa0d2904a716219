/**
 * A join of two streams: how often each word of a batch came in it, and how often in the last ten seconds.
 * `npm run dstreams -- run examples/word-trends.ts --demo`, or beside `nc -lk 9999`, with `--host localhost --port 9999`.
 */
import { DStream, StreamingApp } from "dstreams"
import * as Socket from "dstreams/socket"
import { Config, Effect } from "effect"

export default Effect.gen(function* () {
  const host = yield* Config.String("HOST").pipe(Config.withDefault("localhost"))
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(9999))

  const now = Socket.textStream({ host, port }).pipe(
    DStream.flatMap((line) => line.split(" ")),
    DStream.mapToPair((word) => [word, 1]),
    DStream.reduceByKey((a, b) => a + b)
  )
  const lately = now.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "10 seconds"))

  // Both are spread alike, so the join moves nothing.
  const trends = now.pipe(DStream.join(lately))

  return StreamingApp.make({
    name: "WordTrends",
    batchDuration: "1 second",
    outputs: [trends.pipe(DStream.print())]
  })
})
