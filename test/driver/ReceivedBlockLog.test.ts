/**
 * The log of received blocks as the engine keeps it: an addition counts, and is answered, only once it is in the log.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { timed } from "../../adapters/memory/mod.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import * as EventLog from "../../runtime/storage/EventLog.ts"
import { it } from "../kit.ts"
import * as Local from "./local.ts"

const appOf = (out: Array<ReadonlyArray<string>>) =>
  StreamingApp.make({
    name: "logged",
    batchDuration: "1 second",
    settings: { remember: "2 seconds" },
    outputs: [
      timed([{ time: 100, value: "a" }, { time: 1100, value: "b" }]).pipe(
        DStream.foreachBatch((batch) => Effect.map(batch.collect, (records) => void out.push(records)))
      )
    ]
  })

it("additions, allocations and clean-ups are in the log, in order", () =>
  Effect.gen(function* () {
    const log = EventLog.memory<ReceivedBlockTrackerLogEvent>()
    const out: Array<ReadonlyArray<string>> = []
    const context = yield* Local.start(appOf(out)).pipe(Effect.provideService(EventLog.ReceivedBlockLog, log))
    yield* TestClock.adjust("5 seconds")
    yield* context.stop()
    assert.deepEqual(out.slice(0, 3), [["a"], ["b"], []])
    const kinds = log.journal.map((event) => event.kind)
    assert.equal(kinds.filter((kind) => kind === "BlockAddition").length, 2)
    assert.equal(kinds.indexOf("BlockAddition"), 0)
    assert.ok(kinds.includes("BatchAllocation") && kinds.includes("BatchCleanup"))
  }))

it("a block that cannot be logged is in no batch, and waits", () =>
  Effect.gen(function* () {
    const memory = EventLog.memory<ReceivedBlockTrackerLogEvent>()
    const log: typeof memory = {
      ...memory,
      append: (events) =>
        events.some((event) => event.kind === "BlockAddition")
          ? Effect.fail(new EventLog.EventLogError({ message: "the disk is full" }))
          : memory.append(events)
    }
    const out: Array<ReadonlyArray<string>> = []
    const told: Array<string> = []
    const context = yield* Local.start(appOf(out), {
      observers: [(event) => event.kind === "ReceiverError" && told.push(event.receiver.lastErrorMessage)]
    }).pipe(Effect.provideService(EventLog.ReceivedBlockLog, log))
    yield* TestClock.adjust("3 seconds")
    assert.deepEqual(out, [[], [], []])
    const stopping = yield* Effect.forkChild(context.stop())
    yield* TestClock.adjust("3 seconds")
    yield* Fiber.join(stopping)
    assert.ok(told.some((message) => /could not be logged/.test(message)), told.join("\n"))
  }))
