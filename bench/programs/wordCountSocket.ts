/**
 * W3 wordcount-socket: lines from a socket, their words counted; 1 s batches, blocks of 200 ms. HOST and PORT from Config.
 */
import { Config, Effect } from "effect"
import * as Socket from "../../adapters/socket/mod.ts"
import { DStream, StreamingApp } from "./kit.ts"

export default Effect.gen(function* () {
  const host = yield* Config.String("HOST")
  const port = yield* Config.Port("PORT")
  return StreamingApp.make({
    name: "wordcount-socket",
    batchDuration: "1 second",
    outputs: [
      Socket.textStream({ host, port }).pipe(
        DStream.flatMap((line) => line.split(" ")),
        DStream.mapToPair((word) => [word, 1]),
        DStream.reduceByKey((a, b) => a + b),
        DStream.foreachBatch((batch) => batch.collect)
      )
    ]
  })
})
