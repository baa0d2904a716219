/**
 * Worker threads that die in the middle of their work, that die at every start, and that are held for seconds.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { it } from "../kit.ts"
import { collected, recordsOf } from "./programs/collected.ts"
import { holdMillis } from "./programs/holds.ts"
import { lines } from "./programs/journal.ts"
import * as Run from "./run.ts"
import { server } from "./server.ts"

const deaths = [["exit", "its thread exited with code 7"], [
  "throw",
  "it threw what nobody caught: TypeError: out of a timer"
]] as const

/** What the program's groups are, whoever computed them. */
const groupsOf = (batch: number) => {
  const numbers = Array.from({ length: 400 }, (_, i) => batch * 1000 + i)
  return new Map(Array.from({ length: 10 }, (_, key) => [key, numbers.filter((n) => n % 10 === key)]))
}

for (const [how, reason] of deaths) {
  it.live(`a thread that dies in the middle of a task (${how}) is replaced, and its tasks and its receiver run again`, () =>
    Effect.gen(function* () {
      const run = `dies by ${how}`
      const journal = yield* Run.folder
      const running = yield* Run.start("dies", { config: { JOURNAL: journal, RUN: run, HOW: how } })
      const removed = yield* running.sees("ExecutorRemoved")
      assert.equal(removed.reason, reason)
      yield* running.sees("ExecutorAdded", ({ executor }) => executor === "executor-3")
      const after = collected(run, "groups").length
      yield* running.sees("BatchCompleted", () => collected(run, "groups").length >= after + 3)
      const report = yield* running.context.stop({ graceful: true })
      assert.deepEqual(report, { graceful: true, openBatches: [], unallocatedBlocks: false, activeReceivers: [] })
      yield* running.context.awaitTermination
      const groups = collected(run, "groups")
      // A graceful stop closes direct inputs: the last batches may be empty.
      groups.filter(({ partitions }) => partitions.flat(1).length > 0).forEach(({ partitions }, batch) => {
        assert.equal(partitions.length, 3)
        assert.deepEqual(new Map(partitions.flat(1) as ReadonlyArray<[number, Array<number>]>), groupsOf(batch))
      })
      assert.deepEqual(running.eventsOf("ExecutorAdded").map(({ executor }) => executor).toSorted(), [
        "executor-1",
        "executor-2",
        "executor-3"
      ])
      assert.deepEqual(running.eventsOf("ExecutorRemoved").length, 1)
      assert.ok(
        running.eventsOf("TaskRetried").some((retry) =>
          retry.reason.includes(`${removed.executor} was lost: ${reason}`)
        )
      )
      const starts = lines(journal).filter((line) => line === "thread receives").length
      const receivedOn = running.eventsOf("ReceiverStarted").map(({ receiver }) => receiver.executor)
      assert.equal(starts, receivedOn.length)
      assert.equal(starts, receivedOn[0] === removed.executor ? 2 : 1)
      const received: ReadonlyArray<number> = recordsOf(run, "ticks")
      // Each run of the receiver counts from 0; within a run nothing that was stored is missing but lost blocks, which are told.
      const missing = received.filter((tick, i) => tick !== 0 && received[i - 1] !== tick - 1)
      assert.ok(
        missing.length <= running.eventsOf("BlocksLost").length,
        `${missing} after ${running.eventsOf("BlocksLost").length} losses`
      )
    }))
}

it.live("threads that die at every start end the start with the reason", () =>
  Effect.gen(function* () {
    const { context } = yield* Run.make("mortal")
    const error = (yield* Effect.flip(context.start)) as { readonly _tag: string; readonly message: string }
    assert.equal(error._tag, "PlacementError")
    assert.match(error.message, /died at its start 3 times in a row.*no table for threads/)
    yield* Effect.exit(context.awaitTermination)
    assert.equal(context.state(), "Stopped")
  }))

it.live("functions that hold all threads for three seconds lose nothing, restart nobody, and are seen in the delays", () =>
  Effect.gen(function* () {
    const { port, send, connections } = yield* server
    const config = { JOURNAL: yield* Run.folder, RUN: "holds", PORT: String(port) }
    const lateness: Array<number> = []
    const running = yield* Run.start("holds", {
      config,
      observers: [(event) => {
        if (event.kind === "BatchSubmitted") {
          lateness.push(performance.timeOrigin + performance.now() - event.batch.time)
        }
      }]
    })
    let sent = 0
    let enough = false
    const sending = yield* Effect.forkScoped(Effect.promise(async () => {
      while (!enough) {
        await send(Array.from({ length: 10 }, () => `line ${sent++}\n`).join(""))
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }))
    const held = yield* running.sees("BatchCompleted", ({ batch }) => batch.processingDelay! >= holdMillis - 100)
    yield* running.sees("BatchCompleted", ({ batch }) => batch.time > held.batch.time && batch.totalDelay! < 200)
    enough = true
    yield* Fiber.join(sending)
    yield* running.sees("BatchCompleted", () => recordsOf("holds", "lines").length === sent)
    assert.deepEqual(recordsOf("holds", "lines"), Array.from({ length: sent }, (_, i) => `line ${i}`))
    const report = yield* running.context.stop({ graceful: true })
    assert.deepEqual(report, { graceful: true, openBatches: [], unallocatedBlocks: false, activeReceivers: [] })
    assert.equal(running.eventsOf("ReceiverStarted").length, 1)
    assert.equal(connections(), 1)
    for (const kind of ["ExecutorRemoved", "ReceiverError", "TaskRetried", "BlocksLost"] as const) {
      assert.deepEqual(running.eventsOf(kind), [])
    }
    // The batches behind it waited, and caught up.
    const behind = running.eventsOf("BatchCompleted").map(({ batch }) => batch).filter(({ time }) =>
      time > held.batch.time
    )
    assert.ok(behind[0]!.schedulingDelay! > holdMillis / 2, `${behind[0]!.schedulingDelay} ms`)
    const numbers = recordsOf("holds", "numbers").map(({ batch, partition }) => `${batch}/${partition}`)
    assert.deepEqual(numbers.toSorted(), [...new Set(numbers)].toSorted())
    // The driver's thread was free all the time; what it is late on a busy machine is far from what the functions held.
    const sorted = lateness.toSorted((a, b) => a - b)
    const told = `ticks came late by ${sorted.map(Math.round)} ms`
    assert.ok(sorted[Math.floor(sorted.length / 2)]! < 50 && sorted.at(-1)! < holdMillis / 3, told)
    assert.ok(lateness.length >= 15)
  }))
