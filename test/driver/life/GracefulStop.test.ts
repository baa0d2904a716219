/**
 * The graceful stop: what it works off, in which order, what holds it and what cuts it short.
 */
import * as assert from "node:assert/strict"
import { Clock, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { Receiver, Store } from "../../../core/receiving/Receiver.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { StreamingContext } from "../../../runtime/driver/StreamingContext.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import { StorageError } from "../../../runtime/storage/StableStorage.ts"
import * as Lives from "../../checkpoint/lives.ts"
import { it } from "../../kit.ts"
import * as SettableClock from "../../settableClock.ts"
import { type Collected, recordsOf, timesOf } from "../collected.ts"
import * as Local from "../local.ts"

/** A stream whose receiver hands its store to the test. */
const handed = (onStart: (store: Store<number>) => Effect.Effect<void>, onStop: Effect.Effect<void> = Effect.void) => {
  const receiver: Receiver<number, never, never> = {
    name: "handed",
    onStart,
    onStop,
    storageLevel: "MEMORY_ONLY",
    preferredHost: undefined
  }
  const decode = (bytes: Uint8Array) => [...bytes]
  return DStream.fromInput<number, never, never>("handed", { kind: "receiver", receiver, decode }, { receiver })
}

const slowly = (millis: number) => DStream.mapEffect((n: number) => Effect.as(Effect.sleep(millis), n))

const stopGracefully = (context: StreamingContext<unknown>) =>
  Effect.tap(Effect.forkChild(context.stop({ graceful: true })), () => Local.settled)

it("all that was stored is in a batch, in order, also the block that was being filled", () =>
  Effect.gen(function* () {
    for (const options of [{}, { executors: 2, coded: true }]) {
      const out: Collected<number> = []
      let store: Store<number> | undefined
      const stream = handed((it) => Effect.sync(() => void (store = it)))
      const app = StreamingApp.make({
        name: "a",
        batchDuration: "1 second",
        outputs: [stream.pipe(DStream.collectTo(out))]
      })
      const context = yield* Local.start(app, options)
      yield* TestClock.adjust("1100 millis")
      let next = 0
      const take = (count: number) => Array.from({ length: count }, () => next++)
      for (let round = 0; round < 12; round++) {
        for (const n of take(3)) store!.single(n)
        store!.chunk(Uint8Array.from(take(2)), 2)
        yield* TestClock.adjust("130 millis")
        yield* store!.array(take(4))
        yield* store!.iterator(take(2).values())
        yield* store!.bytes(Uint8Array.from(take(2)), 2)
        // so that what is filled comes after the blocks of their own
        yield* TestClock.adjust("170 millis")
      }
      for (const n of take(5)) store!.single(n)
      const stopping = yield* stopGracefully(context)
      yield* TestClock.adjust("3 seconds")
      assert.deepEqual(yield* Fiber.join(stopping), {
        graceful: true,
        openBatches: [],
        unallocatedBlocks: false,
        activeReceivers: []
      })
      assert.deepEqual(recordsOf(out).toSorted((a, b) => a - b), Array.from({ length: next }, (_, n) => n))
      assert.deepEqual(recordsOf(out).slice(-5), take(5).map((n) => n - 5))
      assert.equal(store!.single(1), false)
    }
  }))

it("receivers stop first, then the batches end, with what direct inputs have at the next tick, then executors", () =>
  Effect.gen(function* () {
    const said: Array<string> = []
    const direct: Collected<number> = []
    const received: Collected<number> = []
    let store: Store<number> | undefined
    const stream = handed(
      (it) =>
        Effect.addFinalizer(() => Effect.sync(() => said.push("receiver's scope"))).pipe(
          Effect.andThen(Effect.sync(() => void (store = it)))
        ) as Effect.Effect<void>,
      Effect.sync(() => void said.push("onStop"))
    )
    const app = StreamingApp.make({
      name: "order",
      batchDuration: "1 second",
      outputs: [
        stream.pipe(slowly(1500), DStream.collectTo(received)),
        Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] }).pipe(DStream.collectTo(direct))
      ]
    })
    const told = (event: StreamingEvent) => {
      if (event.kind === "BatchCompleted") said.push(`batch ${event.batch.time}`)
      if (event.kind === "ReceiverStopped" || event.kind === "ExecutorRemoved") said.push(event.kind)
    }
    const context = yield* Local.start(app, { observers: [told] })
    yield* TestClock.adjust("1 second")
    store!.single(1)
    yield* TestClock.adjust("1 second")
    store!.single(2)
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("500 millis")
    assert.equal(context.state(), "Active")
    yield* TestClock.adjust("6 seconds")
    assert.equal((yield* Fiber.join(stopping)).graceful, true)
    assert.deepEqual(said, ["batch 1000", "receiver's scope", "onStop", "ReceiverStopped", "batch 2000", "batch 3000"])
    assert.deepEqual(recordsOf(received), [1, 2])
    assert.deepEqual(direct.map(({ time, records }) => [time, ...records]), [[1000, 0], [2000, 1], [3000, 2]])
  }))

