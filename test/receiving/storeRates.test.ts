/**
 * The rate of a receiver holds for every way of storing: records one by one, and blocks that are stored as such.
 */
import * as assert from "node:assert/strict"
import { Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { DStream, Receiver, StreamingApp } from "../../core/mod.ts"
import { burstSeconds } from "../../core/receiving/RateLimiter.ts"
import type { Store } from "../../core/receiving/Receiver.ts"
import type { Collected } from "../driver/collected.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"
import { recorder, supervised } from "./supervised.ts"

const list = (count: number) => Array.from({ length: count }, (_, n) => n)

interface Script {
  readonly rate: number
  /** What each fiber stores, one after the other. */
  readonly fibers: ReadonlyArray<
    ReadonlyArray<
      { readonly how: "array" | "iterator" | "bytes" | "single"; readonly count: number; readonly idle: number }
    >
  >
}

const scripts: fc.Arbitrary<Script> = fc.record({
  rate: fc.integer({ min: 1, max: 400 }),
  fibers: fc.array(
    fc.array(
      fc.record({
        how: fc.constantFrom("array", "iterator", "bytes", "single"),
        count: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 1000 })),
        idle: fc.oneof(fc.constant(0), fc.nat(5000))
      }),
      { minLength: 1, maxLength: 8 }
    ),
    { minLength: 1, maxLength: 4 }
  )
})

const admittedBy = Effect.fnUntraced(function* ({ fibers, rate }: Script) {
  const clock = yield* Clock.Clock
  const admitted: Array<{ readonly at: number; readonly count: number }> = []
  const admit = (count: number) => void admitted.push({ at: clock.currentTimeMillisUnsafe(), count })
  let done = 0
  const storeOne = Effect.fnUntraced(function* (store: Store<number>, how: string, count: number) {
    if (how === "array") yield* store.array(list(count))
    if (how === "iterator") yield* store.iterator(list(count).values())
    if (how === "bytes") yield* store.bytes(new Uint8Array(count), count)
    if (how !== "single") return admit(count)
    for (let n = 0; n < Math.min(count, 50); n++) {
      const goesOn = store.single(n)
      admit(1)
      if (!goesOn) yield* store.ready
    }
  })
  const { receiver } = recorder({
    onStart: (store) =>
      Effect.forEach(fibers, (steps) =>
        Effect.gen(function* () {
          for (const { count, how, idle } of steps) {
            yield* Effect.sleep(idle)
            yield* storeOne(store, how, count)
          }
          done++
        }), { concurrency: "unbounded", discard: true })
  })
  yield* supervised({ receiver, rateLimit: rate })
  const total = fibers.flat().reduce((sum, { count }) => sum + count, 0)
  const needed = total / rate * 1000 + fibers.flat().length * 6000
  for (let past = 0; past < needed && done < fibers.length; past += 5000) yield* TestClock.adjust(5000)
  assert.equal(done, fibers.length, "nobody waits for ever")
  return admitted
})

it(
  "over any span the records admitted are at most the rate, one burst and one array, whoever stores them in whatever way",
  () =>
    Effect.gen(function* () {
      for (const script of fc.sample(scripts, { numRuns: 40, seed: 11 })) {
        const admitted = yield* Effect.scoped(admittedBy(script))
        const most = Math.max(1, ...admitted.map(({ count }) => count))
        const singles = script.fibers.length
        admitted.forEach((first, from) => {
          let records = 0
          for (const { at, count } of admitted.slice(from)) {
            records += count
            const bound = script.rate * ((at - first.at) / 1000 + burstSeconds) + most + singles
            assert.ok(records <= bound + 1e-6, `${records} records in ${at - first.at} ms at ${script.rate} a second`)
          }
        })
      }
    }),
  { timeout: 60_000 }
)

it("blocks are stored in the order of the calls, each when it is paid, and a limit smaller than a block only takes longer", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { infos } = yield* supervised({ receiver, rateLimit: 10 })
    const sizes = [25, 1, 40, 5]
    for (const size of sizes) yield* Effect.forkChild(store().array(list(size)), { startImmediately: true })
    const counts = () => infos().map(({ records }) => records)
    yield* TestClock.adjust(2499)
    assert.deepEqual(counts(), [])
    for (const [millis, expected] of [[1, 1], [99, 1], [1, 2], [3999, 2], [1, 3], [499, 3], [1, 4]] as const) {
      yield* TestClock.adjust(millis)
      assert.deepEqual(counts(), sizes.slice(0, expected))
    }
  }))

