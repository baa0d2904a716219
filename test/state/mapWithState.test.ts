/**
 * What `mapWithState` visits, what its handle refuses, and what its operators and spec are made of.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect, Option } from "effect"
import { DStream, HashPartitioner, RDD, type State, StateSpec, StreamingApp } from "../../core/mod.ts"
import { UserFunctionError } from "../../core/rdd/UserFunctionError.ts"
import { KeyedState } from "../../core/state/KeyedState.ts"
import { changeOf, mapWithState } from "../../core/state/MapWithState.ts"
import { StateHandle } from "../../core/state/State.ts"
import { it } from "../kit.ts"
import { partition, readAll, run, source, stepTo } from "./stepping.ts"

/** The places of an array that are looked at. */
const watched = <A extends object>(array: A, seen: Set<string>): A =>
  new Proxy(array, {
    get: (target, name) => {
      if (typeof name === "string" && /^\d+$/.test(name)) seen.add(name)
      const value = (target as any)[name]
      return typeof value === "function" ? value.bind(target) : value
    }
  })

test("a step visits the keys with a value and those that are due, and no other, also when it looks for the idle", () => {
  const state = new KeyedState(true)
  const calls: Array<unknown> = []
  const change = changeOf({
    f: (key, value: number | undefined, state: State<number>) => {
      calls.push(key)
      if (value !== undefined) state.update(value)
    },
    initialState: [],
    timeoutMillis: 100,
    sweeps: () => true
  })
  const step = (time: number, keys: ReadonlyArray<number>) => {
    const seen = new Set<string>()
    const { times, values } = state
    for (const _ of state.begin());
    state.values = watched(values, seen)
    state.times = watched(times, seen)
    for (
      const _ of change(state, {
        time,
        inputs: [{ time, records: keys.map((key) => [key, 1]) }],
        records: [],
        index: undefined
      })
    );
    state.values = values
    state.times = times
    state.commit(time, [])
    return seen
  }
  const count = 5000
  for (const _ of state.begin());
  for (let key = 0; key < count; key++) state.set(state.slotOf(key), 0, key < 10 ? 0 : 50)
  state.commit(50, [])
  // the one updated longest ago is asked for its time
  assert.deepEqual(step(60, [7, 4000]), new Set(["7", "4000", "0"]))
  assert.deepEqual(calls, [7, 4000])
  calls.length = 0
  const seen = step(110, [3, 4999])
  const due = ["0", "1", "2", "4", "5", "6", "8", "9"]
  const next = [...seen].filter((slot) => ![...due, "3", "4999"].includes(slot))
  assert.equal(next.length, 1)
  assert.deepEqual(calls, [3, 4999, ...due.map(Number)])
  calls.length = 0
  assert.equal(step(120, []).size, 1)
  assert.deepEqual(calls, [])
})

test("the handle refuses to read what is not set, and to change what is removed or timing out", () => {
  const handle = new StateHandle<number>()
  handle.wrap(false, undefined)
  assert.equal(handle.getOrUndefined(), undefined)
  assert.deepEqual(handle.getOption(), Option.none())
  assert.equal(String(handle), "<state not set>")
  assert.throws(() => handle.get(), { _tag: "InvalidStateUse", message: /not set, so it cannot be read/ })
  handle.update(1)
  assert.deepEqual([handle.get(), handle.exists(), handle.getOption()], [1, true, Option.some(1)])
  handle.remove()
  assert.throws(() => handle.get(), /not set/)
  assert.throws(() => handle.update(2), { _tag: "InvalidStateUse", message: /removed, so it cannot be updated/ })
  assert.throws(() => handle.remove(), /removed, so it cannot be removed/)
  handle.wrap(true, 5, true)
  assert.deepEqual([handle.isTimingOut(), handle.get()], [true, 5])
  assert.throws(() => handle.update(2), /timing out, so it cannot be updated/)
  assert.throws(() => handle.remove(), /timing out, so it cannot be removed/)
})

