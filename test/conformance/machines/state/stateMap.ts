/**
 * stateMap: the table of states of one partition, as an operator's step changes it. A copy is what a snapshot restores.
 */
import { Effect } from "effect"
import type { KeyedState } from "../../../../core/state/KeyedState.ts"
import { definition } from "../../../../core/state/KeyedStateStore.ts"
import type { StateStore } from "../../../../core/state/StateStore.ts"
import { type Json, known, UnknownWord } from "../../Vector.ts"
import type { Machine, Observed } from "../machine.ts"
import { byKey, entriesOf, partitionOf, restored, step as stepStore } from "./entries.ts"

type Change = (state: KeyedState, slot: number) => void

/** A step does to each key what stands beside it; `looks` is where it looks at the table. */
const commanded = (looks: { at: (state: KeyedState) => void }) =>
  definition({
    kind: "update",
    initialState: [],
    ordered: true,
    change: () =>
      function* (state, { inputs }) {
        for (const { records } of inputs) {
          for (const [key, change] of records) (change as Change)(state, state.slotOf(key))
        }
        looks.at(state)
        return undefined
      }
  })

export const stateMap: Machine = {
  takes: ["do", "on", "as", "key", "state", "timeMs", "thresholdMs"],
  open: ({ kind }) =>
    Effect.sync(() => {
      if (kind !== undefined) throw new UnknownWord("kind of state map", kind)
      const looks = { at: (_: KeyedState) => {} }
      const table = commanded(looks)
      const maps = new Map<string, StateStore>()
      const mapOf = ({ on = "map" }: Json): StateStore => {
        if (!maps.has(on)) maps.set(on, table.make(partitionOf()))
        return maps.get(on)!
      }
      const next = (map: StateStore) => (map.version ?? 0) + 1
      const change = (map: StateStore, key: Json, f: Change) => stepStore(map, next(map), [[key, f]])
      const look = <A>(map: StateStore, read: (state: KeyedState) => A): A => {
        let seen: A | undefined
        looks.at = (state) => void (seen = read(state))
        stepStore(map, next(map), [])
        looks.at = () => {}
        return seen!
      }
      const entries = (map: StateStore) => entriesOf(map).toSorted(byKey)
      const olderThan = (map: StateStore, threshold: number) => {
        const keys = look(map, (state) => state.dueBefore(threshold).map((slot) => state.keys[slot]))
        return entries(map).filter(([key]) => keys.includes(key))
      }
      const copyOf = (map: StateStore) => restored(table, map, partitionOf(), map.version ?? 0)
      const steps: Readonly<Record<string, (step: Json, map: StateStore) => Observed | void>> = {
        put: ({ key, state, timeMs }, map) => change(map, key, (table, slot) => table.set(slot, state, timeMs)),
        remove: ({ key }, map) => change(map, key, (table, slot) => table.remove(slot)),
        get: ({ key }, map) => ({ expect: entries(map).find(([known]) => known === key)?.[1] ?? null }),
        getAll: (_, map) => ({ expect: entries(map) }),
        getByTime: ({ thresholdMs }, map) => ({ expect: olderThan(map, thresholdMs) }),
        copy: ({ as }, map) => void maps.set(as, copyOf(map)),
        shouldCompact: (_, map) => ({ expect: look(map, (state) => state.isSparse) }),
        roundTrip: (_, map) => ({ expect: olderThan(copyOf(map), Infinity) })
      }
      return (step) => Effect.sync(() => known("step", steps, step.do)(step, mapOf(step)))
    })
}
