/**
 * The policy of dynamic allocation, beyond what the vectors say: averages, bounds, and who is removed; and its settings.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as fc from "fast-check"
import * as Memory from "../../adapters/memory/mod.ts"
import * as ExecutorAllocation from "../../core/allocation/ExecutorAllocation.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import * as BatchInfo from "../../core/scheduling/BatchInfo.ts"
import * as Settings from "../../core/settings/Settings.ts"
import { it } from "../kit.ts"

const batchOf = (millis: number | undefined, failureReason?: string): BatchInfo.BatchInfo => ({
  time: 0,
  inputs: [],
  records: 0,
  submissionTime: 0,
  processingStartTime: 0,
  processingEndTime: millis,
  outputs: [{ time: 0, job: "0", output: "out", startTime: 0, endTime: millis, failureReason }],
  ...BatchInfo.delays(0, 0, millis)
})

const policyOf = (given: Settings.SettingsInput = {}, receivers = 0, batchMillis = 1000) => {
  const settings = Settings.resolve([{ dynamicAllocation: true, ...given }], { batchMillis, executors: 1 })
  return ExecutorAllocation.make(settings, { batchMillis, receivers })!
}

const after = (
  policy: ExecutorAllocation.ExecutorAllocation,
  executors: number,
  ...batches: ReadonlyArray<BatchInfo.BatchInfo>
) => {
  for (const batch of batches) ExecutorAllocation.batchCompleted(policy, batch)
  return ExecutorAllocation.decide(policy, executors)
}

it("each decision is by the average of the batches since the last one; failed ones and none say nothing", () =>
  Effect.sync(() => {
    const policy = policyOf()
    assert.deepEqual(after(policy, 2), { kind: "keep" })
    assert.deepEqual(after(policy, 2, batchOf(100), batchOf(1700)), { kind: "request", total: 3 })
    assert.deepEqual(after(policy, 2), { kind: "keep" })
    assert.deepEqual(after(policy, 2, batchOf(100)), { kind: "remove" })
    assert.deepEqual(after(policy, 2, batchOf(100), batchOf(9000, "it failed")), { kind: "remove" })
    assert.deepEqual(after(policy, 2, batchOf(undefined)), { kind: "keep" })
    assert.deepEqual(after(policy, 2, batchOf(500)), { kind: "keep" })
    assert.deepEqual(after(policy, 1, batchOf(0)), { kind: "keep" })
  }))

it("whatever batches take, decisions follow the ratio and stay within the bounds", () =>
  Effect.sync(() => {
    fc.assert(fc.property(
      fc.array(fc.nat(5000), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 4 }),
      fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
      (millis, batchMillis, executors, receivers, minExecutors, maxExecutors) => {
        const policy = policyOf({ minExecutors, maxExecutors }, receivers, batchMillis)
        const least = minExecutors ?? Math.max(1, receivers)
        const most = Math.max(least, maxExecutors ?? 16)
        const decision = after(policy, executors, ...millis.map((one) => batchOf(one)))
        const ratio = Math.floor(millis.reduce((a, b) => a + b) / millis.length) / batchMillis
        if (ratio >= 0.9) {
          assert.equal(decision.kind, "request")
        } else if (executors < least) {
          assert.deepEqual(decision, { kind: "request", total: least })
        } else {
          assert.equal(decision.kind, ratio <= 0.3 && executors > least ? "remove" : "keep")
        }
        if (decision.kind !== "request") return
        assert.ok(decision.total >= least && decision.total <= most)
        if (decision.total < most) assert.ok(decision.total > executors)
      }
    ))
  }))

it("who can be spared is removed, first who holds the fewest states, and of these the last that came", () =>
  Effect.sync(() => {
    const candidate = fc.record({ needed: fc.boolean(), states: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 8 }), fc.integer({ min: 1, max: 4 }), (made, minExecutors) => {
        const executors = made.map((one, i) => ({ executor: `executor-${i}`, ...one }))
        const removed = ExecutorAllocation.removeOne({ minExecutors }, executors)
        const spare = executors.filter(({ needed }) => !needed)
        const fewest = Math.min(...spare.map(({ states }) => states))
        const expected = spare.filter(({ states }) => states === fewest).at(-1)?.executor
        assert.equal(removed, executors.length > minExecutors ? expected : undefined)
      })
    )
  }))

const mistakesOf = (settings: object, runSettings: object = {}) =>
  Effect.map(
    Effect.flip(StreamingApp.validate(
      StreamingApp.make({
        name: "scaled",
        batchDuration: 1000,
        outputs: [Memory.batches([[1]]).pipe(DStream.print())],
        settings
      }),
      runSettings
    )),
    ({ mistakes }) => mistakes.map(({ message, where }) => `${where}: ${message}`)
  )

it("settings of dynamic allocation that cannot be, or not together, are told before anything runs", () =>
  Effect.gen(function* () {
    assert.deepEqual(
      yield* mistakesOf({
        minExecutors: 0,
        maxExecutors: -1,
        scalingInterval: 0,
        scalingUpRatio: 0,
        scalingDownRatio: -0.1
      }),
      [
        "minExecutors: it has to be a whole number of at least 1, and is 0",
        "maxExecutors: it has to be a whole number of at least 1, and is -1",
        'scalingInterval: it has to be a duration above zero, such as "5 seconds", "200 ms" or 500 (milliseconds), ' +
        "and is 0",
        "scalingUpRatio: it has to be a number above 0, and is 0",
        "scalingDownRatio: it has to be a number above 0, and is -0.1"
      ]
    )
    const upDown = (up: number, down: number) =>
      `scalingUpRatio: executors would be added from ${up}, and removed down from ${down} (scalingDownRatio)`
    assert.deepEqual(yield* mistakesOf({ scalingUpRatio: 0.5, scalingDownRatio: 0.5 }), [upDown(0.5, 0.5)])
    assert.deepEqual(yield* mistakesOf({ scalingUpRatio: 0.3 }), [upDown(0.3, 0.3)])
    assert.deepEqual(yield* mistakesOf({ scalingDownRatio: 0.9 }), [upDown(0.9, 0.9)])
    // What a run is started with counts.
    assert.deepEqual(yield* mistakesOf({ scalingUpRatio: 0.5 }, { scalingDownRatio: 0.6 }), [upDown(0.5, 0.6)])
    assert.deepEqual(yield* mistakesOf({ minExecutors: 4 }, { maxExecutors: 3 }), [
      "maxExecutors: there would be at least 4 executors (minExecutors), and at most 3"
    ])
  }))
