/**
 * ExecutorSlots over a launcher that does what the test says: what an executor says too early, and too late.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import type { ToDriver, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import * as ExecutorSlots from "../../runtime/placement/ExecutorSlots.ts"
import type { PlacementEvent } from "../../runtime/placement/Placement.ts"
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
