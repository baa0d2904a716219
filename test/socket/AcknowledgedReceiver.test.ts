/**
 * AcknowledgedReceiver against a server on loopback that keeps its lines until they are acknowledged: each is stored once, whatever is
 * cut, refused or repeated.
 */
import * as assert from "node:assert/strict"
import * as net from "node:net"
import { Effect, type Scope } from "effect"
import * as AcknowledgedReceiver from "../../adapters/socket/AcknowledgedReceiver.ts"
import * as Socket from "../../adapters/socket/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { type Store, StoreError } from "../../core/receiving/Receiver.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"
import { Sender, serve } from "./acknowledgedSender.ts"

/** A store that keeps what is new, as the driver would have it; `refuses`: the next block is not stored. */
const keeping = (sender: Sender) => {
  const lines: Array<string> = []
  const errors: Array<string> = []
  const ranges: Array<string> = []
  const marks = new Map<string, number>()
  const state = { refuses: false, losesAnswer: false }
  const unused = () => Effect.die(new Error("not used"))
  const store: Store<string> = {
    single: () => true,
    chunk: () => true,
    ready: Effect.void,
    array: (records, options) =>
      Effect.suspend(() => {
        const { from, source, to } = options!.range!
        if (state.refuses) {
          state.refuses = false
          return Effect.fail(new StoreError({ stream: "s", message: "the disk is full" }))
        }
        assert.ok(from > (marks.get(source) ?? -1), "the receiver begins behind the mark")
        marks.set(source, to)
        lines.push(...records)
        ranges.push(`${source} ${from}-${to}`)
        sender.notify()
        return Effect.void
      }),
    iterator: unused,
    bytes: unused,
    highWaterMark: (source) => marks.get(source),
    reportError: (message, error) => {
      errors.push(error === undefined ? message : `${message}: ${String(error)}`)
      sender.notify()
    },
    restart: () => {},
    stop: () => {}
  }
  return { store, lines, errors, ranges, state }
}