it("without receivers a graceful stop takes what direct inputs have at the next tick, and makes no other batch", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const stream = Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] })
    const app = StreamingApp.make({
      name: "direct",
      batchDuration: "1 second",
      outputs: [stream.pipe(slowly(2500), DStream.collectTo(out))]
    })
    const context = yield* Local.start(app)
    yield* TestClock.adjust("3 seconds")
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("20 seconds")
    assert.equal((yield* Fiber.join(stopping)).graceful, true)
    assert.deepEqual(timesOf(out), [1000, 2000, 3000, 4000])
  }))

it("ticks that are due when a graceful stop is asked for get their batches", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const slowSide = DStream.sideValue(Effect.as(Effect.sleep(2500), 1), Schema.Number)
    const app = StreamingApp.make({
      name: "due",
      batchDuration: "1 second",
      settings: { gracefulStopTimeout: "1 minute" },
      outputs: [
        Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] }).pipe(
          DStream.transform((rdd) => rdd, { sideValues: { slowSide } }),
          DStream.collectTo(out)
        )
      ]
    })
    const context = yield* Local.start(app)
    yield* TestClock.adjust("3100 millis")
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("20 seconds")
    assert.equal((yield* Fiber.join(stopping)).graceful, true)
    assert.deepEqual(timesOf(out).slice(0, 4), [1000, 2000, 3000, 4000])
  }))

/** Batches take three seconds each; that of 2000 ms fails. */
const failing = (out: Collected<number>) =>
  StreamingApp.make({
    name: "failing",
    batchDuration: "1 second",
    settings: { maxTaskFailures: 1, gracefulStopTimeout: "1 minute" },
    outputs: [
      Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] }).pipe(
        slowly(3000),
        DStream.map((batch) => {
          if (batch === 1) throw new Error("batch 1 is bad")
          return batch
        }),
        DStream.collectTo(out)
      )
    ]
  })

it("a batch that fails during the drain holds neither the others nor the stop; awaitTermination tells its cause", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const context = yield* Local.start(failing(out))
    yield* TestClock.adjust("3 seconds")
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("13 seconds")
    assert.deepEqual(yield* Fiber.join(stopping), {
      graceful: true,
      openBatches: [2000],
      unallocatedBlocks: false,
      activeReceivers: []
    })
    assert.deepEqual(timesOf(out), [1000, 3000, 4000])
    assert.match(String(yield* Effect.exit(context.awaitTermination)), /batch 1 is bad/)
  }))

it("past the deadline a graceful stop stops at once, and says which batches are left", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const stream = Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] })
    const app = StreamingApp.make({
      name: "late",
      batchDuration: "1 second",
      outputs: [stream.pipe(slowly(4000), DStream.collectTo(out))]
    })
    const context = yield* Local.start(app, { settings: { gracefulStopTimeout: "5 seconds" } })
    yield* TestClock.adjust("3 seconds")
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("4900 millis")
    assert.equal(stopping.pollUnsafe(), undefined)
    yield* TestClock.adjust("100 millis")
    assert.deepEqual(yield* Fiber.join(stopping), {
      graceful: false,
      openBatches: [2000, 3000, 4000],
      unallocatedBlocks: false,
      activeReceivers: []
    })
    assert.deepEqual(timesOf(out), [1000])
    assert.equal(context.state(), "Stopped")
    assert.ok(Exit.isSuccess(yield* Effect.exit(context.awaitTermination)))
  }))

it("a receiver that does not stop is left at the deadline, and so are the blocks that no batch took", () =>
  Effect.gen(function* () {
    let store: Store<number> | undefined
    const stream = handed((it) => Effect.sync(() => void (store = it)), Effect.never)
    const app = StreamingApp.make({
      name: "stuck",
      batchDuration: "1 second",
      outputs: [stream.pipe(slowly(60_000), DStream.collectTo([]))],
      settings: { missedTicks: "coalesce", gracefulStopTimeout: "6 seconds" }
    })
    const context = yield* Local.start(app)
    yield* TestClock.adjust("1100 millis")
    store!.single(1)
    yield* TestClock.adjust("1 second")
    yield* store!.array([2])
    yield* TestClock.adjust("1 second")
    yield* store!.array([3])
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("60 seconds")
    assert.deepEqual(yield* Fiber.join(stopping), {
      graceful: false,
      openBatches: [2000, 3000],
      unallocatedBlocks: true,
      activeReceivers: ["collectTo-0.handed.0"]
    })
  }))

