/**
 * The stores of states by key against naive models that copy everything: whatever happens in between, order and values of every
 * held version are a function of the steps that were taken.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { messagePack as codec } from "../../adapters/codec/MessagePack.ts"
import { canonicalKey } from "../../core/rdd/KeyHash.ts"
import { UserFunctionError } from "../../core/rdd/UserFunctionError.ts"
import { mapWithState } from "../../core/state/MapWithState.ts"
import type { State } from "../../core/state/State.ts"
import type { StateDefinition } from "../../core/state/StateStore.ts"
import { updateState } from "../../core/state/UpdateState.ts"
import { partition, readAll, stepTo } from "./stepping.ts"

const slide = 10

interface Slot {
  readonly key: unknown
  state: number | undefined
  time: number
}

type Pairs = ReadonlyArray<readonly [key: unknown, value: number]>

/** A naive state: slots in the order in which keys came, tombstones dropped once they are more than half. */
class Model {
  slots: Array<Slot> = [["i", 5], ["j", 6]].map(([key, state]) => ({ key, state: state as number, time: slide }))
  emitted: Array<unknown> = []

  next(): Model {
    const next = new Model()
    const kept = this.slots.filter((slot) => slot.state !== undefined)
    next.slots = (kept.length * 2 < this.slots.length ? kept : this.slots).map((slot) => ({ ...slot }))
    return next
  }

  slotOf(key: unknown): Slot {
    const found = this.slots.find((slot) => canonicalKey(slot.key) === canonicalKey(key))
    if (found !== undefined) return found
    const slot: Slot = { key, state: undefined, time: 0 }
    this.slots.push(slot)
    return slot
  }

  get entries() {
    return this.slots.flatMap(({ key, state }) => state === undefined ? [] : [[key, state]])
  }
}

interface Machine {
  readonly definition: StateDefinition
  readonly step: (model: Model, time: number, pairs: Pairs) => void
}

/** Calls of the user's function that are left before it throws. */
let callsLeft = Infinity
const called = () => {
  if (callsLeft-- <= 0) throw new Error("planted")
}

const initialState = [["i", 5], ["j", 6]] as const

const sum = (values: ReadonlyArray<number>, state = 0): number | undefined => {
  called()
  const next = values.reduce((a, b) => a + b, state)
  return next % 4 === 3 ? undefined : next
}

const naiveUpdate = (expireMillis?: number) => (model: Model, time: number, pairs: Pairs) => {
  const groups = new Map<Slot, Array<number>>()
  for (const [key, value] of pairs) {
    const slot = model.slotOf(key)
    groups.set(slot, [...groups.get(slot) ?? [], value])
  }
  for (const slot of model.slots) {
    const values = groups.get(slot)
    if (values !== undefined) slot.time = time
    else if (slot.state !== undefined && expireMillis !== undefined && slot.time < time - expireMillis) {
      slot.state = undefined
    }
    if (values !== undefined || slot.state !== undefined) slot.state = sum(values ?? [], slot.state)
  }
  model.emitted = model.entries
}

const mapping = (key: unknown, value: number | undefined, state: State<number>) => {
  called()
  if (value === undefined) return ["due", key, state.get()]
  if (value === 0) return undefined
  if (value === 3 && state.exists()) state.remove()
  else if (value !== 2) state.update((state.getOrUndefined() ?? 0) + value)
  return [key, value, state.getOrUndefined() ?? "none"]
}

const naiveMap = (timeoutMillis?: number, every = 1) => (model: Model, time: number, pairs: Pairs) => {
  for (const [key, value] of pairs) {
    const slot = model.slotOf(key)
    let isUpdated = false
    const mapped = mapping(key, value, {
      exists: () => slot.state !== undefined,
      getOrUndefined: () => slot.state,
      update: (state: number) => (slot.state = state, isUpdated = true),
      remove: () => slot.state = undefined
    } as any)
    if (isUpdated || (slot.state !== undefined && timeoutMillis !== undefined)) slot.time = time
    if (mapped !== undefined) model.emitted.push(mapped)
  }
  if (timeoutMillis === undefined || time % (every * slide) !== 0) return
  for (const slot of model.slots) {
    if (slot.state === undefined || slot.time >= time - timeoutMillis) continue
    model.emitted.push(["due", slot.key, slot.state])
    slot.state = undefined
  }
}

const mapMachine = (timeoutMillis?: number, every = 1): Machine => ({
  definition: mapWithState({ f: mapping, initialState, timeoutMillis, sweeps: (time) => time % (every * slide) === 0 }),
  step: naiveMap(timeoutMillis, every)
})

