/**
 * The recorded behaviour of Spark's state suites (`test/conformance/vectors/state.json`), straight against stores, handle and operators,
 * without the engine. The empty map of its suite has no counterpart: a new table here stores at once.
 */
import * as assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { DStream, type State, StateSpec } from "../../core/mod.ts"
import { absent, KeyedState } from "../../core/state/KeyedState.ts"
import { mapWithState } from "../../core/state/MapWithState.ts"
import { StateHandle } from "../../core/state/State.ts"
import { entriesOf, graphOf, partition, readAll, run, source, stepTo } from "./stepping.ts"

const file = JSON.parse(readFileSync(new URL("../conformance/vectors/state.json", import.meta.url), "utf8"))
const vectors: ReadonlyArray<any> = file.vectors
const vector = (id: string) => vectors.find((each) => each.id === `state/${id}`)

const add = (values: ReadonlyArray<number>) => values.reduce((a, b) => a + b, 0)

const updates: Record<string, (values: ReadonlyArray<any>, state: any, of: { readonly time: number }) => any> = {
  addToCount: (values, state = 0) => state + add(values),
  addBatchTimeIfValues: (values, state = 0, { time }) => values.length > 0 ? state + time : state,
  countExpireAfterTwoIdle: (values, state = { counter: 0, idle: 0 }) => {
    const next = values.length > 0
      ? { counter: state.counter + add(values), idle: 0 }
      : { counter: state.counter, idle: state.idle + 1 }
    return next.idle === 2 ? undefined : next
  }
}

const sumWith = (value: number | undefined, state: State<number>) => {
  state.update((state.getOrUndefined() ?? 0) + value!)
  return state.get()
}

const mappings: Record<string, (key: any, value: number | undefined, state: State<number>) => unknown> = {
  runningSum: (_, value, state) => sumWith(value, state),
  runningSumEmitPair: (key, value, state) => [key, sumWith(value, state)],
  runningSumEmitDoubledKey: (key, value, state) => (sumWith(value, state), key + key),
  runningSumSilent: (_, value, state) => void sumWith(value, state),
  removeIfPresentElseSet: (key, value, state) => {
    if (state.exists()) return state.remove(), key
    state.update(value!)
    return undefined
  },
  emitOnTimeout: (key, value, state) => {
    if (state.isTimingOut()) return key
    state.update(1)
    return value === undefined ? key : undefined
  }
}

const sorted = (batches: ReadonlyArray<ReadonlyArray<unknown> | undefined>) =>
  batches.map((batch) => batch?.map((record) => JSON.stringify(record)).sort())

/** The streams of a vector: its output, and the snapshots where it has a state by mapWithState. */
const streamsOf = ({ checkpointMs, inputs: [input], ops }: any): ReadonlyArray<DStream.AnyDStream> => {
  let stream: any = source(input.batches, input.partitions)
  let snapshots: DStream.AnyDStream | undefined
  for (const op of ops) {
    if (op.op === "map") stream = stream.pipe(DStream.mapToPair((word) => [word, 1]))
    if (op.op === "mapValues") stream = stream.pipe(DStream.mapValues((state: any) => state.counter))
    if (op.op === "updateStateByKey") {
      const initialState = op.initial ?? []
      stream = stream.pipe(DStream.updateStateByKey(updates[op.update]!, { initialState }))
    }
    if (op.op !== "mapWithState") continue
    let spec: StateSpec.StateSpec<any, any, any, any> = StateSpec.make(mappings[op.mapping]!)
    if (op.initial !== undefined) spec = spec.pipe(StateSpec.initialState(op.initial))
    if (op.partitions !== undefined) spec = spec.pipe(StateSpec.numPartitions(op.partitions))
    if (op.timeoutMs !== undefined) spec = spec.pipe(StateSpec.timeout(op.timeoutMs))
    stream = stream.pipe(DStream.mapWithState(spec))
    if (checkpointMs !== undefined) stream = stream.pipe(DStream.checkpoint(checkpointMs))
    snapshots = DStream.stateSnapshots(stream)
    if (op.output === "snapshots") stream = snapshots
  }
  return snapshots === undefined ? [stream] : [stream, snapshots]
}

for (const each of vectors.filter(({ kind }) => kind === "operation")) {
  test(`${each.id}: ${each.what}`, () => {
    const [output, states] = run(streamsOf(each), { batches: each.batches, batchMillis: each.batchMs })
    assert.deepEqual(sorted(output!), sorted(each.expected))
    if (each.expectedState !== undefined) assert.deepEqual(sorted(states!), sorted(each.expectedState))
  })
}

