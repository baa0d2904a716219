/** Counts lines of the socket at PORT, each batch slowly; HOW a thread dies once, if at all, from Config. */
import * as fs from "node:fs"
import { isMainThread } from "node:worker_threads"
import { Config, Effect } from "effect"
import * as Socket from "../../../adapters/socket/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

export default Effect.gen(function* () {
  const port = yield* Config.Int("PORT")
  const dies = yield* Config.String("DIES").pipe(Config.withDefault(""))
  const dieOnce = () => {
    if (isMainThread || dies === "" || fs.existsSync(dies)) return
    fs.writeFileSync(dies, "")
    process.exit(7)
  }
  return StreamingApp.make({
    name: "lines",
    batchDuration: "100 millis",
    settings: { blockInterval: 20, onBlockLost: "ignore", receiverRestartDelay: 10 },
    outputs: [
      Socket.textStream({ host: "127.0.0.1", port, reconnectDelay: 20 }).pipe(
        DStream.map((line) => {
          if (line === "die") dieOnce()
          return line
        }),
        DStream.mapEffect((line) => Effect.as(line === "slow" ? Effect.sleep(1000) : Effect.void, line)),
        DStream.count,
        DStream.print()
      )
    ]
  })
})