const updateMachine = (expireMillis?: number): Machine => ({
  definition: updateState({ f: { kind: "key", update: sum }, initialState, expireMillis }),
  step: naiveUpdate(expireMillis)
})

const partitionMachine = (backwards: boolean): Machine => ({
  definition: updateState({
    f: {
      kind: "partition",
      update: function* (entries) {
        const list = backwards ? [...entries].reverse() : entries
        for (const [key, values, state] of list) {
          const next = sum(values, state)
          if (next !== undefined) yield [key, next] as const
        }
      }
    },
    initialState,
    expireMillis: undefined
  }),
  step: naiveUpdate()
})

const machines: Readonly<Record<string, Machine>> = {
  "updateStateByKey": updateMachine(),
  "updateStateByKey with keys that expire": updateMachine(2 * slide),
  "updateStateByPartition": partitionMachine(false),
  "updateStateByPartition, which returns keys in another order": partitionMachine(true),
  "mapWithState": mapMachine(),
  "mapWithState with a timeout": mapMachine(2 * slide),
  "mapWithState with a timeout that is looked at every third batch": mapMachine(slide, 3)
}

const key = fc.constantFrom<unknown>("i", "j", "a", "b", "c", 1, 2, [1, "x"], [1, "y"], { a: 1, b: [2] })
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("step" as const),
      pairs: fc.array(fc.tuple(key, fc.integer({ min: 0, max: 3 })), { maxLength: 8, size: "max" }),
      throwAt: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined, freq: 4 })
    })
  },
  fc.record({ kind: fc.constant("forget" as const), back: fc.integer({ min: 0, max: 4 }) }),
  fc.record({ kind: fc.constant("restore" as const) })
)

for (const [name, { definition, step }] of Object.entries(machines)) {
  test(`${name}: every held version reads as in a model that copies, after throws, forgetting and restoring`, () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30, size: "max" }), (events) => {
        let store = definition.make(partition)
        let held = new Map<number, Model>()
        let newest = new Model()
        let time = 0
        for (const event of events) {
          if (event.kind === "step") {
            const next = time === 0 ? new Model() : newest.next()
            callsLeft = event.throwAt ?? Infinity
            let failed = false
            try {
              stepTo(store, time + slide, event.pairs)
            } catch (error) {
              assert.ok(error instanceof UserFunctionError)
              failed = true
            }
            callsLeft = Infinity
            if (!failed) {
              step(next, time + slide, event.pairs)
              newest = next
              time += slide
              held.set(time, next)
            }
          } else if (event.kind === "forget") {
            const before = time - event.back * slide
            store.forgetBefore(before)
            held = new Map([...held].filter(([at]) => at >= before || at === time))
          } else if (time > 0) {
            const { pieces } = store.snapshot()
            const sent = [...pieces].map((piece) => codec.decode(codec.encode(piece)))
            store = definition.make(partition)
            store.restore(time, sent)
            held = new Map([[time, newest]])
          }
          assert.equal(store.version, time === 0 ? undefined : time)
          assert.equal(store.size, time === 0 ? 0 : newest.entries.length)
          for (let at = slide; at <= time; at += slide) {
            const model = held.get(at)
            assert.equal(store.holds(at), model !== undefined)
            if (model === undefined) {
              assert.throws(() => [...store.read(at, "all")], /does not hold version/)
              continue
            }
            assert.deepEqual(readAll(store, at), model.entries)
            assert.deepEqual(readAll(store, at, "emitted"), model.emitted)
          }
        }
      }),
      { numRuns: 100 }
    )
  })
}

const many = 30_000
const manyKeys = Array.from({ length: many }, (_, i) => [`k${i}`, 1] as const)
const adding = mapWithState({
  f: (_key, value: number | undefined, state: State<number>) => {
    if (value === 0) state.remove()
    else state.update((state.getOrUndefined() ?? 0) + (value ?? 0))
  },
  initialState: [],
  timeoutMillis: 1000,
  sweeps: () => true
})

test("a step that is closed between two slices leaves the version before, new keys and all", () => {
  const store = adding.make(partition)
  stepTo(store, 10, manyKeys.slice(0, 20_000))
  const before = [...store.snapshot().pieces]
  const step = store.step(20, [{ time: 20, records: manyKeys.toReversed() }])
  assert.equal(step.next().done, false)
  assert.equal(step.next().done, false)
  step.return()
  assert.deepEqual([...store.snapshot().pieces], before)
  assert.equal(store.version, 10)
  stepTo(store, 20, manyKeys)
  assert.deepEqual(readAll(store, 20).map(([key]) => key), manyKeys.map(([key]) => key))
})

