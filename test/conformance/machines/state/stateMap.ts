/**
 * stateMap: the table of states of one partition, as an operator's step changes it. A copy is the next version: earlier ones stay
 * readable.
 */
import { Effect } from "effect"
import type { KeyedState } from "../../../../core/state/KeyedState.ts"
import { definition } from "../../../../core/state/KeyedStateStore.ts"
import type { StateStore } from "../../../../core/state/StateStore.ts"
import { type Json, known, UnknownWord } from "../../Vector.ts"
import type { Apply, Machine } from "../machine.ts"
import { entriesOf, partitionOf, restored, step as stepStore } from "./entries.ts"

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
      const store = table.make(partitionOf())
      let version = 0
      const change = (key: Json, f: Change) => stepStore(store, ++version, [[key, f]])
      const look = <A>(of: StateStore, read: (state: KeyedState) => A): A => {
        let seen: A | undefined
        looks.at = (state) => void (seen = read(state))
        stepStore(of, of === store ? ++version : (of.version ?? 0) + 1, [])
        looks.at = () => {}
        return seen!
      }
      const entries = (of: StateStore) => entriesOf(of).toSorted((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)
      const olderThan = (of: StateStore, threshold: number) => {
        const keys = look(of, (state) => state.dueBefore(threshold).map((slot) => state.keys[slot]))
        return entries(of).filter(([key]) => keys.includes(key))
      }
      const steps: Readonly<Record<string, Apply>> = {
        put: ({ key, state, timeMs }) =>
          Effect.sync(() => change(key, (table, slot) => table.set(slot, state, timeMs))),
        remove: ({ key }) => Effect.sync(() => change(key, (table, slot) => table.remove(slot))),
        get: ({ key }) => Effect.sync(() => ({ expect: entries(store).find(([known]) => known === key)?.[1] ?? null })),
        getAll: () => Effect.sync(() => ({ expect: entries(store) })),
        getByTime: ({ thresholdMs }) => Effect.sync(() => ({ expect: olderThan(store, thresholdMs) })),
        copy: () => Effect.sync(() => stepStore(store, ++version, [])),
        shouldCompact: () => Effect.sync(() => ({ expect: look(store, (state) => state.isSparse) })),
        roundTrip: () =>
          Effect.sync(() => {
            const copy = restored(table, store, partitionOf(), version)
            return { expect: olderThan(copy, Infinity) }
          })
      }
      return (step) => known("step", steps, step.do)(step)
    })
}
