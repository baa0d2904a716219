/**
 * Which files of receivers' logs can go: none that a block will ever be read from, however late it is reported, and in the end all that
 * are done with.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { folderOf, follow, type NewestLog, parse, partOf } from "../../core/blocks/BlockLogs.ts"
import { loggedFiles, unneededFiles } from "../../core/blocks/neededLogs.ts"
import type { ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import { segmentName } from "../../core/wal/LogPosition.ts"
import * as Tracker from "../../core/blocks/ReceivedBlockTracker.ts"
import { PendingFiles } from "../../runtime/executor/blocks/PendingFiles.ts"
import { nameOf } from "../../runtime/storage/StableStorage.ts"

const stream = "a stream/of lines".repeat(20)

/** A receiver's attempt, and the driver that may hear of its blocks late, out of order, or never. */
class Attempt {
  readonly folder: string
  readonly pending = new PendingFiles()
  readonly files: Array<string> = []
  readonly unreported: Array<ReceivedBlockInfo> = []
  private segment = 1
  private sequence = 0
  private readonly attempt: number

  constructor(attempt: number) {
    this.attempt = attempt
    this.folder = folderOf(1, partOf(stream, nameOf), attempt)
  }

  roll(): void {
    this.segment++
  }

  store(): void {
    const sequence = this.sequence++
    const block = `${stream}/1/${this.attempt}/${sequence}`
    this.pending.begin(block)
    const file = segmentName(this.folder, this.segment)
    if (!this.files.includes(file)) this.files.push(file)
    this.pending.placed(block, file)
    const log = { file, offset: sequence, length: 1 }
    this.unreported.push({
      block,
      stream,
      attempt: this.attempt,
      sequence,
      records: 1,
      bytes: 1,
      locations: [],
      log,
      logFrom: this.pending.from()
    })
  }

  report(index: number, state: Tracker.ReceivedBlockTracker, registered: number): void {
    const [info] = this.unreported.splice(index % this.unreported.length, 1)
    if (info === undefined) return
    const plan = Tracker.plan(state, { kind: "AddBlock", info, registered })
    if (plan.kind === "Accepted") { for (const event of plan.events) Tracker.apply(state, event) }
    this.pending.end(info.block)
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("store" as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("report" as const), index: fc.nat(9), old: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom("roll" as const, "batch" as const, "cleanup" as const) })
    },
    fc.record({ kind: fc.constant("anew" as const) })
  ),
  { maxLength: 80, size: "max" }
)

test("no block is ever in a file that was not needed, however late it is reported", () => {
  fc.assert(fc.property(steps, (script) => {
    const state = Tracker.make([stream])
    const attempts = [new Attempt(1)]
    const removed = new Set<string>()
    let time = 0
    for (const step of script) {
      const newest = attempts.at(-1)!
      if (step.kind === "store") newest.store()
      else if (step.kind === "report") {
        ;(step.old ? attempts.at(-2) ?? newest : newest).report(step.index, state, attempts.length)
      } else if (step.kind === "roll") newest.roll()
      else if (step.kind === "anew") attempts.push(new Attempt(attempts.length + 1))
      else {
        const event = step.kind === "batch"
          ? Tracker.plan(state, { kind: "AllocateBatch", time: ++time })
          : Tracker.plan(state, { kind: "CleanupBatches", before: time, now: time + 1 })
        if (event.kind === "Accepted") { for (const one of event.events) Tracker.apply(state, one) }
      }
      for (const file of loggedFiles(state)) assert.ok(!removed.has(file), `${file} is needed, and was not`)
      const files = attempts.flatMap((attempt) => attempt.files)
      for (const file of unneededFiles(state, files, 1, nameOf)) removed.add(file)
    }
    // All is reported and done with, and the newest receiver goes on: one file is left.
    const last = new Attempt(attempts.length + 1)
    last.store()
    last.report(0, state, attempts.length + 1)
    last.roll()
    last.store()
    last.report(0, state, attempts.length + 1)
    for (
      const command of [{ kind: "AllocateBatch", time: ++time }, {
        kind: "CleanupBatches",
        before: time + 1,
        now: time + 2
      }] as const
    ) {
      const plan = Tracker.plan(state, command)
      if (plan.kind === "Accepted") { for (const event of plan.events) Tracker.apply(state, event) }
    }
    const files = [...attempts, last].flatMap((attempt) => attempt.files)
    const left = new Set(files)
    for (const file of unneededFiles(state, files, 1, nameOf)) left.delete(file)
    assert.deepEqual([...left], [last.files.at(-1)])
    assert.deepEqual(unneededFiles(state, files, 2, nameOf).length, files.length, "another driver needs none of them")
  }))
})

test("the file that a receiver writes to is kept while nothing that is in it is needed: its next block will be in it", () => {
  const state = Tracker.make([stream])
  const attempt = new Attempt(1)
  for (let time = 1; time < 9; time++) {
    if (time < 3) attempt.store()
    attempt.report(0, state, 1)
    for (
      const command of [
        { kind: "AllocateBatch", time },
        { kind: "CleanupBatches", before: time, now: time + 1 }
      ] as const
    ) {
      const plan = Tracker.plan(state, command)
      if (plan.kind === "Accepted") { for (const event of plan.events) Tracker.apply(state, event) }
    }
  }
  assert.deepEqual([...loggedFiles(state)], [])
  assert.deepEqual(unneededFiles(state, attempt.files, 1, nameOf), [])
})

test("files that are no receiver's log, and of attempts that have not reported, are left alone", () => {
  const state = Tracker.make([stream])
  const others = ["app", "epochs/00000001/owner", "epochs/00000001/log/00000001", "epochs/00000001/blocks/x/00000001"]
  assert.deepEqual(others.map(parse), others.map(() => undefined))
  const file = segmentName(folderOf(2, "x", 3), 1)
  assert.deepEqual(parse(file), { epoch: 2, stream: "x", attempt: 3 })
  assert.deepEqual(unneededFiles(state, [...others, file], 2, nameOf), [])
  assert.deepEqual(unneededFiles(state, [...others, file], 3, nameOf), [file])
})

test("the newest log is that of the newest attempt of the newest driver, in whatever order their blocks are told", () => {
  const infoOf = (epoch: number, attempt: number, logFrom: string | undefined): ReceivedBlockInfo => {
    const [place, size] = [{ block: `s/${epoch}/${attempt}/0`, stream: "s", attempt }, { records: 1, bytes: 1 }]
    return { ...place, ...size, sequence: 0, locations: [], logFrom }
  }
  const newest = infoOf(2, 3, "epochs/00000002/blocks/s/3/00000002")
  const others = [
    infoOf(1, 9, "epochs/00000001/blocks/s/9/00000001"),
    infoOf(2, 2, "epochs/00000002/blocks/s/2/00000009"),
    infoOf(2, 3, undefined)
  ]
  for (const order of [[...others, newest], [newest, ...others], [...others.toReversed(), newest]]) {
    const logs = new Map<string, NewestLog>()
    for (const info of order) follow(logs, info)
    assert.deepEqual([...logs], [["s", { epoch: 2, attempt: 3, from: newest.logFrom }]])
  }
})
