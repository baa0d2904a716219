/**
 * The states of a context and who may call what when; how it ends by itself, by an interruption, and before it has begun.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { it } from "../../kit.ts"
import { type Collected, timesOf } from "../collected.ts"
import * as Local from "../local.ts"

const numbers = Memory.stream({ numPartitions: 2, read: ({ batch, partition }) => [batch, partition] })

const appOf = (
  out: Collected<number>,
  options: { readonly slowMillis?: number; readonly layer?: Layer.Layer<never> } = {}
) =>
  StreamingApp.make({
    name: "life",
    batchDuration: "1 second",
    layer: options.layer ?? Layer.empty,
    outputs: [
      numbers.pipe(
        DStream.mapEffect((n) => Effect.as(Effect.sleep(options.slowMillis ?? 0), n), { concurrency: 2 }),
        DStream.collectTo(out)
      )
    ]
  })

it("a context goes from Initialized to Active to Stopped; starting and stopping again change nothing", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const context = yield* Local.make(appOf(out))
    assert.equal(context.state(), "Initialized")
    assert.equal(yield* context.awaitTerminationOrTimeout(0), false)
    yield* context.start
    assert.equal(context.state(), "Active")
    yield* context.start
    yield* TestClock.adjust("2 seconds")
    assert.deepEqual(timesOf(out), [1000, 2000])
    const first = yield* context.stop()
    assert.equal(context.state(), "Stopped")
    assert.deepEqual(yield* context.stop({ graceful: true }), first)
    yield* TestClock.adjust("5 seconds")
    assert.deepEqual(timesOf(out), [1000, 2000])
    yield* context.awaitTermination
    assert.equal(yield* context.awaitTerminationOrTimeout(0), true)
  }))

it("a context that was stopped cannot start, whether it ran or not", () =>
  Effect.gen(function* () {
    const ran = yield* Local.start(appOf([]))
    const never = yield* Local.make(appOf([]))
    for (const context of [ran, never]) {
      assert.deepEqual((yield* context.stop()).openBatches, [])
      assert.equal(context.state(), "Stopped")
      const error = yield* Effect.flip(context.start)
      assert.equal(error._tag, "IllegalState")
      assert.match(error.message, /"life" has been stopped/)
      yield* context.awaitTermination
    }
  }))

it("awaitTerminationOrTimeout says whether the context ended in time", () =>
  Effect.gen(function* () {
    const context = yield* Local.start(appOf([]))
    const waiting = yield* Effect.forkChild(context.awaitTerminationOrTimeout("3 seconds"))
    yield* TestClock.adjust("3 seconds")
    assert.equal(yield* Fiber.join(waiting), false)
    const longer = yield* Effect.forkChild(context.awaitTerminationOrTimeout("3 seconds"))
    yield* TestClock.adjust("1 second")
    yield* context.stop()
    assert.equal(yield* Fiber.join(longer), true)
  }))

it("with batches: 3 a run ends by itself after exactly three, also when it lags and others wait", () =>
  Effect.gen(function* () {
    for (const slowMillis of [0, 2500]) {
      for (const concurrentJobs of [1, 2]) {
        const out: Collected<number> = []
        const run = yield* Local.run(appOf(out, { slowMillis }), { batches: 3, settings: { concurrentJobs } })
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.join(run)
        assert.equal(out.length, 3)
      }
    }
  }))

it("batches without a data set do not count among those that were asked for", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const app = StreamingApp.make({
      name: "holes",
      batchDuration: "1 second",
      outputs: [Memory.batches([[1], undefined, undefined, [2]]).pipe(DStream.collectTo(out))]
    })
    const run = yield* Local.run(app, { batches: 2 })
    yield* TestClock.adjust("4 seconds")
    yield* Fiber.join(run)
    assert.deepEqual(timesOf(out), [1000, 4000])
  }))

it("a run that is interrupted in the middle of a batch stops at once and releases everything", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const live = new Set<string>()
    const tracked = (name: string) =>
      Effect.acquireRelease(Effect.sync(() => live.add(name)), () => Effect.sync(() => live.delete(name)))
    let builds = 0
    const layer = Layer.effectDiscard(Effect.suspend(() => tracked(`layer ${++builds}`)))
    const app = appOf(out, { slowMillis: 60_000, layer })
    const run = yield* Local.run(app, { executors: 2 })
    yield* TestClock.adjust("2500 millis")
    assert.equal(live.size, 3)
    yield* Fiber.interrupt(run)
    assert.equal(live.size, 0)
    assert.deepEqual(out, [])
  }))

/** An app whose layer is not built before the gate opens. */
const gatedApp = (gate: Deferred.Deferred<void>, released: () => void) =>
  appOf([], {
    layer: Layer.effectDiscard(
      Effect.acquireRelease(Effect.void, () => Effect.sync(released)).pipe(Effect.andThen(Deferred.await(gate)))
    )
  })

it("a stop during the start ends it: nothing is left at work, and nobody waits for what never starts", () =>
  Effect.gen(function* () {
    for (const graceful of [false, true]) {
      let released = 0
      const context = yield* Local.make(gatedApp(yield* Deferred.make<void>(), () => released++))
      const starting = yield* Effect.forkChild(context.start)
      yield* TestClock.adjust("1 second")
      assert.equal(released, 0)
      assert.deepEqual((yield* context.stop({ graceful })).openBatches, [])
      assert.equal(context.state(), "Stopped")
      assert.equal(released, 1)
      yield* Fiber.join(starting)
      yield* context.awaitTermination
    }
  }))

it("a run that is interrupted while it starts ends", () =>
  Effect.gen(function* () {
    let released = 0
    const run = yield* Local.run(gatedApp(yield* Deferred.make<void>(), () => released++))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(run)
    assert.equal(released, 1)
  }))

it("a second start waits for the first, and both fail if it fails", () =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const context = yield* Local.make(gatedApp(gate, () => {}))
    const first = yield* Effect.forkChild(context.start)
    const second = yield* Effect.forkChild(context.start)
    yield* TestClock.adjust("1 second")
    assert.equal(second.pollUnsafe(), undefined)
    yield* Deferred.die(gate, new Error("no gate"))
    for (const fiber of [first, second]) assert.match(String(yield* Fiber.await(fiber)), /no gate/)
    assert.equal(context.state(), "Stopped")
    assert.ok(Exit.isFailure(yield* Effect.exit(context.awaitTermination)))
  }))
