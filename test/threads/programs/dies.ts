/**
 * Its thread dies once, HOW Config says, in the middle of a task of the third batch, while outputs of its shuffle and of the
 * batch before are held there; a receiver stores all the time. WAIT: not before the journal says "go".
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { isMainThread } from "node:worker_threads"
import { Config, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { Receiver } from "../../../core/receiving/Receiver.ts"
import { collect, RUN } from "./collected.ts"
import { firstTime, JOURNAL, note } from "./journal.ts"

/** Stores numbers from 0 on, one each 10 ms. */
const ticks = (journal: string): Receiver<number, never, never> => ({
  name: "ticks",
  storageLevel: "MEMORY_ONLY",
  preferredHost: undefined,
  onStop: Effect.void,
  onStart: Effect.fnUntraced(function* (store) {
    note(journal, "receives")
    for (let i = 0;; i++) {
      if (!store.single(i)) yield* store.ready
      yield* Effect.sleep(10)
    }
  })
})

const die: Record<string, () => void> = {
  exit: () => process.exit(7),
  throw: () => {
    setTimeout(() => {
      throw new TypeError("out of a timer")
    })
  }
}

const read = (part: Memory.Part) => Array.from({ length: 100 }, (_, i) => part.batch * 1000 + part.partition * 100 + i)

export default Effect.gen(function* () {
  const run = yield* RUN
  const journal = yield* JOURNAL
  const how = yield* Config.String("HOW").pipe(Config.withDefault("exit"))
  const wait = yield* Config.Boolean("WAIT").pipe(Config.withDefault(false))
  const isTime = () => !wait || fs.existsSync(path.join(journal, "go"))
  const numbers = Memory.stream({ numPartitions: 4, read })
  return StreamingApp.make({
    name: "dies",
    batchDuration: "200 millis",
    settings: { onBlockLost: "ignore", receiverRestartDelay: 10, blockInterval: 50 },
    outputs: [
      numbers.pipe(
        DStream.mapToPair((n) => [n % 10, n]),
        DStream.groupByKey({ numPartitions: 3 }),
        DStream.mapEffect(([key, values]) => {
          if (isMainThread || values[0]! < 2000 || !isTime() || !firstTime(journal, "died")) {
            return Effect.succeed([key, values] as const)
          }
          die[how]!()
          return Effect.never
        }),
        collect(run, "groups")
      ),
      DStream.fromInput<number, never, never>("ticks", {
        kind: "receiver",
        receiver: ticks(journal),
        decode: undefined
      })
        .pipe(collect(run, "ticks"))
    ]
  })
})
