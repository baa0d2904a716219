/**
 * The manager over an engine that is what the test says: who is to leave, and when it goes.
 */
import * as assert from "node:assert/strict"
import { Cause, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as ExecutorAllocation from "../../core/allocation/ExecutorAllocation.ts"
import { delays } from "../../core/scheduling/BatchInfo.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as Settings from "../../core/settings/Settings.ts"
import * as ExecutorAllocationManager from "../../runtime/driver/executors/ExecutorAllocationManager.ts"
import { it } from "../kit.ts"

const managed = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const there = new Set(names)
  const done: Array<string> = []
  const engine = {
    jobs: 0,
    inUse: new Set<string>(),
    onlyHolders: new Set<string>(),
    /** They hold blocks of which there are too few copies without them. */
    holders: new Set<string>(),
    tasks: new Map<string, number>(),
    states: new Map<string, number>()
  }
  const listeners = new Set<(event: StreamingEvent) => void>()
  const settings = Settings.resolve([{ dynamicAllocation: true }], { batchMillis: 1000, executors: 1 })
  const manager = yield* ExecutorAllocationManager.make({
    ...settings,
    policy: ExecutorAllocation.make(settings, { batchMillis: 1000, receivers: 0 })!,
    executors: {
      ready: () => [...there],
      request: (total) => void done.push(`request ${total}`),
      leave: (executor) => void done.push(executor === undefined ? "nobody leaves" : `${executor} leaves`),
      remove: (executor) => {
        there.delete(executor)
        done.push(`remove ${executor}`)
      }
    },
    tasks: {
      counts: () => ({ jobs: engine.jobs, stages: 0, executors: there.size }),
      loadOf: (executor) => ({ tasks: engine.tasks.get(executor) ?? 0, states: engine.states.get(executor) ?? 0 })
    },
    receivers: { executorsInUse: () => engine.inUse },
    locations: {
      onlyHolders: () => engine.onlyHolders,
      isSpare: (executor) => !engine.holders.has(executor)
    },
    bus: {
      addEngineListener: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      post: (event) => void done.push(event.kind)
    },
    fail: (cause) => {
      throw Cause.squash(cause)
    }
  })
  const batch = (millis: number) => {
    const times = { time: 0, submissionTime: 0, processingStartTime: 0, processingEndTime: millis }
    const info = { ...times, inputs: [], records: 0, outputs: [], ...delays(0, 0, millis) }
    for (const listener of listeners) listener({ kind: "BatchCompleted", batch: info })
  }
  manager.start()
  return { engine, manager, batch, there, done: () => done.splice(0) }
})

it("who is to leave goes when a batch is completed, no job runs, and enough has its blocks", () =>
  Effect.gen(function* () {
    const { batch, done, engine } = yield* managed(["a", "b", "c"])
    batch(0)
    yield* TestClock.adjust("1 minute")
    assert.deepEqual(done(), ["c leaves"])
    batch(0)
    batch(0)
    assert.deepEqual(done(), ["remove c"])
    yield* TestClock.adjust("1 minute")
    assert.deepEqual(done(), ["b leaves"])
    engine.jobs = 1
    batch(0)
    engine.jobs = 0
    engine.tasks.set("b", 1)
    batch(0)
    engine.tasks.clear()
    engine.holders.add("b")
    batch(0)
    // Decided again: it is still the same that is to leave.
    yield* TestClock.adjust("1 minute")
    assert.deepEqual(done(), [])
    engine.holders.clear()
    batch(0)
    assert.deepEqual(done(), ["remove b"])
    // The last one stays.
    yield* TestClock.adjust("2 minutes")
    batch(0)
    assert.deepEqual(done(), [])
  }))

it("who is to leave stays if the next decision is another, if a receiver starts there, or if too few are left", () =>
  Effect.gen(function* () {
    const { batch, done, engine, there } = yield* managed(["a", "b", "c"])
    engine.jobs = 1
    batch(0)
    yield* TestClock.adjust("1 minute")
    batch(1000)
    yield* TestClock.adjust("1 minute")
    assert.deepEqual(done(), ["c leaves", "nobody leaves", "request 4", "ExecutorsRequested"])
    engine.jobs = 0
    batch(0)
    yield* TestClock.adjust("1 minute")
    engine.inUse.add("c")
    batch(0)
    batch(0)
    assert.deepEqual(done(), ["c leaves", "nobody leaves"])
    engine.inUse.clear()
    yield* TestClock.adjust("1 minute")
    there.delete("a")
    there.delete("b")
    batch(0)
    assert.deepEqual(done(), ["c leaves", "nobody leaves"])
  }))

it("nobody leaves who runs a receiver, or has the only copy of a block; of the others, who has the fewest states", () =>
  Effect.gen(function* () {
    const { batch, done, engine, there } = yield* managed(["a", "b", "c", "d", "e"])
    engine.states = new Map([["a", 2], ["b", 1], ["c", 2]])
    engine.inUse.add("d")
    engine.onlyHolders.add("e")
    const next = Effect.gen(function* () {
      batch(0)
      yield* TestClock.adjust("1 minute")
      batch(0)
      return done()
    })
    assert.deepEqual(yield* next, ["b leaves", "remove b"])
    assert.deepEqual(yield* next, ["c leaves", "remove c"])
    assert.deepEqual(yield* next, ["a leaves", "remove a"])
    assert.deepEqual(yield* next, [])
    engine.onlyHolders.clear()
    assert.deepEqual(yield* next, ["e leaves", "remove e"])
    assert.deepEqual([...there], ["d"])
  }))

it("after the stop the number of executors does not change", () =>
  Effect.gen(function* () {
    const { batch, done, manager } = yield* managed(["a", "b"])
    batch(0)
    yield* TestClock.adjust("1 minute")
    yield* manager.stop
    assert.deepEqual(done(), ["b leaves"])
    batch(0)
    batch(5000)
    yield* TestClock.adjust("5 minutes")
    assert.deepEqual(done(), [])
  }))