test("state/mapwithstate-timeout: b and c time out once each, a never does, both by checkpoint and by batch", () => {
  const { inputs: [input] } = vector("mapwithstate-timeout")
  const words = source<string>(input.batches).pipe(DStream.mapToPair((word) => [word, 1]))
  for (const sweep of ["checkpoint", "batch"] as const) {
    const spec = StateSpec.make(mappings["emitOnTimeout"]!).pipe(StateSpec.timeout("3 seconds", { sweep }))
    const mapped = words.pipe(DStream.mapWithState(spec as StateSpec.StateSpec<string, number, number, string>))
    const [output, states] = run([mapped, mapped.pipe(DStream.stateSnapshots)], { batches: 20 })
    assert.deepEqual(output!.flat().sort(), ["b", "c"])
    assert.deepEqual(states![2]!.toSorted(), [["a", 1], ["b", 1], ["c", 1]])
    assert.deepEqual(states![19], [["a", 1]])
    const times = output!.flatMap((records, i) => records!.map((key) => [key, i + 1]))
    assert.deepEqual(times.sort(), sweep === "batch" ? [["b", 6], ["c", 5]] : [["b", 10], ["c", 10]])
  }
})

test("state/mapwithstate-checkpoint: ten batches unless told otherwise, for the state alone", () => {
  for (const id of ["mapwithstate-checkpoint-default", "mapwithstate-checkpoint-explicit"]) {
    for (const { args: [batchMs, explicitMs], expect } of vector(id).cases) {
      const pairs = source<[string, number]>([])
      const made = pairs.pipe(DStream.mapWithState(StateSpec.make(mappings["runningSum"]!)))
      const mapped = explicitMs === undefined ? made : made.pipe(DStream.checkpoint(explicitMs))
      const { nodes } = graphOf(batchMs, [mapped.pipe(DStream.map((sum) => sum)), mapped.pipe(DStream.stateSnapshots)])
      assert.deepEqual(
        nodes.map(({ checkpointMillis, stream }) => [stream.kind, checkpointMillis]).filter(([, millis]) => millis),
        [["mapWithState", expect.state]]
      )
    }
  }
})

test("windows/default-checkpoint-interval: the least multiple of the slide from ten seconds on, remembered twice", () => {
  for (const [slide, checkpointMs] of [[1000, 10_000], [3000, 12_000], [500, 10_000]] as const) {
    const state = source<[string, number]>([]).pipe(DStream.updateStateByKey(updates["addToCount"]!))
    const node = graphOf(slide, [state]).nodes.find(({ stream }) => stream.kind === "updateStateByKey")!
    assert.equal(node.checkpointMillis, checkpointMs)
    assert.equal(node.rememberMillis, 2 * checkpointMs)
  }
})

test("state/state-handle-lifecycle: the handle tells what happened to it since it was last wrapped", () => {
  const handle = new StateHandle<number>()
  for (const step of vector("state-handle-lifecycle").steps) {
    if (step.do === "wrap") handle.wrap(step.state !== null, step.state ?? undefined)
    if (step.do === "update") handle.update(step.state)
    assert.deepEqual({
      exists: handle.exists(),
      option: handle.getOrUndefined() ?? null,
      isUpdated: handle.isUpdated,
      isRemoved: handle.isRemoved,
      isTimingOut: handle.isTimingOut()
    }, step.expect)
    if (step.getFails) assert.throws(() => handle.get(), /not set/)
  }
})

for (const id of ["record-update-basics", "record-update-more", "record-update-timeout"]) {
  const { config, steps, what } = vector(id)
  test(`state/${id}: ${what}`, () => {
    for (const step of steps) {
      const seen = { timingOut: [] as Array<unknown>, removed: [] as Array<unknown>, calls: 0 }
      const { batchTimeMs, initialTimeMs } = config
      const store = mapWithState({
        f: (_key, command: string | undefined, state: State<number>) => {
          seen.calls++
          if (state.isTimingOut()) seen.timingOut.push(state.get())
          else if (command === "get-state") return state.getOrUndefined() ?? -1
          else if (command === "update-state") state.update(state.exists() ? state.get() + 1 : 0)
          else if (command === "remove-state") {
            seen.removed.push(state.get())
            state.remove()
          }
          return undefined
        },
        initialState: step.before.map((state: number) => [config.key, state]),
        timeoutMillis: step.thresholdMs === undefined ? undefined : batchTimeMs - step.thresholdMs,
        sweeps: () => config.sweepTimedOut === true
      }).make(partition)
      stepTo(store, initialTimeMs, [])
      stepTo(store, batchTimeMs, step.data.map((command: string) => [config.key, command]))
      assert.deepEqual(entriesOf(store.snapshot()).map(([, state, time]) => [state, time]), step.states)
      assert.deepEqual(readAll(store, batchTimeMs, "emitted"), step.output)
      assert.deepEqual(seen.timingOut, step.timingOut)
      assert.deepEqual(seen.removed, step.removed)
      if (step.functionCalled !== undefined) assert.equal(seen.calls > 0, step.functionCalled)
    }
  })
}

