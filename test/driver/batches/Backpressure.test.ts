/**
 * Backpressure and the number of batches, as the engine wires them.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { chunkOf } from "../../../core/dstream/InputDStream.ts"
import { type Batch, DStream, type RateEstimator, type SettingsInput, StreamingApp } from "../../../core/mod.ts"
import type { ToExecutor } from "../../../core/protocol/ExecutorProtocol.ts"
import type { Receiver } from "../../../core/receiving/Receiver.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import { it } from "../../kit.ts"
import { type Collected, timesOf } from "../collected.ts"
import * as Local from "../local.ts"

/** Stores as fast as it may. */
const eager: Receiver<number, never, never> = {
  name: "eager",
  onStart: (store) => Effect.forever(Effect.suspend(() => store.single(1) ? Effect.void : store.ready)),
  onStop: Effect.void,
  storageLevel: "MEMORY_ONLY",
  preferredHost: undefined
}

const millisPerRecord = 5

/** Runs 30 s with a job that takes so long for each record: 200 records a second, of the 500 that come at first. */
const run = (backpressure: boolean) =>
  Effect.gen(function* () {
    const sizes: Array<number> = []
    const told: Array<number | undefined> = []
    const rates: Array<number> = []
    const orders: Array<number> = []
    const input = DStream.fromInput<number, never, never>("eager", {
      kind: "receiver",
      receiver: eager,
      decode: undefined
    })
    const app = StreamingApp.make({
      name: "pressed",
      batchDuration: "1 second",
      outputs: [
        input.pipe(
          DStream.named("in"),
          DStream.foreachBatch((batch) =>
            Effect.gen(function* () {
              const count = yield* batch.count
              yield* Effect.sleep(count * millisPerRecord)
              sizes.push(count)
            })
          )
        )
      ]
    })
    const observe = (event: StreamingEvent) => {
      if (event.kind === "RateUpdated" && event.stream === "in") rates.push(event.rate)
      if (event.kind === "BatchSubmitted") told.push(event.batch.inputs[0]!.rate)
    }
    const heard = (message: ToExecutor) => {
      if (message.kind === "UpdateRate" && message.stream === "in") orders.push(message.rate)
    }
    const settings = { backpressure, backpressureInitialRate: 500, receiverMaxRate: 500 }
    const context = yield* Local.start(app, { settings, observers: [observe], heard })
    for (let second = 0; second < 30; second++) yield* TestClock.adjust("1 second")
    yield* context.stop()
    return { sizes, told, rates, orders }
  })

it("with backpressure a receiver under a slow job is told lower rates, keeps to them, and the job keeps up", () =>
  Effect.gen(function* () {
    const { sizes, told, rates, orders } = yield* run(true)
    assert.ok(rates.length > 5, `${rates}`)
    assert.deepEqual(orders, rates)
    assert.equal(told[0], 500, "a batch tells the rate in force when it was made")
    assert.deepEqual([...new Set(told.slice(1))].filter((rate) => rate !== 500 && !rates.includes(rate!)), [])
    assert.ok(rates.includes(told.at(-1)!), `${told}`)
    for (const rate of rates) assert.ok(rate >= 100 && rate <= 200, `${rates}`)
    assert.ok(sizes[0]! >= 400, `at first the initial rate: ${sizes}`)
    // What is in flight when a rate changes is of the rate before.
    for (const size of sizes.slice(-5)) assert.ok(size >= 80 && size <= 210, `in the end the rate told: ${sizes}`)
  }))

it("without backpressure nothing is told, and a receiver goes on at its own rate", () =>
  Effect.gen(function* () {
    const { sizes, told, rates, orders } = yield* run(false)
    assert.deepEqual([rates, orders], [[], []])
    assert.deepEqual([...new Set(told)], [500], "the maximum")
    for (const size of sizes.slice(1)) assert.ok(size >= 450 && size <= 550, `${sizes}`)
  }))

/** A direct input, full of records, that gives each batch as many as its rate allows. */
const obedient = DStream.fromInput<number, never, never>("obedient", {
  kind: "direct",
  keepsRate: true,
  planner: Effect.succeed({
    plan: ({ batchMillis, rate = 10 }) =>
      Effect.sync(() => {
        const records = Math.floor(rate * batchMillis / 1000)
        return { records, partitions: [{ kind: "source" as const, value: records, records }] }
      })
  }),
  reader: Effect.succeed({
    read: ({ value }) => Effect.sync(() => chunkOf(Array.from({ length: value as number }, (_, n) => n)))
  })
})

