/**
 * Versions of a program's states: what was captured under an earlier one becomes what the program has now, key by key, or is refused.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Exit } from "effect"
import * as Effect from "effect/Effect"
import { messagePack as codec } from "../../adapters/codec/MessagePack.ts"
import { DStream, type State, StateSpec, StreamingApp } from "../../core/mod.ts"
import { isPermanent } from "../../core/protocol/permanent.ts"
import { mapWithState } from "../../core/state/MapWithState.ts"
import { StateRefused } from "../../core/state/snapshots/StateRefused.ts"
import type { Migration } from "../../core/state/snapshots/StateSchema.ts"
import type { StateStore } from "../../core/state/StateStore.ts"
import { updateState } from "../../core/state/UpdateState.ts"
import { definition as inverseWindow } from "../../core/state/windows/InverseWindowState.ts"
import { definition as plainWindow } from "../../core/state/windows/WindowState.ts"
import { graphOf, partition, readAll, source, stepTo } from "./stepping.ts"

/** A count, in a form of the version: a number, then `{ count }`, then `{ count, since }`. */
const counting = (version: number, migrations: Readonly<Record<number, Migration>> = {}) =>
  updateState({
    f: {
      kind: "key",
      update: (values, state: any) => {
        const count = (version === 1 ? state ?? 0 : state?.count ?? 0) + values.length
        return version === 1 ? count : version === 2 ? { count } : { count, since: state?.since ?? "now" }
      }
    },
    initialState: [],
    expireMillis: undefined,
    schema: { version, migrations }
  }).make(partition)

const all: Readonly<Record<number, Migration>> = {
  1: (count: number) => ({ count }),
  2: ({ count }: { readonly count: number }) => ({ count, since: "before" })
}

const sent = (store: StateStore, base?: number) =>
  Array.from(store.snapshot(base).pieces, (piece) => codec.decode(codec.encode(piece)))

const refusal = (restore: () => void): StateRefused => {
  try {
    restore()
  } catch (error) {
    assert.ok(error instanceof StateRefused, String(error))
    assert.ok(isPermanent(error))
    return error
  }
  throw new Error("it was restored")
}

test("a state of an earlier version takes one step after the other, and the program goes on with what it comes to", () => {
  const old = counting(1)
  stepTo(old, 10, [["a", 1], ["b", 1], ["b", 1]])
  stepTo(old, 20, [["a", 1]])
  const store = counting(3, all)
  store.restore(20, sent(old))
  assert.deepEqual(readAll(store, 20), [["a", { count: 2, since: "before" }], ["b", { count: 2, since: "before" }]])
  stepTo(store, 30, [["b", 1], ["c", 1]])
  assert.deepEqual(readAll(store, 30), [
    ["a", { count: 2, since: "before" }],
    ["b", { count: 3, since: "before" }],
    ["c", { count: 1, since: "now" }]
  ])
})

test("what was migrated is captured whole: nothing of this version builds on a snapshot of an earlier one", () => {
  const old = counting(1)
  stepTo(old, 10, Array.from({ length: 20 }, (_, i) => [`k${i}`, 1] as const))
  const [migrated, same] = [counting(2, all), counting(1)]
  for (const store of [migrated, same]) {
    store.restore(10, sent(old))
    stepTo(store, 20, [["k3", 1]])
  }
  assert.equal(same.snapshot(10).base, 10)
  assert.equal(migrated.snapshot(10).base, undefined)
})

test("a migration runs on the whole of a chain, once per key that has a state", () => {
  const old = counting(1)
  stepTo(old, 10, Array.from({ length: 20 }, (_, i) => [`k${i}`, 1] as const))
  const whole = sent(old)
  stepTo(old, 20, [["k3", 1], ["new", 1]])
  const seen: Array<number> = []
  const store = counting(2, { 1: (count: number) => (seen.push(count), { count }) })
  store.restore(20, [...whole, ...sent(old, 10)])
  assert.deepEqual(seen, Array.from({ length: 21 }, (_, i) => i === 3 ? 2 : 1))
})

test("a migration that gives undefined forgets the key", () => {
  const old = counting(1)
  stepTo(old, 10, [["a", 1], ["b", 1], ["b", 1], ["c", 1]])
  const store = counting(2, { 1: (count: number) => count > 1 ? undefined : { count } })
  store.restore(10, sent(old))
  assert.deepEqual(readAll(store, 10), [["a", { count: 1 }], ["c", { count: 1 }]])
})