test("what the function throws names the operator and the record, and takes the whole step back", () => {
  const definition = mapWithState({
    f: (_key, value: string | undefined, state: State<string>) => {
      if (value === "bad") state.get()
      state.update(value!)
      return value
    },
    initialState: [["i", "0"]],
    timeoutMillis: undefined,
    sweeps: () => false
  })
  const store = definition.make(partition)
  stepTo(store, 10, [["i", "1"]])
  assert.throws(() => stepTo(store, 20, [["i", "2"], ["new", "3"], ["j", "bad"]]), (error) => {
    assert.ok(error instanceof UserFunctionError)
    assert.match(
      error.message,
      /^Operator "o" failed on record 2 of a partition: InvalidStateUse: The state of this key is not/
    )
    return true
  })
  assert.throws(() => stepTo(store, 20, [[undefined, "2"]]), /UnhashableKey/)
  assert.throws(() => stepTo(store, 10, []), /cannot step to 10 ms/)
  assert.deepEqual(readAll(store, 10), [["i", "1"]])
  assert.equal(store.version, 10)
})

const counting = (_key: string, value: number | undefined, state: State<number>) => {
  state.update((state.getOrUndefined() ?? 0) + (value ?? 0))
  return state.get()
}

test("the initial state is split by key, its last pair counts, and a spec's partitioner spreads it", () => {
  const byFirst = { name: "first letter", numPartitions: 3, partition: (key: any) => key.charCodeAt(0) % 3 }
  const initial = [["a", 1], ["b", 2], ["a", 10]] as const
  for (const spread of [StateSpec.numPartitions(5), StateSpec.partitioner(byFirst)]) {
    const spec = StateSpec.make(counting).pipe(StateSpec.initialState<string, number>(initial), spread)
    const mapped = source<[string, number]>([[["a", 1], ["c", 3]], null]).pipe(DStream.mapWithState(spec))
    const [emitted, states] = run([mapped, mapped.pipe(DStream.stateSnapshots)], { batches: 2 })
    assert.deepEqual(emitted!.map((batch) => batch!.toSorted()), [[11, 3], []])
    for (const each of states!) assert.deepEqual(each!.toSorted(), [["a", 11], ["b", 2], ["c", 3]])
  }
})

test("a key that got no value for longer than expireAfter is dropped before the function is called", () => {
  const calls: Array<unknown> = []
  const state = source<[string, number]>([[["a", 1], ["b", 1]], [["a", 1]], [], [["b", 5]]]).pipe(
    DStream.updateStateByKey(
      (values: ReadonlyArray<number>, state: number | undefined, { key, time }) => {
        calls.push([time, key])
        return values.reduce((a, b) => a + b, state ?? 0)
      },
      { expireAfter: "1 second", initialState: [["i", 0]], numPartitions: 1 }
    )
  )
  const [output] = run([state], { batches: 5 })
  assert.deepEqual(output, [
    [["i", 0], ["a", 1], ["b", 1]],
    [["i", 0], ["a", 2], ["b", 1]],
    [["a", 2]],
    [["b", 5]],
    [["b", 5]]
  ])
  assert.deepEqual(calls.filter(([time]: any) => time === 3000), [[3000, "a"]])
})

test("updateStateByPartition gets all keys of a partition, with batch time and partition", () => {
  const seen: Array<unknown> = []
  const state = source<[number, number]>([[[0, 1], [1, 1], [2, 1]], [[0, 5]]]).pipe(
    DStream.updateStateByPartition(
      function* (entries: Iterable<readonly [number, ReadonlyArray<number>, number | undefined]>, of) {
        for (const [key, values, state] of entries) {
          seen.push([of.time, of.partition, key])
          if (values.length > 0) yield [key, (state ?? 0) + values.length] as const
        }
      },
      { partitioner: { name: "even", numPartitions: 2, partition: (key: any) => key % 2 } }
    )
  )
  const [output] = run([state], { batches: 3 })
  assert.deepEqual(output, [[[0, 1], [2, 1], [1, 1]], [[0, 2]], []])
  assert.deepEqual(seen, [[1000, 0, 0], [1000, 0, 2], [1000, 1, 1], [2000, 0, 0], [2000, 0, 2], [2000, 1, 1], [
    3000,
    0,
    0
  ]])
})

