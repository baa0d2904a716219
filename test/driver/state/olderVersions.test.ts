/**
 * Versions of a state that are asked for after a loss, though newer ones have a snapshot: those that a window over the state shows,
 * and those that another state has to be made again of.
 */
import assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { it } from "../../kit.ts"
import * as Local from "../local.ts"

type Pair = readonly [string, number]
type Collected = Array<{ readonly time: number; readonly records: ReadonlyArray<unknown> }>

const pairs = Memory.stream<Pair>({
  numPartitions: 2,
  read: ({ batch, partition }) => Array.from({ length: 6 }, (_, i): Pair => [`k${(batch + i * i + partition) % 7}`, 1])
})

const sum = (values: ReadonlyArray<number>, state: number | undefined) => values.reduce((a, b) => a + b, state ?? 0)
const sums = pairs.pipe(DStream.updateStateByKey(sum, { numPartitions: 3 }), DStream.checkpoint("2 seconds"))

/** A window over the versions, and a state with rarer snapshots that is made of them. */
const outputsOf = (shown: Collected, later: Collected) => [
  sums.pipe(DStream.window("5 seconds"), DStream.groupByKey(), DStream.collectTo(shown)),
  sums.pipe(
    DStream.updateStateByKey(sum, { numPartitions: 2 }),
    DStream.checkpoint("7 seconds"),
    DStream.collectTo(later)
  )
]

const run = Effect.fnUntraced(function* (executors: number, kills: ReadonlyArray<number>) {
  const [shown, later]: [Collected, Collected] = [[], []]
  const app = StreamingApp.make({ name: "older", batchDuration: "1 second", outputs: outputsOf(shown, later) })
  const kill = new Local.Killer()
  const context = yield* Local.start(app, { executors, coded: true, kill })
  for (let batch = 0; batch < 24; batch++) {
    if (kills.includes(batch)) kill.now(kill.alive()[0]!)
    yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    yield* Local.settled
  }
  yield* TestClock.adjust("1 millis")
  yield* context.stop()
  const records = (batches: Collected) => batches.map(({ records }) => records)
  return { shown: records(shown), later: records(later) }
})

for (const executors of [1, 3]) {
  it(`with ${executors} executors, what is shown after a loss is what would have been shown without`, () =>
    Effect.gen(function* () {
      const whole = yield* run(executors, [])
      assert.equal(whole.shown.length, 24)
      assert.deepEqual(yield* run(executors, [9, 13, 16, 17, 22]), whole)
    }))
}