test("the states of mapWithState are migrated, what it emitted is not", () => {
  const f = (key: string, value: number | undefined, state: State<any>) => {
    state.update(value)
    return `${key}=${value}`
  }
  const make = (version: number) =>
    mapWithState({
      f,
      initialState: [],
      timeoutMillis: undefined,
      sweeps: () => false,
      schema: { version, migrations: { 1: (n: number) => `was ${n}` } }
    }).make(partition)
  const old = make(1)
  stepTo(old, 10, [["a", 1]])
  const store = make(2)
  store.restore(10, sent(old))
  assert.deepEqual(readAll(store, 10), [["a", "was 1"]])
  assert.deepEqual(readAll(store, 10, "emitted"), ["a=1"])
})

test("a version that has no way to the program's is refused, with operator, version and remedy", () => {
  const stored = (version: number) => {
    const store = counting(version)
    stepTo(store, 10, [["a", 1]])
    return sent(store)
  }
  const missing = refusal(() => counting(3, { 2: all[2]! }).restore(10, stored(1)))
  assert.equal(missing.reason, "MissingMigration")
  assert.match(
    missing.message,
    /"o" has version 1, the program's is 3, .*no migration from version 1: add migrations: \{ 1:/
  )
  assert.match(refusal(() => counting(3).restore(10, stored(1))).message, /from version 1, 2: add migrations/)
  const newer = refusal(() => counting(1).restore(10, stored(3)))
  assert.equal(newer.reason, "NewerVersion")
  assert.match(newer.message, /"o" has version 3, .*up to version 1: start the program that wrote it/)
  const failing = refusal(() =>
    counting(2, {
      1: () => {
        throw new Error("no idea")
      }
    }).restore(10, stored(1))
  )
  assert.equal(failing.reason, "FailedMigration")
  assert.match(failing.message, /"o" cannot be migrated from version 1: .*key "a": Error: no idea; mend the migration/)
})

test("a state of another kind, window, or partitioner is refused", () => {
  const add = (a: any, b: any) => a + b
  const made = (store: StateStore) => {
    stepTo(store, 10, [["a", 1]])
    return sent(store)
  }
  const window = (millis: number) => plainWindow(add, millis).make(partition)
  const inverse = inverseWindow({ f: add, inverse: add, filter: undefined, windowMillis: 30 }).make(partition)
  assert.equal(refusal(() => counting(1).restore(10, made(window(30)))).reason, "OtherKind")
  assert.equal(refusal(() => window(30).restore(10, made(inverse))).reason, "OtherKind")
  const other = refusal(() => window(40).restore(10, made(window(30))))
  assert.match(other.message, /"o" is of a window of 30 ms, .*40 ms: keep the window/)
  const foreign = updateState({ f: { kind: "key", update: () => 1 }, initialState: [], expireMillis: undefined })
    .make({ ...partition, owns: (key) => key !== "a" })
  assert.match(refusal(() => foreign.restore(10, made(counting(1)))).message, /"o" has the key "a" in partition 0/)
})

const pairs = source<readonly [string, number]>([[["a", 1]]])
const spec = StateSpec.make((_key: string, _value: number | undefined, _state: State<number>) => 1)

test("versions stand in the graph's manifest", () => {
  const graph = graphOf(1000, [
    pairs.pipe(DStream.updateStateByKey((values, n: number | undefined) => (n ?? 0) + values.length, { version: 4 })),
    pairs.pipe(DStream.mapWithState(spec.pipe(StateSpec.version(2, { 1: (n: number) => n })))),
    pairs.pipe(DStream.mapWithState(spec)),
    pairs.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "3 seconds"))
  ])
  assert.deepEqual(graph.manifest.operators.flatMap(({ state }) => state ?? []), [
    { kind: "update", version: 4 },
    { kind: "mapWithState", version: 2 },
    { kind: "mapWithState", version: 1 },
    { kind: "window", version: 1 }
  ])
})

test("versions and migrations that cannot be are told when the app is checked", () => {
  const mistakes = (stream: DStream.AnyDStream): string => {
    const app = StreamingApp.make({ name: "a", batchDuration: "1 second", outputs: [stream.pipe(DStream.print())] })
    return String(Exit.getCause(Effect.runSyncExit(StreamingApp.validate(app))))
  }
  const update = (values: ReadonlyArray<number>, n: number | undefined) => (n ?? 0) + values.length
  const updating = (options: DStream.UpdateStateOptions<string, number>) =>
    pairs.pipe(DStream.updateStateByKey(update, options))
  assert.match(mistakes(updating({ version: 0 })), /0 is no version of its state; write a whole number from 1 on/)
  assert.match(mistakes(updating({ version: 2, migrations: { 2: (n) => n } })), /from version 2 leads nowhere/)
  assert.match(mistakes(updating({ version: 2, migrations: { 1: 5 as any } })), /from version 1 is 5, not a function/)
  assert.match(mistakes(pairs.pipe(DStream.mapWithState(spec.pipe(StateSpec.version(1.5))))), /1.5 is no version/)
})
