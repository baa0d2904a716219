/**
 * Executors in real worker threads: they load the program, hear and answer, reach each other, die in every way that a thread
 * can and are replaced, refuse another program, and are not dead for being busy.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit, Queue, Scope } from "effect"
import { urlOf } from "../../adapters/threads/ProgramModule.ts"
import * as ProgramModule from "../../adapters/threads/ProgramModule.ts"
import * as ThreadPlacement from "../../adapters/threads/ThreadPlacement.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import { resolve } from "../../core/settings/Settings.ts"
import type { Handshake, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import type { Executors, PlacementEvent } from "../../runtime/placement/Placement.ts"
import { it } from "../kit.ts"

const program = new URL("./programs/counts.ts", import.meta.url).href
const worker = new URL("./echoWorker.ts", import.meta.url)

const handshakeOf = (config: Record<string, string>) =>
  Effect.gen(function* () {
    const { app, codeFingerprint } = yield* ProgramModule.load(program, config)
    const settings = resolve([], { batchMillis: app.batchMillis, executors: 1 })
    const { manifest } = DStreamGraph.make(app)
    return { appName: app.name, epoch: 1, batchMillis: app.batchMillis, settings, config, manifest, codeFingerprint }
  })

const order = (stream: string, message: string): ToExecutor => ({ kind: "StopReceiver", stream, attempt: 0, message })

/** A placement under way, and what the driver hears of it, one line each. */
const started = Effect.fnUntraced(function* (threads: number, change: Partial<Handshake> = {}) {
  const lines = yield* Queue.unbounded<string>()
  const tasks: Array<ArrayBuffer> = []
  const receive = (event: PlacementEvent) => {
    if (event.kind === "ExecutorJoined") return void Queue.offerUnsafe(lines, `${event.info.executor} joined`)
    if (event.kind === "ExecutorLost") return void Queue.offerUnsafe(lines, `${event.executor} lost: ${event.reason}`)
    const { message } = event
    if (message.kind === "TaskEnded" && message.result.kind === "Done" && message.result.value?.kind === "bytes") {
      tasks.push(message.result.value.bytes)
    }
    const text = message.kind === "ReceiverMessage" && message.message.kind === "ReportError"
      ? message.message.message
      : message.kind
    Queue.offerUnsafe(lines, `${event.executor}: ${text}`)
  }
  const handshake = { ...(yield* handshakeOf({ NAME: "threads" })), ...change }
  const executors: Executors = yield* ThreadPlacement.make({ threads, program, worker }).start(handshake, receive)
  /** The next lines, in any order. */
  const hear = (count: number) => Effect.map(Queue.takeN(lines, count), (heard) => [...heard].toSorted())
  yield* hear(2 * threads)
  return { executors, hear, tasks }
})

it.live("a thread loads the program with the driver's options and batch duration", () =>
  Effect.gen(function* () {
    const { executors, hear } = yield* started(1)
    executors.send("executor-1", order("program", ""))
    assert.deepEqual(yield* hear(1), ["executor-1: threads 1000 threads"])
  }))

it.live("threads reach each other directly, and bulk data is moved; the driver keeps what it sends to several", () =>
  Effect.gen(function* () {
    const { executors, hear, tasks } = yield* started(2)
    executors.send("executor-1", order("ask", "executor-2"))
    assert.deepEqual(yield* hear(3), [
      "executor-1: TaskEnded",
      "executor-1: executor-2 gave [object ArrayBuffer] 1,2,3",
      "executor-2: keeps 0 bytes"
    ])
    assert.deepEqual(tasks.map((bytes) => [...new Uint8Array(bytes)]), [[1, 2, 3]])
    const bytes = new Uint8Array([4, 5]).buffer
    const inline = { kind: "inline", data: { kind: "bytes", bytes }, records: 1 } as const
    const plan = { time: 1, zeroTime: 0, inputs: [{ stream: "s", records: 1, partitions: [inline] }], sideValues: [] }
    const run: ToExecutor = {
      kind: "RunTasks",
      stage: "s",
      work: { kind: "map" },
      digest: "",
      plans: [plan],
      places: { blocks: [], ignored: [], shuffles: [], states: [] },
      tasks: []
    }
    executors.send("executor-1", run)
    executors.send("executor-2", run)
    assert.deepEqual(yield* hear(2), ["executor-1: plan 4,5", "executor-2: plan 4,5"])
    assert.equal(bytes.byteLength, 2)
  }))