test("a reader sees its version to the end while steps run, fail, make a new table, and its version is forgotten", () => {
  const store = adding.make(partition)
  stepTo(store, 10, manyKeys)
  const snapshot = store.snapshot()
  const captured = [...snapshot.pieces]
  const later = store.snapshot()
  const readers = Array.from({ length: 3 }, () => store.read(10, "all")[Symbol.iterator]())
  const seen: Array<Array<unknown>> = [[], [], []]
  const readOn = (reader: number) => seen[reader]!.push(...readers[reader]!.next().value ?? [])
  readOn(0)
  const failing = store.step(20, [{ time: 20, records: [...manyKeys.slice(9000, 20_000), [undefined, 1]] }])
  failing.next()
  readOn(0)
  readOn(1)
  assert.throws(() => [...failing], UserFunctionError)
  const removing = store.step(20, [{ time: 20, records: manyKeys.slice(0, 20_000).map(([key]) => [key, 0]) }])
  removing.next()
  readOn(1)
  for (const _ of removing);
  store.forgetBefore(20)
  stepTo(store, 30, manyKeys)
  store.forgetBefore(30)
  for (const reader of [0, 1, 2]) for (let i = 0; i < 4; i++) readOn(reader)
  for (const records of seen) assert.deepEqual(records, manyKeys)
  assert.deepEqual([...later.pieces], captured)
  assert.deepEqual(readAll(store, 30).slice(0, 2), [["k20000", 2], ["k20001", 2]])
})

test("a store refuses what is no snapshot of its kind", () => {
  const store = adding.make(partition)
  stepTo(store, 10, manyKeys)
  const pieces = [...store.snapshot().pieces] as Array<any>
  const update = updateState({ f: { kind: "key", update: sum }, initialState: [], expireMillis: undefined })
  assert.throws(
    () => update.make(partition).restore(10, pieces),
    /of kind mapWithState, and the program now has one of kind update/
  )
  const damaged: ReadonlyArray<readonly [Iterable<unknown>, RegExp]> = [
    [[], /header/],
    [pieces.slice(0, -1), /missing/],
    [pieces.toSpliced(1, 1), /missing/],
    [pieces.toSpliced(1, 1, 5), /damaged/],
    [[...pieces, pieces[1]], /header/],
    [pieces.toSpliced(1, 1, pieces[2]), /twice/],
    [pieces.toSpliced(1, 1, { ...pieces[1], times: [1] }), /length/]
  ]
  for (const [each, message] of damaged) assert.throws(() => adding.make(partition).restore(10, each), message)
})

test("a function over a partition may add keys of its partition, and fails with a key twice or of another partition", () => {
  const returning = (pairs: ReadonlyArray<readonly [unknown, number]>) =>
    updateState({ f: { kind: "partition", update: () => pairs }, initialState, expireMillis: undefined })
      .make({ ...partition, owns: (key) => key !== "stray" })
  const store = returning([["new", 1], ["j", 2]])
  stepTo(store, 10, [["x", 1]])
  assert.deepEqual(readAll(store, 10), [["j", 2], ["new", 1]])
  assert.throws(() => stepTo(returning([["j", 2], ["j", 3]]), 10, []), /returned a key twice/)
  assert.throws(() => stepTo(returning([["new", 2], ["new", 3]]), 10, []), /returned a key twice/)
  assert.throws(() => stepTo(returning([["stray", 2]]), 10, []), /belongs to another partition/)
})

test("a function over a partition that returns a key before its entry is still given the state before", () => {
  const seen: Array<unknown> = []
  const store = updateState({
    f: {
      kind: "partition",
      update: function* (entries) {
        yield ["j", 100]
        for (const [key, values, state] of entries) {
          seen.push([key, [...values], state])
          if (key !== "j") yield [key, state ?? 0]
        }
      }
    },
    initialState,
    expireMillis: undefined
  }).make(partition)
  stepTo(store, 10, [["x", 1], ["x", 2]])
  assert.deepEqual(seen, [["i", [], 5], ["j", [], 6], ["x", [1, 2], undefined]])
  assert.deepEqual(readAll(store, 10), [["i", 5], ["j", 100], ["x", 0]])
})
