/**
 * Types of states are inferred from the functions; what must not compile is held by `@ts-expect-error`.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { DStream, type State, StateSpec } from "../../core/mod.ts"
import { source } from "./stepping.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>) => {}

const lines = source<string>([])
const pairs = lines.pipe(DStream.mapToPair((line) => [line, line.length]))

test("updateStateByKey infers keys and values from the stream, and the state from the function", () => {
  const counts = pairs.pipe(
    DStream.updateStateByKey((values, count: number | undefined) => (count ?? 0) + values.length)
  )
  same<typeof counts, DStream.DStream<[string, number]>>(true)
  const texts = pairs.pipe(
    DStream.updateStateByKey((values, text: string | undefined, { key, time }) => `${text}${key}${time + values[0]!}`)
  )
  same<typeof texts, DStream.DStream<[string, string]>>(true)
  // @ts-expect-error: strings are no pairs
  lines.pipe(DStream.updateStateByKey((values, count: number | undefined) => (count ?? 0) + values.length))
  assert.equal(counts.kind, "updateStateByKey")
})

test("mapWithState knows its keys, states and records, through specs, names and intervals; snapshots are of it alone", () => {
  const spec = StateSpec.make((key: string, value: number | undefined, state: State<Array<number>>) => {
    if (value !== undefined) state.update([...state.getOrUndefined() ?? [], value])
    return value === undefined ? undefined : { key, value }
  }).pipe(StateSpec.timeout("3 seconds", { sweep: "batch" }), StateSpec.numPartitions(2))
  same<typeof spec, StateSpec.StateSpec<string, number, Array<number>, { key: string; value: number }>>(true)
  const mapped = pairs.pipe(DStream.mapWithState(spec), DStream.named("runs"), DStream.checkpoint("2 seconds"))
  same<typeof mapped, DStream.MapWithStateDStream<string, Array<number>, { key: string; value: number }>>(true)
  const values = mapped.pipe(DStream.map(({ value }) => value))
  same<typeof values, DStream.DStream<number>>(true)
  const snapshots = mapped.pipe(DStream.stateSnapshots)
  same<typeof snapshots, DStream.DStream<[string, Array<number>]>>(true)
  assert.deepEqual([mapped.name, mapped.checkpointMillis], ["runs", 2000])
  // @ts-expect-error: only mapWithState has snapshots
  pairs.pipe(DStream.stateSnapshots)
  // @ts-expect-error: the keys of the spec are strings
  lines.pipe(DStream.mapToPair((line) => [line.length, 1]), DStream.mapWithState(spec))
  // @ts-expect-error: the initial states are lists
  spec.pipe(StateSpec.initialState([["a", 1]]))
})
