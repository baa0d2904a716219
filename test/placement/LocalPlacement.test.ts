/**
 * Executors as fibers: messages in order, peers, loss and replacement, refusals, a limit on deaths at start.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { ToDriver, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorLink, Incoming } from "../../runtime/executor/ExecutorLink.ts"
import * as LocalPlacement from "../../runtime/placement/LocalPlacement.ts"
import type { PlacementEvent } from "../../runtime/placement/Placement.ts"
import { it } from "../kit.ts"
import { handshake } from "./handshake.ts"

/** An executor that reports each order for a receiver, and passes fetches on to the peer that is named. */
const echo = (link: ExecutorLink, stopped: Deferred.Deferred<void, Error>) => (incoming: Incoming) => {
  if (incoming.kind === "PeerLost") return link.toDriver(report(`lost ${incoming.peer}`))
  if (incoming.kind === "FromPeer") return link.toDriver(report(`${incoming.peer} asks`))
  const message = incoming.message
  if (message.kind === "StopExecutor") return void Deferred.doneUnsafe(stopped, Exit.void)
  if (message.kind !== "StopReceiver") return
  if (message.stream === "die") return void Deferred.doneUnsafe(stopped, Exit.fail(new Error(message.message)))
  if (message.stream === "ask") {
    return link.toPeer(message.message, { kind: "FetchBlock", request: 1, block: "b" })
  }
  link.toDriver(report(message.message))
}

const report = (message: string): ToDriver => ({
  kind: "ReceiverMessage",
  request: 0,
  message: { kind: "ReportError", stream: "s", attempt: 0, message, error: undefined }
})

const order = (stream: string, message: string): ToExecutor => ({ kind: "StopReceiver", stream, attempt: 0, message })

const runEcho: LocalPlacement.RunExecutor = ({ link }) =>
  Effect.gen(function* () {
    const stopped = Deferred.makeUnsafe<void, Error>()
    link.onMessage(echo(link, stopped))
    link.toDriver({ kind: "ExecutorReady" })
    yield* Deferred.await(stopped)
  })

/** What the driver heard, one line each. */
const journal = () => {
  const lines: Array<string> = []
  const receive = (event: PlacementEvent) => {
    if (event.kind === "ExecutorJoined") lines.push(`${event.info.executor} joined`)
    else if (event.kind === "ExecutorLost") lines.push(`${event.executor} lost: ${event.reason}`)
    else if (event.message.kind === "ReceiverMessage" && event.message.message.kind === "ReportError") {
      lines.push(`${event.executor}: ${event.message.message.message}`)
    } else lines.push(`${event.executor} ${event.message.kind}`)
  }
  return { lines, receive, take: () => lines.splice(0) }
}

/** Lets every fiber run until none can. */
const settle = Effect.yieldNow.pipe(Effect.repeat({ times: 50 }))

const adjust = (millis: number, step = millis) =>
  Effect.gen(function* () {
    for (let passed = 0; passed < millis; passed += step) {
      yield* settle
      yield* TestClock.adjust(step)
    }
    yield* settle
  })

it("executors join, hear their orders in order, and reach their peers", () =>
  Effect.gen(function* () {
    const { receive, take } = journal()
    const placement = LocalPlacement.make({ runExecutor: runEcho, executors: 2 })
    const executors = yield* placement.start(handshake, receive)
    assert.equal(placement.size, 2)
    assert.deepEqual(take().toSorted(), [
      "executor-1 ExecutorReady",
      "executor-1 joined",
      "executor-2 ExecutorReady",
      "executor-2 joined"
    ])
    for (const word of ["a", "b", "c"]) executors.send("executor-1", order("s", word))
    executors.send("executor-1", order("ask", "executor-2"))
    yield* settle
    assert.deepEqual(take(), ["executor-1: a", "executor-1: b", "executor-1: c", "executor-2: executor-1 asks"])
  }))

it("an executor that dies is told lost after all that it said, and replaced under a new id", () =>
  Effect.gen(function* () {
    const { receive, take } = journal()
    const executors = yield* LocalPlacement.make({ runExecutor: runEcho, executors: 2 }).start(handshake, receive)
    take()
    executors.send("executor-1", order("s", "last words"))
    executors.send("executor-1", order("die", "no memory"))
    yield* adjust(100)
    const heard = take()
    assert.deepEqual(heard.slice(0, 2), ["executor-1: last words", "executor-1 lost: no memory"])
    assert.deepEqual(heard.slice(2).toSorted(), [
      "executor-2: lost executor-1",
      "executor-3 ExecutorReady",
      "executor-3 joined"
    ])
    executors.send("executor-1", order("s", "to the dead"))
    executors.send("executor-2", order("ask", "executor-1"))
    executors.send("executor-3", order("s", "to the new"))
    yield* settle
    assert.deepEqual(take().toSorted(), ["executor-2: lost executor-1", "executor-3: to the new"])
  }))

