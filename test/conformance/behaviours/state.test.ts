/**
 * Behaviours that vectors of the area state tell in words.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { HashPartitioner } from "../../../core/rdd/Partitioner.ts"
import { mapWithState } from "../../../core/state/MapWithState.ts"
import type { State } from "../../../core/state/State.ts"
import type { StateStore } from "../../../core/state/StateStore.ts"
import { byKey, entriesOf, partitionOf, restored, step } from "../machines/state/entries.ts"

const partitions = 10
const partitioner = HashPartitioner(partitions)

const definition = mapWithState({
  f: (_: string, value: number | undefined, state: State<number>) =>
    state.update((state.getOrUndefined() ?? 0) + value!),
  initialState: [],
  timeoutMillis: undefined,
  sweeps: () => false
})

const places = Array.from(
  { length: partitions },
  (_, partition) => partitionOf((key) => partitioner.partition(key) === partition, partition)
)

const stepAll = (stores: ReadonlyArray<StateStore>, time: number, pairs: ReadonlyArray<readonly [string, number]>) =>
  stores.forEach((store, index) => step(store, time, pairs.filter(([key]) => places[index]!.owns(key))))

const contentOf = (stores: ReadonlyArray<StateStore>) => stores.map((store) => entriesOf(store).toSorted(byKey))

test("a state that a snapshot gives back has the content and partitions of the captured one, and needs nothing of its history", () => {
  const empty = places.map((place) => definition.make(place))
  stepAll(empty, 1000, [])
  const full = places.map((place) => definition.make(place))
  for (let batch = 1; batch <= 50; batch++) {
    stepAll(full, batch * 1000, Array.from({ length: 40 }, (_, i) => [`key ${(i * batch) % 60}`, 1]))
  }
  for (const stores of [empty, full]) {
    const before = contentOf(stores)
    const time = stores[0]!.version!
    const copies = stores.map((store, index) => restored(definition, store, places[index]!, time))
    assert.deepEqual(contentOf(copies), before)
    assert.deepEqual(copies.map(({ version }) => version), stores.map(() => time))
    assert.deepEqual(copies.map((copy) => copy.holds(time - 1000)), copies.map(() => false))
    for (const all of [stores, copies]) stepAll(all, time + 1000, [["key 1", 1], ["key new", 1]])
    assert.deepEqual(contentOf(copies), contentOf(stores))
  }
  assert.deepEqual(contentOf(empty).flat().sort(byKey), [["key 1", 1, 2000], ["key new", 1, 2000]])
})
