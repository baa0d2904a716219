/**
 * Queue streams in a whole engine: what each batch takes. The scenarios input/queue-one-at-a-time and input/queue-empty-default are
 * among them.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import * as Queue from "../../adapters/queue/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { type Collected, recordsOf } from "../driver/collected.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"

/** A running stream over `queue`; `batch` gives what the next batch holds, undefined if it has no output. */
const started = Effect.fnUntraced(function* <A>(queue: Array<ReadonlyArray<A>>, options: Queue.Options<A> = {}) {
  const batches: Collected<A> = []
  const events: Array<StreamingEvent> = []
  const app = StreamingApp.make({
    name: "queue",
    batchDuration: "1 second",
    outputs: [Queue.stream(queue, options).pipe(DStream.collectTo(batches))],
    settings: { onBatchFailure: "skip" }
  })
  yield* Local.start(app, { observers: [(event) => void events.push(event)] })
  const batch = Effect.gen(function* () {
    const before = batches.length
    yield* TestClock.adjust("1 second")
    yield* Local.settled
    return batches.length > before ? [...batches[before]!.records] : undefined
  })
  return { batch, batches, events }
})

it("one data set is taken per batch, however many wait", () =>
  Effect.gen(function* () {
    const queue: Array<ReadonlyArray<string>> = [["1"], ["2"]]
    const { batch } = yield* started(queue)
    assert.deepEqual(yield* batch, ["1"])
    queue.push(["3"], ["4"])
    assert.deepEqual(yield* batch, ["2"])
    queue.push(["5"])
    assert.deepEqual([yield* batch, yield* batch, yield* batch], [["3"], ["4"], ["5"]])
    assert.deepEqual(queue, [])
  }))

it("all that wait are taken together, in order, where oneAtATime is false", () =>
  Effect.gen(function* () {
    const queue: Array<ReadonlyArray<string>> = [["1"], ["2"]]
    const { batch } = yield* started(queue, { oneAtATime: false, numPartitions: 2 })
    assert.deepEqual(yield* batch, ["1", "2"])
    queue.push(["3"], ["4", "5"], [])
    assert.deepEqual(yield* batch, ["3", "4", "5"])
    assert.deepEqual(yield* batch, [])
  }))

it("an empty queue gives the default data set if there is one, else an empty one, or none", () =>
  Effect.gen(function* () {
    const queue: Array<ReadonlyArray<string>> = []
    const { batch } = yield* started(queue, { defaultRecords: ["d"] })
    assert.deepEqual(yield* batch, ["d"])
    queue.push(["1"])
    assert.deepEqual([yield* batch, yield* batch], [["1"], ["d"]])
  }))

it("without a default data set the batch has an empty one; with null it has none, and no output runs", () =>
  Effect.gen(function* () {
    const empty = yield* started<string>([])
    assert.deepEqual(yield* empty.batch, [])
    const none = yield* started<string>([["a"]], { defaultRecords: null })
    assert.deepEqual([yield* none.batch, yield* none.batch], [["a"], undefined])
  }))

it("every record comes once and in order, whatever is put in between the batches", () =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.array(fc.nat(99), { maxLength: 4 }), { maxLength: 3 }), { maxLength: 6 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 3 }),
        (pushes, oneAtATime, numPartitions) =>
          Effect.runPromise(
            Effect.scoped(Effect.gen(function* () {
              const queue: Array<ReadonlyArray<number>> = []
              const { batch, batches } = yield* started(queue, { oneAtATime, numPartitions })
              for (const lists of pushes) {
                queue.push(...lists)
                const expected = queue.slice(0, oneAtATime ? 1 : queue.length).flat()
                assert.deepEqual(yield* batch, expected)
              }
              while (queue.length > 0) yield* batch
              assert.deepEqual(recordsOf(batches), pushes.flat(2))
            })).pipe(Effect.provide(TestClock.layer()))
          )
      ),
      { numRuns: 20 }
    )
  ))

it("what is no list fails its batch with the remedy, and the others are taken", () =>
  Effect.gen(function* () {
    const queue = [["a"], 5, ["b"]] as unknown as Array<ReadonlyArray<string>>
    const { batch, events } = yield* started(queue, { oneAtATime: false })
    assert.equal(yield* batch, undefined)
    assert.deepEqual(yield* batch, ["a", "b"])
    const failed = events.find((event) => event.kind === "GenerationFailed")
    assert.match(failed?.reason ?? "", /A data set in the queue is 5, not an array: push a list of records/)
    assert.throws(() => Queue.stream(undefined as never), { _tag: "InvalidQueue", message: /^The queue is undefined/ })
    assert.throws(() => Queue.stream([], { defaultRecords: "d" as never }), { _tag: "InvalidQueue" })
  }))
