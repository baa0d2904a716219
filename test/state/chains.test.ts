/**
 * Snapshots that build on one another: whatever is captured whole and whatever as a difference, a store that was restored from any chain
 * goes on as the one that ran on: the same records in the same order, the same slots and tombstones.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { messagePack as codec } from "../../adapters/codec/MessagePack.ts"
import { UserFunctionError } from "../../core/rdd/UserFunctionError.ts"
import { mapWithState } from "../../core/state/MapWithState.ts"
import type { State } from "../../core/state/State.ts"
import type { StateDefinition, StateSnapshot, StateStore, StepInput } from "../../core/state/StateStore.ts"
import { updateState } from "../../core/state/UpdateState.ts"
import { definition as inverseWindow } from "../../core/state/windows/InverseWindowState.ts"
import { definition as plainWindow } from "../../core/state/windows/WindowState.ts"
import { partition, readAll } from "./stepping.ts"

let callsLeft = Infinity
const add = (a: any, b: any) => {
  if (callsLeft-- <= 0) throw new Error("planted")
  return a + b
}

const sum = (values: ReadonlyArray<number>, state = 0): number | undefined => {
  const next = values.reduce(add, state)
  return next % 5 === 4 ? undefined : next
}

const running = (key: unknown, value: number | undefined, state: State<number>) => {
  if (value === undefined) return [key, "due", state.get()]
  if (value === 3 && state.exists()) state.remove()
  else if (value > 0) state.update(add(state.getOrUndefined() ?? 0, value))
  return value === 0 ? undefined : [key, state.getOrUndefined() ?? "none"]
}

const initialState = [["i", 5], ["j", 6]] as const
const window = 4

/** `slide`: each step has this many batches. */
const machines: Readonly<Record<string, StateDefinition>> = {
  updateStateByKey: updateState({ f: { kind: "key", update: sum }, initialState, expireMillis: undefined }),
  "updateStateByKey with keys that expire": updateState({
    f: { kind: "key", update: sum },
    initialState,
    expireMillis: 3
  }),
  mapWithState: mapWithState({ f: running, initialState, timeoutMillis: undefined, sweeps: () => false }),
  "mapWithState with a timeout": mapWithState({
    f: running,
    initialState,
    timeoutMillis: 3,
    sweeps: (time) => time % 2 === 0
  }),
  "a window": plainWindow(add, window),
  "a window with an inverse": inverseWindow({
    f: add,
    inverse: (a: any, b: any) => a - b,
    filter: undefined,
    windowMillis: window
  }),
  "a window with an inverse and a filter": inverseWindow({
    f: add,
    inverse: (a: any, b: any) => a - b,
    filter: ([, value]) => value !== 0,
    windowMillis: window
  })
}

const isWindow = (name: string) => name.includes("window")

/** Through bytes. */
const sent = (snapshot: StateSnapshot) => Array.from(snapshot.pieces, (piece) => codec.decode(codec.encode(piece)))

/** Steps that change the store, or are tried, fail, and are tried again. */
const take = (store: StateStore, time: number, inputs: ReadonlyArray<StepInput>, failAt: number | undefined): void => {
  if (failAt !== undefined) {
    callsLeft = failAt
    try {
      for (const _ of store.step(time, inputs));
      callsLeft = Infinity
      return
    } catch (error) {
      assert.ok(error instanceof UserFunctionError)
    }
    callsLeft = Infinity
  }
  for (const _ of store.step(time, inputs));
}

const key = fc.oneof(fc.constantFrom<unknown>("i", "j", [1, "x"], { a: 1 }), fc.integer({ min: 0, max: 30 }))
const pairs = fc.array(fc.tuple(key, fc.integer({ min: 0, max: 3 })), { maxLength: 12, size: "max" })
const event = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("step" as const),
      pairs,
      failAt: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined, freq: 4 })
    })
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("snapshot" as const), isWhole: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("restore" as const), goesOn: fc.boolean() }) }
)

/** One record per key, as a shuffle combines them before a window. */
const combined = (records: ReadonlyArray<readonly [unknown, number]>) => {
  const values = new Map<string, [unknown, number]>()
  for (const [key, value] of records) {
    const name = JSON.stringify(key)
    const known = values.get(name)
    if (known === undefined) values.set(name, [key, value])
    else known[1] += value
  }
  return [...values.values()]
}

