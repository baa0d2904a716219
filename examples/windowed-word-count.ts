/**
 * Counts the words of the last ten seconds, at every batch, the most frequent first. A batch costs the words that come and those that
 * leave, not the window. `npm run dstreams -- run examples/windowed-word-count.ts --demo`, or beside `nc -lk 9999`, with
 * `--host localhost --port 9999`.
 */
import { DStream, RDD, StreamingApp } from "dstreams"
import * as Socket from "dstreams/socket"
import { Config, Effect } from "effect"

export default Effect.gen(function* () {
  const host = yield* Config.String("HOST").pipe(Config.withDefault("localhost"))
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(9999))

  const counts = Socket.textStream({ host, port }).pipe(
    DStream.flatMap((line) => line.split(" ")),
    DStream.mapToPair((word) => [word, 1]),
    DStream.reduceByKeyAndWindow((a, b) => a + b, "10 seconds")
  )
  const mostFrequent = counts.pipe(
    DStream.transform((rdd) => rdd.pipe(RDD.sortBy(([, count]) => count, { ascending: false })))
  )

  return StreamingApp.make({
    name: "WindowedWordCount",
    batchDuration: "1 second",
    outputs: [mostFrequent.pipe(DStream.print())]
  })
})
