/**
 * The reference model's windows and states against cases worked out by hand, also where a batch is missing.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import { DStream, type State, StateSpec } from "../../core/mod.ts"
import type { ModelWorld } from "./model.ts"
import { batchOf } from "./model.ts"

type Pair = readonly [string, number]

const pairs: DStream.DStream<Pair> = DStream.fromInput<Pair, never, never>("test", {
  kind: "direct",
  planner: Effect.die("the model plans nothing"),
  reader: Effect.die("the model reads nothing")
})

/** Batch i + 1; null: no data set. */
const batches: ReadonlyArray<ReadonlyArray<Pair> | null> = [
  [["a", 1], ["b", 2], ["a", 3]],
  [["b", 4]],
  null,
  [["a", 5]],
  [],
  [["b", 6], ["c", 7]]
]

const world = (times: ReadonlyArray<number>): ModelWorld => ({
  defaultParallelism: 1,
  batches: { batchMillis: 1, zeroTime: 0, times },
  input: (_, time) => {
    const records = batches[time - 1]
    return records ? [records.slice(0, 1), records.slice(1)] : undefined
  }
})

const all = [1, 2, 3, 4, 5, 6]
/** Without the tick 3. */
const gap = [1, 2, 4, 5, 6]

const records = (stream: DStream.AnyDStream, times = all) =>
  times.map((time) => batchOf(stream, time, world(times))?.flat())

const add = (a: number, b: number) => a + b
const minus = (a: number, b: number) => a - b
const sum = (values: ReadonlyArray<number>, state = 0) => values.reduce(add, state)

test("a window holds the batches of its time, that there are", () => {
  const letters = pairs.pipe(DStream.map(([key, n]) => `${key}${n}`), DStream.window(3, 2))
  assert.deepEqual(records(letters), [undefined, ["a1", "b2", "a3", "b4"], undefined, ["b4", "a5"], undefined, [
    "a5",
    "b6",
    "c7"
  ]])
  assert.deepEqual(batchOf(pairs.pipe(DStream.window(1)), 3, world(all)), [])
  assert.deepEqual(records(pairs.pipe(DStream.groupByKeyAndWindow(3, 3)), gap), [
    undefined,
    undefined,
    undefined,
    undefined,
    [["a", [5]], ["b", [6]], ["c", [7]]]
  ])
})

test("a reduction over a window; with an inverse a key stays with what is left of it, unless it is filtered out", () => {
  const reduced = (options = {}) => pairs.pipe(DStream.reduceByKeyAndWindow(add, 2, 1, options))
  assert.deepEqual(records(reduced()), [
    [["a", 4], ["b", 2]],
    [["a", 4], ["b", 6]],
    [["b", 4]],
    [["a", 5]],
    [["a", 5]],
    [["b", 6], ["c", 7]]
  ])
  assert.deepEqual(records(reduced({ inverse: minus })), [
    [["a", 4], ["b", 2]],
    [["a", 4], ["b", 6]],
    [["a", 0], ["b", 4]],
    [["a", 5], ["b", 0]],
    [["a", 5], ["b", 0]],
    [["a", 0], ["b", 6], ["c", 7]]
  ])
  const filter = ([, n]: readonly [string, number]) => n !== 0
  assert.deepEqual(records(reduced({ inverse: minus, filter })), records(reduced()))
  assert.deepEqual(records(reduced({ inverse: minus, filter }), gap), records(reduced(), gap))
  assert.deepEqual(records(pairs.pipe(DStream.countByWindow(2, 2))), [undefined, [4], undefined, [1], undefined, [2]])
})

test("updateStateByKey starts from the initial state, forgets what is undefined, and what got no value for too long", () => {
  const initialState: ReadonlyArray<Pair> = [["z", 1], ["z", 2]]
  assert.deepEqual(records(pairs.pipe(DStream.updateStateByKey(sum, { initialState }))).slice(0, 2), [
    [["z", 2], ["a", 4], ["b", 2]],
    [["z", 2], ["a", 4], ["b", 6]]
  ])
  assert.deepEqual(records(pairs.pipe(DStream.updateStateByKey(sum, { initialState, expireAfter: 2 })), gap), [
    [["z", 2], ["a", 4], ["b", 2]],
    [["z", 2], ["a", 4], ["b", 6]],
    // a is back as it is about to be dropped, z is dropped; b had its last value 2 before
    [["a", 9], ["b", 6]],
    [["a", 9]],
    [["a", 9], ["b", 6], ["c", 7]]
  ])
  const lasts = (values: ReadonlyArray<number>) => values.at(-1)
  assert.deepEqual(records(pairs.pipe(DStream.updateStateByKey(lasts))).slice(0, 3), [
    [["a", 3], ["b", 2]],
    [["b", 4]],
    []
  ])
})

test("updateStateByPartition forgets the keys that it does not return", () => {
  const big = pairs.pipe(
    DStream.updateStateByPartition((entries: Iterable<readonly [string, ReadonlyArray<number>, number | undefined]>) =>
      [...entries].map(([key, values, state]): Pair => [key, sum(values, state)]).filter(([, n]) => n > 2)
    )
  )
  assert.deepEqual(records(big).slice(0, 2), [[["a", 4]], [["a", 4], ["b", 4]]])
})

const mapped = (sweep: "batch" | "checkpoint") =>
  pairs.pipe(DStream.mapWithState(
    StateSpec.make((key: string, value: number | undefined, state: State<number>) => {
      if (state.isTimingOut()) return `${key} over at ${state.get()}`
      if (value === 6) return state.exists() ? void state.remove() : "new"
      state.update((state.getOrUndefined() ?? 0) + value!)
      return `${key} ${state.get()}`
    }).pipe(StateSpec.timeout(1, { sweep }))
  ))

test("mapWithState is called for each value, then for each key that is timing out; snapshots show the states", () => {
  assert.deepEqual(records(mapped("batch")), [
    ["a 1", "b 2", "a 4"],
    ["b 6"],
    ["a over at 4"],
    ["a 5", "b over at 6"],
    [],
    ["new", "c 7", "a over at 5"]
  ])
  assert.deepEqual(records(mapped("batch").pipe(DStream.stateSnapshots)).map((states) => states?.flat().length), [
    4,
    4,
    2,
    2,
    2,
    2
  ])
})

test("idle keys are looked for when a multiple of the checkpoint interval has been reached, on time or not", () => {
  const swept = mapped("checkpoint").pipe(DStream.checkpoint(3))
  assert.deepEqual(records(swept), [
    ["a 1", "b 2", "a 4"],
    ["b 6"],
    ["a over at 4"],
    ["a 5"],
    [],
    [undefined, "c 7", "a over at 5"].filter(Boolean)
  ])
  assert.deepEqual(records(swept, gap), [["a 1", "b 2", "a 4"], ["b 6"], ["a 9", "b over at 6"], [], [
    "new",
    "c 7",
    "a over at 9"
  ]])
})
