/** What a socket delivers, counted and kept: the numbers of the lines of each batch. */
import { Config, Effect } from "effect"
import * as Socket from "../../../adapters/socket/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { collect, RUN } from "./collected.ts"

export default Effect.gen(function* () {
  const run = yield* RUN
  const lines = Socket.textStream({
    host: "127.0.0.1",
    port: yield* Config.Int("PORT"),
    reconnectDelay: 20,
    reconnectDelayMax: 50
  })
  return StreamingApp.make({
    name: "lines",
    batchDuration: "200 millis",
    settings: { blockInterval: 50 },
    outputs: [
      lines.pipe(DStream.count, collect(run, "counts")),
      lines.pipe(DStream.map((line) => Number(line.split(" ")[1])), collect(run, "numbers"))
    ]
  })
})
