/**
 * Dynamic allocation: each partition takes 100 ms until the journal says "light", in batches of 300 ms; states of all that came.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { threadId } from "node:worker_threads"
import { Effect } from "effect"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { collect, RUN } from "../threads/programs/collected.ts"
import { JOURNAL, note } from "../threads/programs/journal.ts"

export const partitions = 6

/** How often a batch has each of the three keys. */
export const perKey = 4

const words = Memory.stream({
  numPartitions: partitions,
  read: ({ partition }) => [`key ${partition % 3}`, `key ${partition % 3}`]
})

const load = (journal: string) =>
  Effect.suspend(() => {
    note(journal, `thread ${threadId}`)
    return fs.existsSync(path.join(journal, "light")) ? Effect.void : Effect.sleep(100)
  })

export default Effect.gen(function* () {
  const run = yield* RUN
  const journal = yield* JOURNAL
  return StreamingApp.make({
    name: "scales",
    batchDuration: "300 millis",
    settings: { dynamicAllocation: true, maxExecutors: 3, scalingInterval: "1 second", defaultParallelism: 3 },
    outputs: [
      words.pipe(
        DStream.mapPartitions((all) => [all]),
        DStream.mapEffect((all) => Effect.as(load(journal), all)),
        DStream.flatMap((all) => all),
        DStream.mapToPair((word) => [word, 1] as const),
        DStream.updateStateByKey((ones: ReadonlyArray<number>, count: number | undefined) =>
          (count ?? 0) + ones.length
        ),
        DStream.checkpoint("600 millis"),
        collect(run, "counts")
      )
    ]
  })
})
