/**
 * A receiver of the default storage level stores a record each 10 ms, and notes each one that is safe. Its batches are held until
 * the journal says "go". A thread dies when the journal says "kill" and its number.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { isMainThread, threadId } from "node:worker_threads"
import { Effect, Layer } from "effect"
import { DStream, StreamingApp } from "../../../../core/mod.ts"
import * as Receiver from "../../../../core/receiving/Receiver.ts"
import { collect, RUN } from "../collected.ts"
import { firstTime, JOURNAL, note } from "../journal.ts"

const when = (journal: string, order: string) =>
  Effect.gen(function* () {
    while (!fs.existsSync(path.join(journal, order))) yield* Effect.sleep(10)
  })

/** The number of a run of the receiver, counted over all threads. */
const nextRun = (journal: string): number => {
  let run = 1
  while (!firstTime(journal, `run ${run}`)) run++
  return run
}

const receiver = (journal: string) =>
  Receiver.make<string, Receiver.StoreError, never>({
    name: "keeps",
    onStart: Effect.fnUntraced(function* (store) {
      const run = nextRun(journal)
      note(journal, `receives ${threadId} ${run}`)
      for (let i = 0;; i++) {
        const record = `${run}/${i}`
        yield* store.array([record])
        note(journal, `stored ${record}`)
        yield* Effect.sleep(10)
      }
    })
  })

const mortal = (journal: string) =>
  Layer.effectDiscard(Effect.gen(function* () {
    if (isMainThread) return
    note(journal, `lives ${threadId}`)
    const die = Effect.sync(() => process.exit(7))
    yield* Effect.forkScoped(Effect.andThen(when(journal, `kill ${threadId}`), die))
  }))

export default Effect.gen(function* () {
  const run = yield* RUN
  const journal = yield* JOURNAL
  return StreamingApp.make({
    name: "keeps",
    batchDuration: "200 millis",
    settings: { receiverRestartDelay: 10 },
    layer: mortal(journal),
    outputs: [
      DStream.fromInput<string, Receiver.StoreError, never>("records", {
        kind: "receiver",
        receiver: receiver(journal),
        decode: undefined
      }).pipe(
        DStream.mapEffect((record) => Effect.as(when(journal, "go"), record)),
        collect(run, "records")
      )
    ]
  })
})