const deaths: ReadonlyArray<readonly [order: string, word: string, reason: string]> = [
  ["exit", "3", "its thread exited with code 3"],
  ["fail", "no such table", "no such table"],
  ["throw", "in a callback", "it threw what nobody caught: TypeError: in a callback"],
  // What is thrown arrives as it is on Node, and as the text of an Error on Deno.
  [
    "throwBare",
    "no prototype",
    "Deno" in globalThis
      ? 'it threw what nobody caught: Error: Uncaught [Object: null prototype] { word: "no prototype" }'
      : 'it threw what nobody caught: {"word":"no prototype"}'
  ],
  ["reject", "in a promise", "it threw what nobody caught: TypeError: in a promise"]
]

for (const [kind, word, reason] of deaths) {
  it.live(`a thread that ends by ${kind} is lost with its reason, and replaced by one that its peers know`, () =>
    Effect.gen(function* () {
      const { executors, hear } = yield* started(2)
      executors.send("executor-2", order(kind, word))
      assert.deepEqual(yield* hear(4), [
        "executor-1: lost executor-2",
        `executor-2 lost: ${reason}`,
        "executor-3 joined",
        "executor-3: ExecutorReady"
      ])
      executors.send("executor-1", order("ask", "executor-3"))
      assert.equal((yield* hear(3))[1], "executor-1: executor-3 gave [object ArrayBuffer] 1,2,3")
      executors.send("executor-1", order("ask", "executor-2"))
      assert.deepEqual(yield* hear(1), ["executor-1: lost executor-2"])
    }))
}

it.live("a thread that is held for three seconds is not dead, and answers in order when it is let go", () =>
  Effect.gen(function* () {
    const { executors, hear } = yield* started(1)
    executors.send("executor-1", order("hold", "3000"))
    executors.send("executor-1", order("echo", "after"))
    assert.deepEqual(yield* hear(2), ["executor-1: after", "executor-1: let go"])
  }))

it.live("a thread whose code differs is refused with the difference", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(started(1, { codeFingerprint: "another" }))
    assert.equal(error._tag, "PlacementError")
    assert.match(error.message, /the code of .*counts\.ts has changed since the driver loaded it/)
  }))

it.live("a thread whose graph differs is refused with the difference", () =>
  Effect.gen(function* () {
    const handshake = { ...(yield* handshakeOf({ NAME: "threads" })), config: { NAME: "other" } }
    const error = yield* Effect.flip(ThreadPlacement.make({ threads: 1, program }).start(handshake, () => {}))
    assert.match(error.message, /differs from the driver's: .*other/)
  }))

it.live("start fails with the reason when threads die at start again and again", () =>
  Effect.gen(function* () {
    const handshake = yield* handshakeOf({})
    const missing = urlOf("/no/such/program.ts")
    const placement = ThreadPlacement.make({ threads: 2, program: missing, worker, slots: { backOffMillis: 1 } })
    const error = yield* Effect.flip(placement.start(handshake, () => {}))
    assert.equal(error._tag, "PlacementError")
    assert.match(error.message, /died at its start 3 times in a row.*There is no program .*no.such.program\.ts/)
  }))

it.live("closing the scope ends the threads, and terminates one that does not end in time", () =>
  Effect.gen(function* () {
    const handshake = yield* handshakeOf({})
    const scope = yield* Scope.make()
    const placement = ThreadPlacement.make({ threads: 2, program, worker, stopMillis: 200 })
    const executors = yield* placement.start(handshake, () => {}).pipe(Scope.provide(scope))
    executors.send("executor-2", order("deaf", ""))
    const begin = performance.now()
    yield* Scope.close(scope, Exit.void)
    const millis = performance.now() - begin
    assert.ok(millis >= 199 && millis < 5000, `${millis} ms`)
  }))
