/**
 * Behaviours that vectors of the areas context and operations tell in words, with their numbers.
 */
import * as assert from "node:assert/strict"
import { Clock, ConfigProvider, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, Output, Receiver, StreamingApp } from "../../../core/mod.ts"
import { fromConfig } from "../../../core/settings/fromConfig.ts"
import * as Settings from "../../../core/settings/Settings.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"

const numbers = Memory.batches([[1, 2, 3], [4, 5, 6]])

const appOf = (...outputs: ReadonlyArray<Output.AnyOutput>): StreamingApp.StreamingApp<Error> =>
  StreamingApp.make({ name: "behaviour", batchDuration: "1 second", outputs }) as StreamingApp.StreamingApp<Error>

const counting = numbers.pipe(DStream.foreachBatch((batch) => batch.count))

it("an output sees each batch once, whatever other outputs there are", () =>
  Effect.gen(function* () {
    const seen = { batches: 0, elements: 0 }
    const output = numbers.pipe(DStream.foreachBatch((batch) =>
      Effect.map(batch.count, (count) => {
        seen.batches++
        seen.elements += count
      })
    ))
    yield* Local.start(appOf(output, counting, counting), { executors: 2, coded: true })
    yield* TestClock.adjust("1 second")
    yield* Local.settled
    yield* TestClock.adjust("1 second")
    yield* Local.settled
    assert.deepEqual(seen, { batches: 2, elements: 6 })
  }))

it("streams of different slides are neither united nor transformed together", () =>
  Effect.gen(function* () {
    const sliding = numbers.pipe(DStream.window("2 seconds", "2 seconds"))
    const united = numbers.pipe(DStream.union(sliding), DStream.print())
    const transformed = numbers.pipe(DStream.transformWith(sliding, (rdd) => rdd), DStream.print())
    for (const output of [united, transformed]) {
      const error = yield* Effect.flip(StreamingApp.validate(appOf(output)))
      assert.equal(error._tag, "InvalidApp")
      assert.match(error.message, /different slide durations/)
    }
  }))

it("a context without an output fails at its start, and is stopped then", () =>
  Effect.gen(function* () {
    numbers.pipe(DStream.map((n) => n + 1))
    const context = yield* Local.make(appOf())
    assert.equal(context.state(), "Initialized")
    const error = yield* Effect.flip(context.start)
    assert.match(error.message, /no output operations registered/)
    assert.equal(context.state(), "Stopped")
  }))

it("what a transform throws is told to whoever waits", () =>
  Effect.gen(function* () {
    const throwing = numbers.pipe(
      DStream.transform((): never => {
        throw new Error("error in transform")
      }),
      DStream.print()
    )
    const context = yield* Local.start(appOf(throwing))
    const waiting = yield* Effect.forkChild(Effect.flip(context.awaitTerminationOrTimeout("5 seconds")))
    yield* TestClock.adjust("5 seconds")
    assert.match((yield* Fiber.join(waiting)).message, /error in transform/)
  }))

it("the start does not wait for batches; a wait ends with its time, or with a stop from elsewhere", () =>
  Effect.gen(function* () {
    const context = yield* Local.start(appOf(counting))
    assert.equal(yield* Clock.currentTimeMillis, 0)
    const first = yield* Effect.forkChild(context.awaitTerminationOrTimeout("500 millis"))
    yield* TestClock.adjust("500 millis")
    assert.equal(yield* Fiber.join(first), false)
    const timed = yield* Effect.forkChild(context.awaitTerminationOrTimeout("10 seconds"))
    const unlimited = yield* Effect.forkChild(context.awaitTermination)
    yield* Effect.forkChild(Effect.andThen(Effect.sleep("500 millis"), context.stop()))
    yield* TestClock.adjust("499 millis")
    assert.deepEqual([timed.pollUnsafe(), unlimited.pollUnsafe()], [undefined, undefined])
    yield* TestClock.adjust("1 millis")
    assert.equal(yield* Fiber.join(timed), true)
    yield* Fiber.join(unlimited)
    assert.equal(yield* Clock.currentTimeMillis, 1000)
  }))