it("who is interrupted while it waits gives back what it took, and a rate that rises is noticed within a second", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    const { handle, infos } = yield* supervised({ receiver, rateLimit: 1 })
    const large = yield* Effect.forkChild(store().array(list(100_000)), { startImmediately: true })
    const next = yield* Effect.forkChild(store().array(list(2)), { startImmediately: true })
    yield* TestClock.adjust(500)
    yield* Fiber.interrupt(large)
    yield* TestClock.adjust(1500)
    yield* Fiber.join(next)
    assert.deepEqual(infos().map(({ records }) => records), [2])
    const slow = yield* Effect.forkChild(store().array(list(5000)), { startImmediately: true })
    yield* TestClock.adjust("10 seconds")
    handle.updateRate(10_000)
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(slow)
  }))

it("a stop does not wait for the rate: who waits is interrupted, what onStop stores is stored, and takes its time from the next", () =>
  Effect.gen(function* () {
    const stores: Array<Store<number>> = []
    let interrupted = 0
    const { receiver } = recorder({
      onStart: (store) => {
        stores.push(store)
        return Effect.onInterrupt(store.array(list(1000)), () => Effect.sync(() => interrupted++))
      },
      onStop: Effect.suspend(() => Effect.orDie(stores.at(-1)!.array(list(20))))
    })
    const { handle, infos, kinds } = yield* supervised({ receiver, rateLimit: 10 })
    yield* TestClock.adjust("3 seconds")
    stores[0]!.restart("again", undefined, 1000)
    yield* TestClock.adjust(0)
    assert.deepEqual([interrupted, infos().map(({ records }) => records)], [1, [20]])
    yield* TestClock.adjust("1 second")
    // 10 left of the burst and 20 taken, of which one second has paid 10: the run's own 1000 are paid 100 s later.
    yield* TestClock.adjust("99 seconds")
    assert.equal(infos().length, 1)
    yield* TestClock.adjust("1 second")
    assert.deepEqual(infos().map(({ records }) => records), [20, 1000])
    handle.stop("Stopped by driver")
    yield* TestClock.adjust(0)
    yield* handle.awaitTermination
    assert.equal(kinds().at(-1), "ReceiverEnded")
  }))

it("who outlives its run does not hold up the next one", () =>
  Effect.gen(function* () {
    const { receiver, store, stores } = recorder()
    yield* supervised({ receiver, rateLimit: 10 })
    const stale = yield* Effect.forkChild(Effect.exit(store().array(list(100_000))), { startImmediately: true })
    yield* TestClock.adjust(100)
    store().restart("again", undefined, 100)
    yield* TestClock.adjust(1000)
    assert.equal(stores.length, 2)
    const stored = yield* Effect.forkChild(store().array(list(10)), { startImmediately: true })
    yield* TestClock.adjust("2 seconds")
    yield* Fiber.join(stored)
    assert.ok(Exit.isFailure(yield* Fiber.join(stale)))
  }))

it("in an engine no batch brings more than receiverMaxRate and a block, though the receiver stores blocks as fast as it may", () =>
  Effect.gen(function* () {
    const receiver = Receiver.make({
      name: "blocks",
      onStart: (store: Receiver.Store<number>) =>
        Effect.forever(Effect.andThen(store.array(list(4)), Effect.sleep(100)))
    })
    const batches: Collected<number> = []
    const app = StreamingApp.make({
      name: "rates",
      batchDuration: 1000,
      settings: { receiverMaxRate: 10, backpressure: true, backpressureInitialRate: 50 },
      outputs: [DStream.receiverStream(receiver).pipe(DStream.count, DStream.collectTo(batches))]
    })
    yield* Local.start(app)
    for (let n = 0; n < 100; n++) yield* Effect.andThen(TestClock.adjust(100), Local.settled)
    const counts = batches.map(({ records }) => records[0]!)
    assert.ok(counts.every((count) => count <= 14), String(counts))
    const inAll = counts.reduce((sum, count) => sum + count, 0)
    assert.ok(inAll >= 80 && inAll <= 100, String(counts))
  }))