it("an executor that was told to stop is neither lost nor replaced", () =>
  Effect.gen(function* () {
    const { receive, take } = journal()
    const executors = yield* LocalPlacement.make({ runExecutor: runEcho }).start(handshake, receive)
    take()
    executors.send("executor-1", { kind: "StopExecutor" })
    yield* adjust(60_000, 100)
    assert.deepEqual(take(), [])
  }))

it("start fails with the last reason after three deaths at start, with pauses that double", () =>
  Effect.gen(function* () {
    let runs = 0
    const placement = LocalPlacement.make({ runExecutor: () => Effect.fail(new Error(`no room ${++runs}`)) })
    const starting = yield* Effect.forkScoped(Effect.flip(placement.start(handshake, () => {})))
    yield* adjust(99)
    assert.equal(runs, 1)
    yield* adjust(1)
    assert.equal(runs, 2)
    yield* adjust(199)
    assert.equal(runs, 2)
    yield* adjust(1)
    const error = yield* Fiber.join(starting)
    assert.equal(error._tag, "PlacementError")
    assert.match(error.message, /died at its start 3 times in a row.*no room 3/)
  }))

it("a replacement that dies at start is tried again without limit, with pauses", () =>
  Effect.gen(function* () {
    const { receive, take } = journal()
    let runs = 0
    const runExecutor: LocalPlacement.RunExecutor = (options) =>
      ++runs > 1 && runs < 9 ? Effect.die(new Error("defect")) : runEcho(options)
    const executors = yield* LocalPlacement.make({ runExecutor }).start(handshake, receive)
    take()
    executors.send("executor-1", order("die", "first"))
    yield* adjust(60_000, 100)
    assert.deepEqual(take(), ["executor-1 lost: first", "executor-9 joined", "executor-9 ExecutorReady"])
  }))

it("an executor that dies soon after it was ready is replaced after pauses that double, without limit", () =>
  Effect.gen(function* () {
    let runs = 0
    const lines: Array<string> = []
    const runExecutor: LocalPlacement.RunExecutor = ({ link }) =>
      Effect.suspend(() => {
        runs++
        link.onMessage(() => {})
        link.toDriver({ kind: "ExecutorReady" })
        return Effect.delay(Effect.fail(new Error("soon")), 10)
      })
    yield* LocalPlacement.make({ runExecutor }).start(handshake, (event) => void lines.push(event.kind))
    yield* adjust(3000, 10)
    // Pauses of 100, 200, 400, 800 ms and lives of 10 ms: the fifth dies at 1,550 ms, the sixth begins at 3,150 ms.
    assert.equal(runs, 5)
    assert.equal(lines.filter((kind) => kind === "ExecutorLost").length, 5)
    yield* adjust(60_000, 100)
    assert.ok(runs > 9 && runs < 15, `${runs} runs: the pause does not grow beyond ten seconds`)
  }))

it("an executor that has lived for ten seconds is replaced at once, and early deaths count from zero again", () =>
  Effect.gen(function* () {
    const { receive, take } = journal()
    const executors = yield* LocalPlacement.make({ runExecutor: runEcho }).start(handshake, receive)
    for (const id of [1, 2]) {
      yield* adjust(10_000)
      take()
      executors.send(`executor-${id}`, order("die", "old"))
      yield* settle
      assert.deepEqual(take(), [
        `executor-${id} lost: old`,
        `executor-${id + 1} joined`,
        `executor-${id + 1} ExecutorReady`
      ])
    }
    executors.send("executor-3", order("die", "young"))
    yield* adjust(99)
    assert.deepEqual(take(), ["executor-3 lost: young"])
    yield* adjust(1)
    assert.deepEqual(take(), ["executor-4 joined", "executor-4 ExecutorReady"])
  }))

it("start fails with the difference when an executor refuses", () =>
  Effect.gen(function* () {
    const runExecutor: LocalPlacement.RunExecutor = ({ link }) =>
      Effect.sync(() => link.toDriver({ kind: "ExecutorRefused", difference: "the code is another" }))
    const error = yield* Effect.flip(LocalPlacement.make({ runExecutor }).start(handshake, () => {}))
    assert.match(error.message, /differs from the driver's: the code is another/)
  }))

it("closing the scope lets every executor end by itself, and interrupts one that does not", () =>
  Effect.gen(function* () {
    const ends: Array<string> = []
    const runExecutor: LocalPlacement.RunExecutor = (options) =>
      (options.link.executor === "executor-1" ? runEcho(options) : runStubborn(options)).pipe(
        Effect.onExit((exit) => Effect.sync(() => ends.push(Exit.isSuccess(exit) ? "ended" : "interrupted")))
      )
    const scope = yield* Scope.make()
    yield* LocalPlacement.make({ runExecutor, executors: 2 }).start(handshake, () => {}).pipe(Scope.provide(scope))
    const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
    yield* adjust(2000)
    yield* Fiber.join(closing)
    assert.deepEqual(ends, ["ended", "interrupted"])
  }))

const runStubborn: LocalPlacement.RunExecutor = ({ link }) =>
  Effect.suspend(() => {
    link.onMessage(() => {})
    link.toDriver({ kind: "ExecutorReady" })
    return Effect.never
  })
