/**
 * In its fourth batch functions hold both threads for three seconds, once, while a receiver reads a socket.
 */
import { Config, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as Socket from "../../../adapters/socket/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { collect, RUN } from "./collected.ts"
import { firstTime, JOURNAL } from "./journal.ts"

export const holdMillis = 3000

const hold = (): void => {
  const end = performance.now() + holdMillis
  while (performance.now() < end);
}

export default Effect.gen(function* () {
  const run = yield* RUN
  const journal = yield* JOURNAL
  const numbers = Memory.stream({ numPartitions: 2, read: ({ batch, partition }) => [{ batch, partition }] }).pipe(
    DStream.map((part) => {
      if (part.batch === 3 && firstTime(journal, `held ${part.partition}`)) hold()
      return part
    })
  )
  const lines = Socket.textStream({ host: "127.0.0.1", port: yield* Config.Int("PORT") })
  return StreamingApp.make({
    name: "holds",
    batchDuration: "200 millis",
    settings: { blockInterval: 50 },
    outputs: [numbers.pipe(collect(run, "numbers")), lines.pipe(collect(run, "lines"))]
  })
})