test("state/state-dataset-sequence: only keys in the data are touched, and what a step starts from never changes", () => {
  const { config, steps } = vector("state-dataset-sequence")
  let touched: Array<unknown> = []
  const definition = mapWithState({
    f: (key, command: number | undefined, state: State<number>) => {
      touched.push(key)
      if (command === 1) state.update(state.exists() ? state.get() + 1 : 0)
      if (command === 2) state.remove()
    },
    initialState: config.initial,
    timeoutMillis: undefined,
    sweeps: () => false
  })
  const initial = definition.make(partition)
  stepTo(initial, config.initialTimeMs, [])
  const named = new Map<string, Array<unknown>>([["initial", [...initial.snapshot().pieces]]])
  for (const step of steps) {
    const store = definition.make(partition)
    store.restore(config.initialTimeMs, named.get(step.from)!)
    const before = readAll(store, config.initialTimeMs)
    touched = []
    stepTo(store, config.batchTimeMs, step.data)
    assert.deepEqual(touched, step.touched)
    assert.deepEqual(entriesOf(store.snapshot()), step.states)
    assert.deepEqual(readAll(store, config.initialTimeMs), before)
    if (step.name !== undefined) named.set(step.name, [...store.snapshot().pieces])
  }
})

/** The map of Spark's suite: a table, a copy of which is the next version. */
const entries = (state: KeyedState) =>
  state.keys.flatMap((key, slot) => state.values[slot] === absent ? [] : [[key, state.values[slot], state.times[slot]]])

const before = (state: KeyedState, threshold: number) =>
  state.dueBefore(threshold).map((slot) => [state.keys[slot], state.values[slot], state.times[slot]])

const begin = (state: KeyedState) => void [...state.begin()]

const copy = (state: KeyedState, time: number) => {
  state.commit(time, undefined)
  begin(state)
}

for (const id of ["statemap-basics", "statemap-encode-decode"]) {
  const { steps, what } = vector(id)
  test(`state/${id}: ${what}`, () => {
    const state = new KeyedState(true)
    begin(state)
    let copies = 0
    for (const step of steps) {
      const slot = "key" in step ? state.slotOf(step.key) : -1
      if (step.do === "put") state.set(slot, step.state, step.timeMs)
      else if (step.do === "remove") state.remove(slot)
      else if (step.do === "copy") copy(state, ++copies)
      else if (step.do === "get") {
        assert.equal(state.values[slot], step.expect ?? absent)
      } else if (step.do === "getByTime") assert.deepEqual(before(state, step.thresholdMs), step.expect)
      else if (step.do === "getAll") assert.deepEqual(entries(state), step.expect)
      else if (step.do === "roundTrip") {
        const restored = new KeyedState(true)
        restored.restore(1, state.capture(), undefined)
        assert.deepEqual(entries(restored), entries(state))
        assert.deepEqual(before(restored, Infinity), before(state, Infinity))
        assert.deepEqual(entries(state).sort(), step.expect.toSorted())
      } else assert.equal(step.do, "shouldCompact")
    }
  })
}

test("state/statemap-all-operation-sequences: every sequence of puts and removes agrees with a plain map", () => {
  const { generator: { operations, setsOf } } = vector("statemap-all-operation-sequences")
  const state = new KeyedState(true)
  begin(state)
  const naive = new Map<number, readonly [number, number]>()
  let time = 0
  let version: [time: number, entries: Array<unknown>] | undefined
  for (let operation = 0; operation < operations; operation++) {
    for (let key = 0; key < 512; key++) {
      time++
      if ((key >> (operations - 1 - operation)) % 2 === 0) {
        state.set(state.slotOf(key), time * 10, time)
        naive.set(key, [time * 10, time])
      } else {
        state.remove(state.slotOf(key))
        naive.delete(key)
      }
    }
    const all = [...naive].map(([key, [value, at]]) => [key, value, at]).sort(([a], [b]) => a! - b!)
    assert.deepEqual(entries(state).sort(([a]: any, [b]: any) => a - b), all)
    for (let at = 0; at <= time + 1; at += 7) {
      assert.equal(state.dueBefore(at).length, all.filter(([, , updated]) => updated! < at).length)
    }
    if (version !== undefined) assert.deepEqual([...state.read(state.version(version[0])!)].flat(), version[1])
    if (operation % setsOf !== setsOf - 1) continue
    copy(state, time)
    version = [time, [...state.read(state.newest!)].flat()]
  }
})
