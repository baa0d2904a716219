/**
 * Backpressure and the number of batches, as the engine wires them.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
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
    }
    const heard = (message: ToExecutor) => {
      if (message.kind === "UpdateRate" && message.stream === "in") orders.push(message.rate)
    }
    const settings = { backpressure, backpressureInitialRate: 500, receiverMaxRate: 500 }
    const context = yield* Local.start(app, { settings, observers: [observe], heard })
    for (let second = 0; second < 30; second++) yield* TestClock.adjust("1 second")
    yield* context.stop()
    return { sizes, rates, orders }
  })

it("with backpressure a receiver under a slow job is told lower rates, keeps to them, and the job keeps up", () =>
  Effect.gen(function* () {
    const { sizes, rates, orders } = yield* run(true)
    assert.ok(rates.length > 5, `${rates}`)
    assert.deepEqual(orders, rates)
    for (const rate of rates) assert.ok(rate >= 100 && rate <= 200, `${rates}`)
    assert.ok(sizes[0]! >= 400, `at first the initial rate: ${sizes}`)
    // What is in flight when a rate changes is of the rate before.
    for (const size of sizes.slice(-5)) assert.ok(size >= 80 && size <= 210, `in the end the rate told: ${sizes}`)
  }))

it("without backpressure nothing is told, and a receiver goes on at its own rate", () =>
  Effect.gen(function* () {
    const { sizes, rates, orders } = yield* run(false)
    assert.deepEqual([rates, orders], [[], []])
    for (const size of sizes.slice(1)) assert.ok(size >= 450 && size <= 550, `${sizes}`)
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
