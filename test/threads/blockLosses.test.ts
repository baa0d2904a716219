/**
 * Threads that die with stored blocks which wait for their batch, while tasks that read them run: by default nothing is lost.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { recordsOf } from "./programs/collected.ts"
import { lines } from "./programs/journal.ts"
import * as Run from "./run.ts"

/** What is noted after a word, in the order in which it was noted last. */
const noted = (journal: string, word: string): ReadonlyArray<ReadonlyArray<string>> =>
  lines(journal).flatMap((line) => line.startsWith(`thread ${word} `) ? [line.split(" ").slice(2)] : [])

const until = (holds: () => boolean) =>
  Effect.gen(function* () {
    while (!holds()) yield* Effect.sleep(10)
  })

const order = (journal: string, what: string) => fs.writeFileSync(path.join(journal, what), "")

const keeps = Effect.fnUntraced(function* (run: string) {
  const journal = yield* Run.folder
  const running = yield* Run.start("losses/keeps", { config: { JOURNAL: journal, RUN: run } })
  const stored = () => noted(journal, "stored").map(([record]) => record!)
  /** So many more records are stored. */
  const store = (more: number) =>
    Effect.suspend(() => {
      const before = stored().length
      return until(() => stored().length >= before + more)
    })
  const kill = Effect.fnUntraced(function* (thread: string, nth: number) {
    order(journal, `kill ${thread}`)
    yield* until(() => running.eventsOf("ExecutorRemoved").length === nth)
    yield* running.sees("ExecutorAdded", ({ executor }) => executor === `executor-${2 + nth}`)
  })
  /** What was stored is in the batches, once, and nobody was told of a loss. */
  const complete = Effect.gen(function* () {
    order(journal, "go")
    yield* store(10)
    const report = yield* running.context.stop({ graceful: true })
    assert.deepEqual(report, { graceful: true, openBatches: [], unallocatedBlocks: false, activeReceivers: [] })
    yield* running.context.awaitTermination
    const records = recordsOf(run, "records") as ReadonlyArray<string>
    assert.equal(new Set(records).size, records.length)
    assert.deepEqual(stored().filter((record) => !records.includes(record)), [])
    assert.deepEqual(running.eventsOf("BlocksLost"), [])
    assert.deepEqual(running.eventsOf("ReceiverError"), [])
  })
  yield* store(50)
  const receiving = noted(journal, "receives")[0]![0]!
  const other = noted(journal, "lives").map(([thread]) => thread!).find((thread) => thread !== receiving)!
  return { store, kill, complete, receiving, other, running }
})

it.live("the thread of a receiver dies while its blocks wait and are read: nothing that was stored is lost", () =>
  Effect.gen(function* () {
    const { complete, kill, receiving, running, store } = yield* keeps("keeps, one")
    yield* kill(receiving, 1)
    assert.ok(running.eventsOf("TaskRetried").length > 0, "a task was running")
    yield* store(10)
    yield* complete
  }))

it.live("then the thread dies that held the copies: they have been copied again, and nothing is lost", () =>
  Effect.gen(function* () {
    const { complete, kill, other, receiving, store } = yield* keeps("keeps, two")
    yield* kill(receiving, 1)
    // What is stored now is stored at both threads, and what was left at one has been copied meanwhile.
    yield* store(50)
    yield* kill(other, 2)
    yield* store(10)
    yield* complete
  }))
