import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Result } from "effect"
import fc from "fast-check"
import type { BatchInfo } from "../../core/scheduling/BatchInfo.ts"
import { RateController, type RateControllerOptions } from "../../core/rates/RateController.ts"
import { byName, pid, pidDefaults, type PIDSettings, type RateEstimator } from "../../core/rates/RateEstimator.ts"

type Update = readonly [
  time: number,
  records: number,
  processing: number,
  scheduling: number,
  expected: number | undefined
]

const settings = (
  batchMillis: number,
  proportional: number,
  integral: number,
  derivative: number,
  minRate: number
) => ({
  batchMillis,
  proportional,
  integral,
  derivative,
  minRate
})

const rates = (config: PIDSettings, updates: ReadonlyArray<Update>) => {
  const estimator: RateEstimator = Result.getOrThrow(pid(config))
  let state = estimator.initial
  return updates.map(([time, records, processingDelay, schedulingDelay]) => {
    const [next, rate] = estimator.step(state, { time, records, processingDelay, schedulingDelay })
    state = next
    return rate
  })
}

const plain = settings(20, 1, 0, 0, 10)

/** Recorded from Spark Streaming 3.5. */
const vectors: ReadonlyArray<readonly [name: string, PIDSettings, ReadonlyArray<Update>]> = [
  ["the first measure gives no rate", plain, [[0, 10, 10, 0, undefined]]],
  ["the second gives the processing rate", plain, [[0, 10, 10, 0, undefined], [10, 10, 10, 0, 1000]]],
  ["one that is not later gives none", plain, [[0, 10, 10, 0, undefined], [10, 10, 10, 0, 1000], [
    10,
    10,
    10,
    0,
    undefined
  ]]],
  ["one without processing time gives none", plain, [
    [0, 10, 10, 0, undefined],
    [10, 10, 0, 0, undefined],
    [20, 10, -10, 0, undefined]
  ]],
  [
    "without delay the rate follows the processing rate",
    settings(20, 1, 1, 0, 10),
    Array.from({ length: 50 }, (_, n): Update => [n * 20, (n + 1) * 20, 20, 0, n === 0 ? undefined : (n + 1) * 1000])
  ],
  ["all three factors at work", settings(1000, 1, 0.2, 0.1, 100), [
    [1000, 5000, 800, 0, undefined],
    [2000, 6000, 1200, 0, 4875],
    [3000, 6000, 1100, 200, 5419.318181818181],
    [4000, 4000, 1000, 300, 3560.1136363636365],
    [5000, 3000, 600, 100, 5185.920454545454]
  ]],
  ["a late measure is ignored and does not move the reference", settings(100, 0.5, 0.1, 0.2, 1), [
    [100, 50, 50, 0, undefined],
    [300, 60, 80, 10, 617.5],
    [200, 1000, 10, 0, undefined],
    [400, 55, 70, 20, 1522.3214285714284]
  ]]
]

for (const [name, config, updates] of vectors) {
  test(`pid: ${name}`, () => {
    rates(config, updates).forEach((rate, index) => {
      const expected = updates[index]![4]
      if (rate === undefined || expected === undefined) return assert.equal(rate, expected)
      assert.ok(Math.abs(rate - expected) <= 1e-9 * expected, `${rate} is not ${expected}`)
    })
  })
}

test("with some delay and a small integral factor every rate stays below the processing rate", () => {
  const update = fc.tuple(fc.integer({ min: 1000, max: 1999 }), fc.integer({ min: 1, max: 19 }))
  fc.assert(fc.property(fc.array(update, { minLength: 50, maxLength: 50 }), (updates) => {
    const measured = updates.map(([records, delay], n): Update => [n * 20, records, 20, delay, undefined])
    const [first, ...later] = rates(settings(20, 1, 0.01, 0, 10), measured)
    assert.equal(first, undefined)
    later.forEach((rate, index) => assert.ok(rate! >= 10 && rate! < measured[index + 1]![1] / 20 * 1000))
  }))
})

test("settings that cannot work are refused, all at once", () => {
  const wrong = [
    settings(0, 1, 2, 3, 10),
    settings(100, -1, 2, 3, 10),
    settings(100, 0, -1, 3, 10),
    settings(100, 0, 0, -1, 10),
    settings(100, 0, 0, 0, 0),
    settings(100, 0, 0, 0, -10)
  ]
  for (const config of wrong) assert.ok(Result.isFailure(pid(config)), JSON.stringify(config))
  const all = pid(settings(Number.NaN, -1, -1, -1, 0))
  assert.ok(Result.isFailure(all))
  assert.equal(all.failure.message.split(";").length, 5)
})