it("waiting for a context that has stopped returns at once", () =>
  Effect.gen(function* () {
    const context = yield* Local.start(appOf(counting))
    yield* context.stop()
    yield* context.awaitTermination
    assert.equal(yield* context.awaitTerminationOrTimeout("1 second"), true)
    assert.equal(yield* Clock.currentTimeMillis, 0)
  }))

/** Runs a receiver until `when`, then stops gracefully; how many records were processed. */
const processed = Effect.fnUntraced(function* (
  receiver: Receiver.Receiver<number, never, never>,
  batchMillis: number,
  when: number,
  settings: Settings.SettingsInput
) {
  let count = 0
  const app = StreamingApp.make({
    name: "graceful",
    batchDuration: batchMillis,
    outputs: [
      DStream.receiverStream(receiver).pipe(
        DStream.foreachBatch((batch) => Effect.map(batch.count, (records) => void (count += records)))
      )
    ],
    settings
  })
  const context = yield* Local.start(app, { executors: 2 })
  yield* TestClock.adjust(when)
  const stopping = yield* Effect.forkChild(context.stop({ graceful: true }))
  while (stopping.pollUnsafe() === undefined) {
    yield* TestClock.adjust(batchMillis)
    yield* Local.settled
  }
  return count
}, Effect.scoped)

it("four contexts, one after the other, process exactly what was stored before each stop", () =>
  Effect.gen(function* () {
    for (const round of [1, 2, 3, 4]) {
      let stored = 0
      const receiver = Receiver.make<number, never, never>({
        name: "running numbers",
        storageLevel: "MEMORY_ONLY",
        onStart: (store) =>
          Effect.forever(Effect.suspend(() => {
            for (let i = 0; i < 100; i++) store.single(stored++)
            return Effect.sleep(1)
          }))
      })
      const count = yield* processed(receiver, 100, 250 * round, { blockInterval: "20 millis" })
      assert.ok(stored > 0)
      assert.equal(count, stored)
    }
  }))

it("a graceful stop waits for a receiver that needs 15 s to stop, and all its records are processed", () =>
  Effect.gen(function* () {
    let store: Receiver.Store<number> | undefined
    const receiver = Receiver.make<number, never, never>({
      name: "slow",
      storageLevel: "MEMORY_ONLY",
      onStart: (started) => {
        store = started
        return Effect.never
      },
      onStop: Effect.forEach(
        Array.from({ length: 15 }, (_, i) => i),
        (i) => Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => store!.single(i))),
        { discard: true }
      )
    })
    assert.equal(yield* processed(receiver, 100, 300, { gracefulStopTimeout: "20000 seconds" }), 15)
  }))

it("settings show in the context, whichever way they were given", () =>
  Effect.gen(function* () {
    const environment = ConfigProvider.fromUnknown({ DSTREAMS_RECEIVER_RESTART_DELAY: "10 seconds" })
    const fromEnvironment = yield* Effect.provideService(
      fromConfig,
      ConfigProvider.ConfigProvider,
      environment
    )
    const ofCode: Settings.SettingsInput = { receiverRestartDelay: "10 seconds" }
    for (const given of [ofCode, fromEnvironment]) {
      for (const inputs of [[given], [{}, given], [given, { receiverRestartDelay: 1 }]]) {
        const settings = Settings.resolve(inputs, { batchMillis: 1000, executors: 2 })
        assert.equal(settings.receiverRestartDelayMillis, 10_000)
        assert.equal(settings.defaultParallelism, 2)
      }
    }
    const app = StreamingApp.make({ name: "named", batchDuration: 500, outputs: [counting], settings: ofCode })
    assert.deepEqual([app.name, app.batchMillis, app.settings], ["named", 500, ofCode])
  }))