const run = (
  port: number,
  store: Store<string>,
  options: Partial<AcknowledgedReceiver.AcknowledgedOptions> = {}
): Effect.Effect<unknown, never, Scope.Scope> => {
  const receiver = AcknowledgedReceiver.make({
    host: "127.0.0.1",
    port,
    reconnectDelay: 1,
    gatherInterval: 1,
    ...options
  })
  return Effect.forkScoped(Effect.scoped(receiver.onStart(store)), { startImmediately: true })
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}`)

it.live("lines are stored in order and acknowledged when they are, and those that come later too", () =>
  Effect.gen(function* () {
    const sender = new Sender("a")
    sender.add("one", "two words ", "drei – ü", "")
    const { lines, ranges, store } = keeping(sender)
    yield* run(yield* serve(sender), store)
    yield* sender.until(() => sender.acknowledged === 3)
    assert.deepEqual(lines, ["one", "two words ", "drei – ü", ""])
    sender.add("five")
    yield* sender.until(() => sender.acknowledged === 4)
    assert.deepEqual(lines.slice(4), ["five"])
    assert.deepEqual(sender.said[0]!.slice(0, 1), ["FROM 0"])
    assert.deepEqual(sender.said[0]!.at(-1), "ACK 4")
    assert.match(ranges[0]!, /^a 0-/)
  }))

it.live("whatever is cut in between, each line is stored once", () =>
  Effect.gen(function* () {
    const sender = new Sender()
    sender.cutAfter = 7
    sender.add(...numbers(100))
    const { lines, store } = keeping(sender)
    yield* run(yield* serve(sender), store)
    yield* sender.until(() => lines.length >= 50)
    sender.cut()
    sender.add(...numbers(100))
    yield* sender.until(() => lines.length >= 150)
    sender.cutAfter = Infinity
    yield* sender.until(() => sender.acknowledged === 199)
    assert.deepEqual(lines, [...numbers(100), ...numbers(100)])
    assert.ok(sender.said.length > 10)
  }))

it.live("a block that cannot be stored is not acknowledged: the connection is made again, and its lines are asked for", () =>
  Effect.gen(function* () {
    const sender = new Sender()
    const { errors, lines, state, store } = keeping(sender)
    state.refuses = true
    sender.add("a", "b")
    yield* run(yield* serve(sender), store)
    yield* sender.until(() => sender.acknowledged === 1)
    assert.deepEqual(lines, ["a", "b"])
    assert.deepEqual(sender.said[0], ["FROM 0"])
    assert.match(errors[0]!, /Lines 0 to \d of source "sender" could not be stored: .*the disk is full/)
    assert.match(errors[1]!, /closed.*what it sent could not be stored/s)
  }))

it.live("a server that repeats what is stored is not stored again; numbers may be left out", () =>
  Effect.gen(function* () {
    const sender = new Sender()
    const { lines, ranges, store } = keeping(sender)
    yield* Effect.ignore(store.array(["x"], { range: { source: "sender", from: 0, to: 4 } }))
    sender.add(...numbers(10))
    sender.spoil = (line, number) =>
      number === 5 ? `3 again\n4 again\n${line}` : number === 7 ? `70 far` : number > 7 ? `${number + 70} on` : line
    yield* run(yield* serve(sender), store)
    yield* sender.until(() => sender.acknowledged === 79)
    assert.deepEqual(lines, ["x", "line 5", "line 6", "far", "on", "on"])
    assert.deepEqual(ranges.at(-1)!.endsWith("-79"), true)
  }))

const wrongs: ReadonlyArray<readonly [what: string, greeting: string, sent: string, told: RegExp]> = [
  ["no greeting", "hello", "", /begin with SOURCE and a name, not with "hello"/],
  ["a name with spaces", "SOURCE a b", "", /begin with SOURCE and a name/],
  ["lines before they are asked for", "SOURCE a\n0 early", "", /before they were asked for with FROM/],
  ["a line without a number", "SOURCE a", "zero x", /begin with its number and a space, not with "zero x"/],
  ["a number that is too large", "SOURCE a", "9999999999999999 x", /begin with its number/],
  ["numbers that do not grow", "SOURCE a", "5 x\n5 y", /line 5 came after line 5: numbers have to grow/]
]

for (const [what, greeting, sent, told] of wrongs) {
  it.live(`what is not of the protocol is told, and the connection made again: ${what}`, () =>
    Effect.gen(function* () {
      const sender = new Sender()
      const { errors, store } = keeping(sender)
      let connections = 0
      const server = net.createServer((socket) => {
        connections++
        socket.on("error", () => {})
        socket.on("data", () => void socket.write(`${sent}\n`))
        socket.write(`${greeting}\n`)
        sender.notify()
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => void server.close())
      )
      yield* run((server.address() as net.AddressInfo).port, store)
      yield* sender.until(() => connections > 1 && errors.length > 0)
      assert.match(errors[0]!, told)
    }))
}

it.live("a line that is too long is dropped and told, and acknowledged with the next", () =>
  Effect.gen(function* () {
    const sender = new Sender()
    const { errors, lines, store } = keeping(sender)
    sender.add("a", "x".repeat(100), "b")
    yield* run(yield* serve(sender), store, { maxLineBytes: 50 })
    yield* sender.until(() => sender.acknowledged === 2)
    assert.deepEqual(lines, ["a", "b"])
    assert.match(errors[0]!, /A line of more than 50 bytes was dropped/)
  }))

it.live("in a whole engine each line is in one batch, though connections are cut and the executor dies", () =>
  Effect.gen(function* () {
    const sender = new Sender()
    sender.cutAfter = 40
    sender.add(...numbers(200))
    const port = yield* serve(sender)
    const out: Array<string> = []
    const app = StreamingApp.make({
      name: "acknowledged",
      batchDuration: "100 millis",
      outputs: [
        Socket.acknowledgedStream({ host: "127.0.0.1", port, reconnectDelay: 1, gatherInterval: 1 }).pipe(
          DStream.foreachBatch((batch) =>
            Effect.map(batch.collect, (records) => {
              out.push(...records)
              sender.notify()
            })
          )
        )
      ],
      settings: { receiverRestartDelay: 1 }
    })
    const kill = new Local.Killer()
    const context = yield* Local.start(app, { executors: 2, coded: true, kill })
    yield* sender.until(() => sender.acknowledged > 60)
    kill.now(kill.alive()[0]!)
    sender.add(...numbers(200).map((line) => `more ${line}`))
    sender.cutAfter = Infinity
    yield* sender.until(() => sender.acknowledged === 399)
    yield* context.stop({ graceful: true })
    assert.deepEqual(out.toSorted(), sender.lines.toSorted())
  }))