for (const [name, definition] of Object.entries(machines)) {
  test(`${name}: a store that was restored from any chain is as the one that ran on`, () => {
    let differences = 0
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40, size: "max" }), (events) => {
        let store = definition.make(partition)
        const calm = definition.make(partition)
        let chain: Array<ReadonlyArray<unknown>> = []
        let captured: number | undefined
        let since: Array<readonly [time: number, inputs: ReadonlyArray<StepInput>]> = []
        let time = 0
        for (const event of events) {
          if (event.kind === "step") {
            time++
            const inputs = [{ time, records: isWindow(name) ? combined(event.pairs) : event.pairs }]
            take(store, time, inputs, event.failAt)
            take(calm, time, inputs, undefined)
            since.push([time, inputs])
          } else if (event.kind === "snapshot" && time > 0 && captured !== time) {
            const snapshot = store.snapshot(event.isWhole ? undefined : captured)
            assert.equal(snapshot.time, time)
            if (snapshot.base === undefined) chain = []
            else differences++
            assert.ok(snapshot.base === undefined || snapshot.base === captured)
            chain.push(sent(snapshot))
            captured = time
            since = []
          } else if (event.kind === "restore" && captured !== undefined) {
            const copy = definition.make(partition)
            copy.restore(captured, chain.flat())
            for (const [at, inputs] of since) take(copy, at, inputs, undefined)
            assert.deepEqual(readAll(copy, time), readAll(calm, time))
            assert.deepEqual(readAll(copy, time, "emitted"), readAll(calm, time, "emitted"))
            assert.deepEqual(sent(copy.snapshot()), sent(calm.snapshot()))
            if (event.goesOn) {
              store = definition.make(partition)
              store.restore(captured, chain.flat())
              for (const [at, inputs] of since) take(store, at, inputs, undefined)
            }
          }
          if (time > 0) {
            assert.deepEqual(readAll(store, time), readAll(calm, time))
            assert.equal(store.size, calm.size)
          }
        }
      }),
      { numRuns: 200 }
    )
    assert.ok(differences > 30, `only ${differences} snapshots built on another`)
  })

  test(`${name}: chains that miss a snapshot, have one twice, or in another order, are refused`, () => {
    const store = definition.make(partition)
    const chain: Array<ReadonlyArray<unknown>> = []
    const keys = Array.from({ length: 40 }, (_, i) => [`k${i}`, 1] as const)
    for (let time = 1; time <= 4; time++) {
      for (const _ of store.step(time, [{ time, records: time === 1 ? keys : keys.slice(time, time + 2) }]));
      const snapshot = store.snapshot(time === 1 ? undefined : time - 1)
      assert.equal(snapshot.base, time === 1 ? undefined : time - 1)
      chain.push(sent(snapshot))
    }
    const [a, b, c, d] = chain as [any, any, any, any]
    const refused = (...parts: ReadonlyArray<ReadonlyArray<unknown>>) =>
      assert.throws(() => definition.make(partition).restore(4, parts.flat()), { _tag: "InvalidSnapshot" })
    definition.make(partition).restore(4, chain.flat())
    refused(a, c, d)
    refused(b, c, d)
    refused(a, a)
    refused(a, b, b)
    refused(a, c, b, d)
    refused(a, b.slice(1))
    refused(a, b.slice(0, -1), c)
  })
}

test("a difference costs what changed, and stays as it was captured", () => {
  const definition = mapWithState({ f: running, initialState: [], timeoutMillis: undefined, sweeps: () => false })
  const store = definition.make(partition)
  const many = Array.from({ length: 30_000 }, (_, i) => [i, 1] as const)
  for (const _ of store.step(1, [{ time: 1, records: many }]));
  const whole = sent(store.snapshot())
  for (const _ of store.step(2, [{ time: 2, records: [[7, 1], [29_999, 2], ["new", 1]] }]));
  const { base, pieces } = store.snapshot(1)
  for (const _ of store.step(3, [{ time: 3, records: [[7, 1], [8, 1]] }]));
  const difference = [...pieces] as Array<any>
  assert.equal(base, 1)
  assert.deepEqual(difference[1], {
    slots: Int32Array.of(7, 29_999),
    values: [2, 3],
    times: Float64Array.of(2, 2),
    absent: []
  })
  assert.deepEqual(difference[2].keys, ["new"])
  const copy = definition.make(partition)
  copy.restore(2, [...whole, ...difference])
  assert.deepEqual(readAll(copy, 2).slice(-2), [[29_999, 3], ["new", 1]])
})

test("what has changed more than it has stayed, moved, or was captured of another version, is captured whole", () => {
  const definition = updateState({
    f: { kind: "key", update: (values, state = 0) => values[0] === 0 ? undefined : state + values.length },
    initialState: [],
    expireMillis: undefined
  })
  const store = definition.make(partition)
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
  const step = (time: number, ...records: ReadonlyArray<readonly [string, number]>) => {
    for (const _ of store.step(time, [{ time, records }]));
  }
  step(1, ...keys.map((key) => [key, 1] as const))
  assert.equal(store.snapshot(0).base, undefined, "nothing was captured before")
  step(2, ["k1", 1])
  assert.equal(store.snapshot(1).base, 1)
  step(3, ["k1", 1])
  assert.equal(store.snapshot(1).base, undefined, "version 2 was captured since")
  for (const [time, from] of [[4, 0], [5, 40]] as const) {
    step(time, ...keys.slice(from, from + 40).map((key) => [key, 0] as const))
    assert.equal(store.snapshot(time - 1).base, time - 1)
  }
  step(6, ["k99", 1])
  assert.equal(store.snapshot(5).base, undefined, "the table has moved")
  step(7, ...keys.slice(80, 95).map((key) => [key, 1] as const))
  assert.equal(store.snapshot(6).base, undefined, "more than half of it has changed")
})
