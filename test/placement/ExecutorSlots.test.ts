/**
 * ExecutorSlots over a launcher that does what the test says: what an executor says too early, and too late.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import type { ToDriver, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import * as ExecutorSlots from "../../runtime/placement/ExecutorSlots.ts"
import { PlacementError, type PlacementEvent } from "../../runtime/placement/Placement.ts"
import { it } from "../kit.ts"

const settle = Effect.yieldNow.pipe(Effect.repeat({ times: 50 }))

const report = (message: string): ToDriver => ({
  kind: "ReceiverMessage",
  request: 0,
  message: { kind: "ReportError", stream: "s", attempt: 0, message, error: undefined }
})

interface Launched {
  readonly say: (message: ToDriver) => void
  readonly die: (reason: string) => void
  readonly heard: Array<ToExecutor>
}

/** All that was launched, by name; each says that it is ready before its launch has ended. */
const puppets = () => {
  const launched = new Map<string, Launched>()
  const notes: Array<string> = []
  const launcher: ExecutorSlots.Launcher = {
    host: "here",
    joined: (executor) => void notes.push(`joined ${executor}`),
    lost: (executor) => void notes.push(`lost ${executor}`),
    launch: ({ executor }, say) =>
      Effect.sync(() => {
        const died = Deferred.makeUnsafe<string>()
        const heard: Array<ToExecutor> = []
        const die = (reason: string) => void Deferred.doneUnsafe(died, Exit.succeed(reason))
        launched.set(executor, { say, heard, die })
        say({ kind: "ExecutorReady" })
        return { send: (message) => void heard.push(message), died: Deferred.await(died) }
      })
  }
  return { launched, launcher, notes }
}

const lineOf = (event: PlacementEvent): string =>
  event.kind === "ExecutorJoined"
    ? `${event.info.executor} joined`
    : event.kind === "ExecutorLost"
    ? `${event.executor} lost: ${event.reason}`
    : event.message.kind === "ReceiverMessage" && event.message.message.kind === "ReportError"
    ? `${event.executor}: ${event.message.message.message}`
    : `${event.executor} ${event.message.kind}`

it("what an executor says after its end is dropped, and its slot is for the next", () =>
  Effect.gen(function* () {
    const { launched, launcher, notes } = puppets()
    const lines: Array<string> = []
    const executors = yield* ExecutorSlots.start(launcher, { size: 1 }, (event) => void lines.push(lineOf(event)))
    const first = launched.get("executor-1")!
    first.say(report("alive"))
    // Long enough for its successor to start without a pause.
    yield* TestClock.adjust("1 minute")
    first.say(report("last words"))
    first.die("no power")
    yield* settle
    first.say(report("from the grave"))
    first.say({ kind: "ExecutorReady" })
    first.say({ kind: "ExecutorRefused", difference: "dead" })
    launched.get("executor-2")!.say(report("new"))
    yield* settle
    assert.deepEqual(lines, [
      "executor-1 joined",
      "executor-1 ExecutorReady",
      "executor-1: alive",
      "executor-1: last words",
      "executor-1 lost: no power",
      "executor-2 joined",
      "executor-2 ExecutorReady",
      "executor-2: new"
    ])
    assert.deepEqual(notes, ["joined executor-1", "lost executor-1", "joined executor-2"])
    executors.send("executor-1", { kind: "StopExecutor" })
    executors.send("executor-2", { kind: "StopExecutor" })
    assert.deepEqual([first.heard.length, launched.get("executor-2")!.heard.length], [0, 1])
  }))

it("an executor that stopped as it was told says nothing more either", () =>
  Effect.gen(function* () {
    const { launched, launcher, notes } = puppets()
    const lines: Array<string> = []
    const executors = yield* ExecutorSlots.start(launcher, { size: 1 }, (event) => void lines.push(lineOf(event)))
    executors.send("executor-1", { kind: "StopExecutor" })
    const { die, say } = launched.get("executor-1")!
    die("stopped")
    yield* settle
    say(report("from the grave"))
    assert.deepEqual(lines, ["executor-1 joined", "executor-1 ExecutorReady"])
    assert.deepEqual(notes, ["joined executor-1", "lost executor-1"])
    assert.equal(launched.size, 1)
  }))

/** Slots over puppets; `lines` are the events, `take` gives those that are new. */
const slotsOf = Effect.fnUntraced(function* (size: number, options: Partial<ExecutorSlots.SlotOptions> = {}) {
  const made = puppets()
  const lines: Array<string> = []
  const hear = (event: PlacementEvent) => void lines.push(lineOf(event))
  const executors = yield* ExecutorSlots.start(made.launcher, { ...options, size }, hear)
  return { ...made, executors, take: () => lines.splice(0).filter((line) => !line.endsWith("ExecutorReady")) }
})

it("what is requested is started, once, and a total that is there already changes nothing", () =>
  Effect.gen(function* () {
    const { executors, launched, take } = yield* slotsOf(1)
    executors.request(3)
    executors.request(3)
    executors.request(1)
    yield* settle
    assert.deepEqual(take(), ["executor-1 joined", "executor-2 joined", "executor-3 joined"])
    // Those that were requested are replaced like the others.
    yield* TestClock.adjust("1 minute")
    launched.get("executor-3")!.die("no power")
    yield* settle
    assert.deepEqual(take(), ["executor-3 lost: no power", "executor-4 joined"])
  }))

it("one that is removed is told lost at once and replaced by none, however long it takes to end", () =>
  Effect.gen(function* () {
    const { executors, launched, notes, take } = yield* slotsOf(2)
    take()
    executors.remove("executor-1")
    executors.remove("executor-1")
    executors.remove("executor-9")
    assert.deepEqual(take(), ["executor-1 lost: removed"])
    assert.deepEqual(notes, ["joined executor-1", "joined executor-2", "lost executor-1"])
    const { die, heard, say } = launched.get("executor-1")!
    say(report("from the grave"))
    executors.send("executor-1", { kind: "StopExecutor" })
    yield* settle
    die("at last")
    yield* TestClock.adjust("1 minute")
    assert.deepEqual([take(), heard, launched.size], [[], [], 2])
    // Its slot is gone with it.
    executors.request(2)
    yield* settle
    assert.deepEqual(take(), ["executor-3 joined"])
  }))

it("a requested executor that does not start is given up, and may be requested again", () =>
  Effect.gen(function* () {
    const { launcher } = puppets()
    let broken = false
    const launch: ExecutorSlots.Launcher["launch"] = (info, hear) =>
      broken ? Effect.fail(new PlacementError({ message: "no memory" })) : launcher.launch(info, hear)
    const joined: Array<string> = []
    const executors = yield* ExecutorSlots.start({ ...launcher, launch }, { size: 1 }, (event) => {
      if (event.kind === "ExecutorJoined") joined.push(event.info.executor)
    })
    broken = true
    executors.request(2)
    yield* TestClock.adjust("1 minute")
    broken = false
    yield* TestClock.adjust("1 minute")
    assert.deepEqual(joined, ["executor-1"])
    executors.request(2)
    yield* settle
    assert.deepEqual(joined, ["executor-1", "executor-5"])
  }))