/** Runs so many batches of the obedient input, each of which takes a millisecond a record. */
const obey = (options: { readonly settings: SettingsInput; readonly rateEstimator?: RateEstimator }) =>
  Effect.gen(function* () {
    const sizes: Array<number> = []
    const rates: Array<number> = []
    const work = DStream.foreachBatch((batch: Batch<number>) =>
      Effect.gen(function* () {
        sizes.push(yield* batch.count)
        yield* Effect.sleep(sizes.at(-1)!)
      })
    )
    const app = StreamingApp.make({
      name: "obedient",
      batchDuration: "1 second",
      outputs: [obedient.pipe(work)],
      ...options
    })
    const observe = (event: StreamingEvent) => {
      if (event.kind === "RateUpdated") rates.push(event.rate)
    }
    const running = yield* Local.run(app, { batches: 6, observers: [observe] })
    for (let second = 0; second < 12; second++) yield* TestClock.adjust("1 second")
    return { sizes, rates, exit: yield* Fiber.await(running) }
  })

it("a direct input that keeps its rate is told the initial rate, then what the estimator says", () =>
  Effect.gen(function* () {
    const free = yield* obey({ settings: {} })
    assert.deepEqual([free.sizes, free.rates], [[10, 10, 10, 10, 10, 10], []])
    const initial = yield* obey({ settings: { backpressure: true, backpressureInitialRate: 300 } })
    assert.equal(initial.sizes[0], 300)
    assert.ok(initial.rates.length >= 3 && initial.rates.every((rate) => rate >= 900), `${initial.rates}`)
    assert.ok(initial.sizes.at(-1)! >= 900, `${initial.sizes}`)
  }))

it("an estimator of one's own takes the place of PID", () =>
  Effect.gen(function* () {
    const halving: RateEstimator<number> = {
      name: "halving",
      initial: 800,
      step: (rate) => [rate / 2, rate / 2]
    }
    const settings = { backpressure: true, backpressureInitialRate: 800 }
    const { sizes, rates } = yield* obey({ settings, rateEstimator: halving })
    assert.deepEqual(sizes, [800, 400, 200, 100, 50, 25])
    assert.deepEqual(rates.slice(0, 5), [400, 200, 100, 50, 25])
  }))

it("an estimator that throws ends the context with a failure that names it", () =>
  Effect.gen(function* () {
    const broken: RateEstimator = {
      name: "broken",
      initial: 0,
      step: () => {
        throw new Error("no idea")
      }
    }
    const { exit } = yield* obey({ settings: { backpressure: true }, rateEstimator: broken })
    assert.match(String(exit), /RateEstimatorFailed.*the rate estimator "broken" threw Error: no idea for input/s)
  }))

it("with batches: 3 no fourth is ever submitted, though the first is slow and later ones could pass it", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const submitted: Array<number> = []
    const numbers = Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] })
    const slow = numbers.pipe(DStream.foreachBatch((batch) => Effect.sleep(batch.time === 1000 ? 5500 : 0)))
    const app = StreamingApp.make({
      name: "three",
      batchDuration: "1 second",
      outputs: [slow, numbers.pipe(DStream.collectTo(out))]
    })
    const observe = (event: StreamingEvent) => {
      if (event.kind === "BatchSubmitted") submitted.push(event.batch.time)
    }
    const running = yield* Local.run(app, { batches: 3, settings: { concurrentJobs: 3 }, observers: [observe] })
    yield* TestClock.adjust("6 seconds")
    assert.equal(running.pollUnsafe(), undefined, "it waits for the slow one")
    assert.deepEqual(submitted, [1000, 2000, 3000])
    assert.deepEqual(timesOf(out), [1000, 2000, 3000])
    yield* TestClock.adjust("10 seconds")
    yield* Fiber.join(running)
    assert.deepEqual(submitted, [1000, 2000, 3000])
    assert.deepEqual(timesOf(out), [1000, 2000, 3000])
  }))