test("only pid is built in; another name is refused with what to do", () => {
  const defaults = { batchMillis: 1000, ...pidDefaults }
  assert.equal(Result.getOrThrow(byName("pid", defaults)).name, "pid")
  const other = byName("other", defaults)
  assert.ok(Result.isFailure(other))
  assert.match(other.failure.message, /no rate estimator "other"/)
})

const batch = (processingEndTime: number, records: number): BatchInfo => ({
  time: processingEndTime,
  inputs: [{ stream: "a", records }, { stream: "queue", records }],
  records: 2 * records,
  submissionTime: processingEndTime - 10,
  processingStartTime: processingEndTime - 10,
  processingEndTime,
  outputs: [],
  schedulingDelay: 0,
  processingDelay: 10,
  totalDelay: 10
})

const controllerOf = (estimator: RateEstimator | undefined, streams: RateControllerOptions["streams"]) =>
  new RateController({ estimator, streams, initialRate: 500 })

test("the controller publishes whole rates of the streams that it controls, after batches that are complete", () => {
  const controller = controllerOf(Result.getOrThrow(pid(plain)), [{ stream: "a" }, { stream: "b" }])
  assert.deepEqual(updates(controller, batch(100, 10)), [])
  assert.deepEqual(updates(controller, { ...batch(150, 10), processingEndTime: undefined }), [])
  assert.deepEqual(updates(controller, batch(200, 12)), [{ stream: "a", rate: 1200 }])
  assert.deepEqual([controller.rate("a"), controller.rate("b"), controller.rate("c")], [1200, 500, undefined])
})

/** Always answers what it was made with. */
const always = (rate: number | undefined): RateEstimator<number> => ({
  name: "always",
  initial: 0,
  step: (state) => [state + 1, rate]
})

test("an estimator of one's own is asked after each batch", () => {
  assert.deepEqual(updates(controllerOf(always(100.7), [{ stream: "a" }]), batch(100, 10)), [{
    stream: "a",
    rate: 100
  }])
})

test("the rate in force is never above the maximum, at first the initial rate, without backpressure the maximum", () => {
  const slow = controllerOf(always(9000), [{ stream: "a", maxRate: 300 }])
  assert.equal(slow.rate("a"), 300)
  assert.deepEqual(updates(slow, batch(100, 10)), [{ stream: "a", rate: 300 }])
  assert.equal(controllerOf(always(9000), [{ stream: "a", maxRate: 3000 }]).rate("a"), 500)
  const free = controllerOf(undefined, [{ stream: "a", maxRate: 300 }, { stream: "b" }])
  assert.deepEqual(updates(free, batch(100, 10)), [])
  assert.deepEqual([free.rate("a"), free.rate("b")], [300, undefined])
})

test("an estimate that is not above zero is none; one below 1 is 1", () => {
  for (const [estimate, expected] of [[0, []], [-5, []], [undefined, []], [0.2, [{ stream: "a", rate: 1 }]]] as const) {
    assert.deepEqual(updates(controllerOf(always(estimate), [{ stream: "a" }]), batch(100, 10)), expected)
  }
})

test("an estimator that throws, or answers what is no rate, is told by its name and the input's", () => {
  const wrong: ReadonlyArray<readonly [step: unknown, message: RegExp]> = [
    [() => {
      throw new Error("no idea")
    }, /the rate estimator "odd" threw Error: no idea for input a; correct it/],
    [() => 100, /answered 100, not \[state, rate\]/],
    [() => [0, NaN], /answered NaN, which is no rate/],
    [() => [0, "100"], /answered "100", which is no rate/]
  ]
  for (const [step, message] of wrong) {
    const controller = controllerOf({ name: "odd", initial: 0, step } as RateEstimator, [{ stream: "a" }])
    const error = Result.getOrThrow(Result.flip(controller.batchCompleted(batch(100, 10))))
    assert.equal(error._tag, "RateEstimatorFailed")
    assert.match(error.message, message)
  }
})

function updates(controller: RateController, batch: BatchInfo) {
  return Result.getOrThrow(controller.batchCompleted(batch))
}