it("a graceful stop does not wait for a last snapshot that could not be written", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const full = new StorageError({ reason: "Full", name: "snapshot", message: "no room" })
    const create: typeof storage.create = (name, bytes) =>
      name.includes("/state/") ? Effect.fail(full) : storage.create(name, bytes)
    const states = Memory.batches([["a"]]).pipe(
      DStream.mapToPair((word) => [word, 1]),
      DStream.updateStateByKey((values, state: number | undefined) => values.length + (state ?? 0))
    )
    const app = StreamingApp.make({
      name: "a",
      batchDuration: "1 second",
      outputs: [states.pipe(DStream.collectTo([]))]
    })
    const events: Array<StreamingEvent> = []
    const observers = [(event: StreamingEvent) => void events.push(event)]
    const context = yield* Lives.start(app, { storage: { ...storage, create }, observers })
    yield* TestClock.adjust("1 second")
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("1 second")
    yield* Local.settled
    assert.ok(events.some(({ kind }) => kind === "SnapshotFailed"))
    assert.equal(context.state(), "Stopped")
    assert.equal((yield* Fiber.join(stopping)).graceful, true)
  }))

it("a second stop, at once, cuts a graceful one short; both are told the same", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const context = yield* Local.start(failing(out))
    yield* TestClock.adjust("2 seconds")
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("100 millis")
    const report = yield* context.stop()
    assert.deepEqual(report, {
      graceful: false,
      openBatches: [1000, 2000],
      unallocatedBlocks: false,
      activeReceivers: []
    })
    assert.deepEqual(yield* Fiber.join(stopping), report)
    assert.deepEqual(out, [])
  }))

it("a stop at once leaves what is stored, and says so", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    let store: Store<number> | undefined
    let stopped = 0
    const stream = handed((it) => Effect.sync(() => void (store = it)), Effect.sync(() => void stopped++))
    const app = StreamingApp.make({
      name: "at once",
      batchDuration: "1 second",
      outputs: [stream.pipe(DStream.collectTo(out))]
    })
    const context = yield* Local.start(app)
    yield* TestClock.adjust("1100 millis")
    yield* store!.array([1])
    assert.deepEqual(yield* context.stop(), {
      graceful: false,
      openBatches: [],
      unallocatedBlocks: true,
      activeReceivers: []
    })
    assert.equal(stopped, 1)
    assert.deepEqual(recordsOf(out), [])
  }))

it("a clock that is set back by an hour is told; batches wait for it, a graceful stop does not and loses nothing", () =>
  Effect.gen(function* () {
    const { clock, moveBy } = yield* SettableClock.make
    yield* TestClock.setTime(4_000_000)
    const out: Collected<number> = []
    const told: Array<StreamingEvent> = []
    let store: Store<number> | undefined
    const stream = handed((it) => Effect.sync(() => void (store = it)))
    const outputs = [stream.pipe(DStream.collectTo(out))]
    const app = StreamingApp.make({ name: "back", batchDuration: "1 second", outputs })
    const observers = [(event: StreamingEvent) => void (event.kind === "ClockSetBack" && told.push(event))]
    const context = yield* Effect.provideService(Local.start(app, { observers }), Clock.Clock, clock)
    yield* store!.array([1])
    yield* TestClock.adjust("2500 millis")
    moveBy(-3_600_000)
    yield* store!.array([2])
    yield* TestClock.adjust("20 seconds")
    assert.deepEqual(told, [{ kind: "ClockSetBack", now: 403_000, lastTick: 4_002_000 }])
    assert.deepEqual(timesOf(out), [4_001_000, 4_002_000])
    yield* store!.array([3])
    const stopping = yield* stopGracefully(context)
    yield* TestClock.adjust("1 second")
    assert.deepEqual(yield* Fiber.join(stopping), {
      graceful: true,
      openBatches: [],
      unallocatedBlocks: false,
      activeReceivers: []
    })
    assert.deepEqual(timesOf(out), [4_001_000, 4_002_000, 4_003_000])
    assert.deepEqual(recordsOf(out), [1, 2, 3])
  }))
