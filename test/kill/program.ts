/**
 * The program of the kill test: every line of an acknowledging sender goes into files, exactly once, and is counted in a state.
 */
import { DStream, StreamingApp } from "dstreams"
import * as File from "dstreams/file"
import * as Socket from "dstreams/socket"
import { Config, Effect } from "effect"
import { dieIfTold } from "./dieIfTold.ts"

export default Effect.gen(function* () {
  const port = yield* Config.Port("PORT")
  const out = yield* Config.String("OUT")
  const lines = Socket.acknowledgedStream({ host: "127.0.0.1", port }).pipe(
    DStream.named("lines"),
    DStream.map((line) => dieIfTold(out, line))
  )
  const counts = lines.pipe(
    DStream.mapToPair((line) => [line, 1]),
    DStream.updateStateByKey((ones, count: number | undefined) => ones.length + (count ?? 0)),
    DStream.named("counts"),
    DStream.checkpoint("1 second")
  )
  return StreamingApp.make({
    name: "killed",
    batchDuration: "500 millis",
    settings: { gracefulStopTimeout: "2 minutes" },
    outputs: [
      lines.pipe(File.saveAsTextFiles(`${out}/lines`)),
      counts.pipe(DStream.filter(([, count]) => count !== 1), File.saveAsTextFiles(`${out}/repeated`)),
      counts.pipe(DStream.count, File.saveAsTextFiles(`${out}/keys`))
    ]
  })
})
