/**
 * Slices of a running app: the records of a stretch of batch times, as often as they are asked for.
 */
import assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { it } from "../../kit.ts"
import * as Local from "../local.ts"

const numbers = Memory.batches([[1], [2], [3], [4]], 2)
const app = StreamingApp.make({
  name: "sliced",
  batchDuration: "1 second",
  outputs: [numbers.pipe(DStream.foreachBatch(() => Effect.void))],
  settings: { remember: "3 seconds" }
})

it("a slice has the records of all batch times in a closed interval, and can be asked again", () =>
  Effect.gen(function* () {
    const context = yield* Local.start(app, { executors: 2 })
    for (let batch = 0; batch < 4; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    const asked = [[2000, 4000], [3500, 3999], [3000, 3000], [2000, 4000], [4000, 4500]] as const
    const slices = yield* Effect.forEach(asked, ([from, to]) => context.slice(numbers, from, to))
    assert.deepEqual(slices, [[2, 3, 4], [3], [3], [2, 3, 4], [4]])
    assert.deepEqual(yield* context.slice("foreachBatch-0.batches.0", 3500, 4000), [3, 4])
  }))

it("a slice of times to come, of forgotten ones, of strange streams and of an app that does not run is refused", () =>
  Effect.gen(function* () {
    const idle = yield* Local.make(app)
    assert.match((yield* Effect.flip(idle.slice(numbers, 0, 1000))).message, /has not been started/)
    const context = yield* Local.start(app)
    for (let batch = 0; batch < 5; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    const refused = (from: number, to: number, stream: DStream.AnyDStream = numbers) =>
      Effect.map(Effect.flip(context.slice(stream, from, to)), ({ message }) => message)
    assert.match(yield* refused(5000, 6000), /6000 ms .* still to come/)
    assert.match(yield* refused(1000, 1000), /1000 ms .* was forgotten .*remember/)
    assert.match(yield* refused(2000, 1000), /ends before it begins/)
    assert.match(yield* refused(1000, 2000, Memory.batches([[1]])), /no operator of this app/)
    yield* context.stop()
    assert.match((yield* Effect.flip(context.slice(numbers, 5000, 5000))).message, /is over/)
  }))

it("a partition may have as many records as it likes, for a slice, for take and for print", () =>
  Effect.gen(function* () {
    const count = 200_000
    const many = Memory.batches([Array.from({ length: count }, (_, i) => i)])
    const taken: Array<number> = []
    const context = yield* Local.start(StreamingApp.make({
      name: "many",
      batchDuration: "1 second",
      outputs: [
        many.pipe(
          DStream.foreachBatch((batch) => Effect.map(batch.take(count), ({ length }) => void taken.push(length)))
        )
      ]
    }))
    yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    assert.deepEqual(taken, [count])
    assert.equal((yield* context.slice(many, 1000, 1000)).length, count)
  }))
