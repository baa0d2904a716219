/**
 * Threads that die with the states they hold: what they held is made again from snapshots and plans, and counted once.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { collected } from "./programs/collected.ts"
import { lines } from "./programs/journal.ts"
import { pairsOf } from "./programs/losses/states.ts"
import * as Run from "./run.ts"

const until = (holds: () => boolean) =>
  Effect.gen(function* () {
    while (!holds()) yield* Effect.sleep(10)
  })

const order = (journal: string, what: string) => fs.writeFileSync(path.join(journal, what), "")

/** The states after so many batches, the obvious way. */
const expected = (batches: number, next: (state: number, value: number) => number) => {
  const states = new Map<string, number>()
  for (let batch = 0; batch < batches; batch++) {
    for (const [key, value] of pairsOf(batch)) states.set(key, next(states.get(key) ?? 0, value))
  }
  return [...states].sort()
}

const sorted = (partitions: ReadonlyArray<ReadonlyArray<any>>) => partitions.flat(1).sort()

it.live("threads that hold states die, one after the other: nothing is lost, everything is counted once", () =>
  Effect.gen(function* () {
    const run = "states die"
    const journal = yield* Run.folder
    const running = yield* Run.start("losses/states", { config: { JOURNAL: journal, RUN: run } })
    const living = () => lines(journal).flatMap((line) => line.startsWith("thread lives ") ? [line.split(" ")[2]!] : [])
    const done = () => Math.min(collected(run, "sums").length, collected(run, "times").length)
    yield* until(() => living().length === 2)
    const [first, second] = living() as [string, string]
    for (let batch = 0; batch < 5; batch++) order(journal, `go ${batch}`)
    yield* until(() => done() >= 5)
    // The sixth batch waits in its tasks: a thread dies with them, and with the states of five batches.
    order(journal, `kill ${first}`)
    yield* until(() => running.eventsOf("ExecutorRemoved").length === 1)
    for (let batch = 5; batch < 8; batch++) order(journal, `go ${batch}`)
    yield* until(() => done() >= 8)
    order(journal, `kill ${second}`)
    yield* until(() => running.eventsOf("ExecutorRemoved").length === 2)
    order(journal, "go on")
    yield* until(() => done() >= 12)
    const report = yield* running.context.stop({ graceful: true })
    assert.deepEqual(report, { graceful: true, openBatches: [], unallocatedBlocks: false, activeReceivers: [] })
    yield* running.context.awaitTermination
    assert.ok(running.eventsOf("SnapshotCompleted").length > 0)
    collected(run, "sums").forEach(({ partitions }, i) =>
      assert.deepEqual(sorted(partitions), expected(i + 1, (a, b) => a + b), `sums of batch ${i}`)
    )
    collected(run, "times").forEach(({ partitions }, i) =>
      assert.deepEqual(sorted(partitions), expected(i + 1, (n) => n + 1), `times of batch ${i}`)
    )
    // A step is taken once, and again only for what a thread took with it.
    const steps = lines(journal).flatMap((line) => line.startsWith("thread steps ") ? [line.split(" ")[3]!] : [])
    const taken = [...new Set(steps)].map((time) => steps.filter((it) => it === time).length)
    assert.ok(taken.every((count) => count <= 3), String(taken))
  }))
