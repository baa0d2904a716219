/**
 * Settings that say when batches run, through the whole engine: concurrent jobs, missed ticks, side values.
 */
import * as assert from "node:assert/strict"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, RDD, StreamingApp } from "../../core/mod.ts"
import type { SettingsInput } from "../../core/settings/Settings.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { it } from "../kit.ts"
import { type Collected, recordsOf, timesOf } from "./collected.ts"
import * as Local from "./local.ts"

const numbers = Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] })

/** The batch of 1000 ms takes so long, the others nothing. */
const firstTakes = (millis: number, out: Collected<number>) =>
  StreamingApp.make({
    name: "slow",
    batchDuration: "1 second",
    outputs: [
      numbers.pipe(
        DStream.mapEffect((batch) => Effect.as(Effect.sleep(batch === 0 ? millis : 0), batch)),
        DStream.collectTo(out)
      )
    ]
  })

const run = (settings: SettingsInput, millis: number, executors = 1) =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const missed: Array<readonly [number, number, number]> = []
    const observe = (event: StreamingEvent) => {
      if (event.kind === "TicksMissed") missed.push([event.first, event.last, event.count])
    }
    const context = yield* Local.start(firstTakes(millis, out), { settings, executors, observers: [observe] })
    yield* TestClock.adjust("8 seconds")
    yield* context.stop()
    return { times: timesOf(out), missed }
  })

it("with replay every tick becomes a batch, in order, once the slow one is done", () =>
  Effect.gen(function* () {
    const { times, missed } = yield* run({}, 4500)
    assert.deepEqual(times, [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000])
    assert.deepEqual(missed, [])
  }))

it("with coalesce the ticks that waited become one batch, and are told", () =>
  Effect.gen(function* () {
    const { times, missed } = yield* run({ missedTicks: "coalesce" }, 4500)
    assert.deepEqual(times, [1000, 2000, 5000, 6000, 7000, 8000])
    assert.deepEqual(missed, [[3000, 4000, 2]])
  }))

it("with skip the ticks that cannot run at once are passed over, and told", () =>
  Effect.gen(function* () {
    const { times, missed } = yield* run({ missedTicks: "skip" }, 4500)
    assert.deepEqual(times, [1000, 2000, 6000, 7000, 8000])
    assert.deepEqual(missed, [[3000, 3000, 1], [4000, 4000, 1], [5000, 5000, 1]])
  }))

for (const missedTicks of ["coalesce", "skip"] as const) {
  it(`with ${missedTicks} a window that slides by several batches has what every batch had, once`, () =>
    Effect.gen(function* () {
      const plain: Collected<number> = []
      const windows: Collected<number> = []
      const app = StreamingApp.make({
        name: "late",
        batchDuration: "1 second",
        outputs: [
          numbers.pipe(DStream.mapEffect((batch) => Effect.as(Effect.sleep(1900), batch)), DStream.collectTo(plain)),
          numbers.pipe(DStream.window("3 seconds", "3 seconds"), DStream.collectTo(windows))
        ]
      })
      const context = yield* Local.start(app, { settings: { missedTicks } })
      yield* TestClock.adjust("40 seconds")
      yield* context.stop()
      assert.ok(timesOf(plain).length < 30 && timesOf(windows).length > 10, JSON.stringify([plain, windows]))
      const last = timesOf(windows).at(-1)!
      assert.deepEqual(recordsOf(windows), recordsOf(plain.filter(({ time }) => time <= last)))
    }))
}

it("two concurrent jobs on two executors let later batches pass a slow one; on one executor they cannot", () =>
  Effect.gen(function* () {
    const two = yield* run({ concurrentJobs: 2 }, 4500, 2)
    assert.deepEqual(two.times, [2000, 3000, 4000, 5000, 1000, 6000, 7000, 8000])
    yield* TestClock.setTime(0)
    const one = yield* run({ concurrentJobs: 2 }, 4500, 1)
    assert.deepEqual(one.times.toSorted(), [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000])
    assert.equal(one.times[0], 1000)
  }))

it("a side value is asked once per batch, whoever uses it, and all see the same", () =>
  Effect.gen(function* () {
    let asked = 0
    const side = DStream.sideValue(Effect.sync(() => ++asked), Schema.Number)
    const times = (factor: number) =>
      DStream.transform((rdd: RDD.RDD<number>, { sideValues }) => rdd.pipe(RDD.map(() => sideValues.side * factor)), {
        sideValues: { side }
      })
    const out: Array<Collected<number>> = [[], []]
    const app = StreamingApp.make({
      name: "side",
      batchDuration: "1 second",
      outputs: [
        numbers.pipe(times(1), DStream.collectTo(out[0]!)),
        numbers.pipe(times(10), DStream.repartition(2), DStream.collectTo(out[1]!))
      ]
    })
    const context = yield* Local.start(app, { executors: 2, coded: true })
    yield* TestClock.adjust("3 seconds")
    yield* context.stop()
    assert.equal(asked, 3)
    assert.deepEqual(out.map(recordsOf), [[1, 2, 3], [10, 20, 30]])
  }))