test("pairs that are spread as the state is are not moved again, and the states are known to be spread so", () => {
  const pairs = source<[string, number]>([[["a", 1]]]).pipe(DStream.reduceByKey((a, b) => a + b, { numPartitions: 3 }))
  const inputKind = (options: object) => {
    const stream = pairs.pipe(DStream.updateStateByKey((values: ReadonlyArray<number>) => values[0], options))
    const view = stream.compute({
      time: 1000,
      zeroTime: 0,
      batchMillis: 1000,
      slideMillis: 1000,
      parentSlide: () => 1000,
      checkpointMillis: 10_000,
      previousTime: 0,
      previousState: undefined,
      defaultParallelism: 2,
      input: undefined,
      sideValue: () => undefined,
      parent: () => RDD.of([["a", 1] as const]).pipe(RDD.partitionBy(HashPartitioner(3)), RDD.mapValues((n) => n))
    })!
    const { lineage } = view
    assert.ok(lineage.kind === "stateView" && lineage.parent.lineage.kind === "state")
    assert.equal(view.partitioner, lineage.parent.partitioner)
    return lineage.parent.lineage.inputs.map((input) => input.lineage.kind)
  }
  assert.deepEqual(inputKind({ numPartitions: 3 }), ["narrow"])
  assert.deepEqual(inputKind({}), ["shuffled"])
})

const told = (stream: DStream.AnyDStream) =>
  Effect.map(
    Effect.flip(StreamingApp.validate(StreamingApp.make({
      name: "mistakes",
      batchDuration: "1 second",
      outputs: [stream.pipe(DStream.named("it"), DStream.print())]
    }))),
    ({ mistakes }) => mistakes.map(({ message, remedy, where }) => `${where}: ${message}; ${remedy}`)
  )

it("intervals, durations and streams that cannot be are told, each with its remedy", () =>
  Effect.gen(function* () {
    const pairs = source<[string, number]>([])
    const sums = pairs.pipe(DStream.updateStateByKey((values: ReadonlyArray<number>) => values[0]))
    const loose: any = DStream
    const of = (f: any) => StateSpec.make<string, number, number, number>(f)
    const cases: ReadonlyArray<readonly [DStream.AnyDStream, RegExp]> = [
      [
        pairs.pipe(DStream.checkpoint("10 seconds")),
        /^it: checkpoint was given to source, which keeps no state; give it to/
      ],
      [
        sums.pipe(DStream.checkpoint(1500)),
        /interval of 1500 ms is no multiple of its slide of 1000 ms; write a multiple of/
      ],
      [sums.pipe(DStream.checkpoint(0)), /interval of 0 ms is no multiple/],
      [
        sums.pipe(DStream.checkpoint("soon" as any)),
        /what checkpoint was given is no duration; write one such as "5 seconds"/
      ],
      [
        pairs.pipe(DStream.mapWithState(of(counting).pipe(StateSpec.timeout(-5)))),
        /its timeout of -?[05] ms is not possible/
      ],
      [
        pairs.pipe(DStream.mapWithState(of(counting).pipe(StateSpec.timeout("long" as any)))),
        /its timeout is no duration/
      ],
      [
        pairs.pipe(DStream.mapWithState(of(counting).pipe(StateSpec.numPartitions(0)))),
        /0 partitions are not possible/
      ],
      [pairs.pipe(DStream.mapWithState(of(5))), /given as f is 5, not a function/],
      [pairs.pipe(loose.mapWithState()), /given as f is undefined, not a function/],
      [
        pairs.pipe(DStream.updateStateByKey(counting as any, { expireAfter: 0 })),
        /its expireAfter of 0 ms is not possible/
      ],
      [loose.stateSnapshots(pairs), /stateSnapshots was given a stream that mapWithState did not make; give it what/]
    ]
    for (const [stream, message] of cases) assert.match((yield* told(stream)).join("\n"), message)
  }))
