/**
 * mapWithStateDataset: steps of all partitions of a state, each from the snapshot of an earlier result, which the step leaves as it
 * is.
 */
import { Effect } from "effect"
import { HashPartitioner } from "../../../../core/rdd/Partitioner.ts"
import { mapWithState } from "../../../../core/state/MapWithState.ts"
import type { MappingFunction } from "../../../../core/state/StateSpec.ts"
import type { StateStore } from "../../../../core/state/StateStore.ts"
import { type Json, known } from "../../Vector.ts"
import type { Machine } from "../machine.ts"
import { byKey, entriesOf, partitionOf, restored, step as stepStore } from "./entries.ts"

const commands: Readonly<Record<string, (state: Json) => void>> = {
  0: () => {},
  1: (state) => state.update(state.exists() ? state.get() + 1 : 0),
  2: (state) => state.remove()
}

export const mapWithStateDataset: Machine = {
  takes: ["name", "from", "data"],
  observes: ["states", "touched"],
  open: ({ initial, initialTimeMs, batchTimeMs, partitions }) =>
    Effect.sync(() => {
      const touched: Array<string> = []
      const f: MappingFunction<string, number, any, unknown> = (key, value, state) => {
        touched.push(key)
        known("command", commands, String(value))(state)
        return undefined
      }
      const partitioner = HashPartitioner(partitions)
      const owns = (partition: number) => (key: unknown) => partitioner.partition(key) === partition
      const definition = mapWithState({ f, initialState: initial, timeoutMillis: undefined, sweeps: () => false })
      const places = Array.from({ length: partitions }, (_, partition) => partitionOf(owns(partition), partition))
      const start = places.map((place) => definition.make(place))
      for (const store of start) stepStore(store, initialTimeMs, [])
      const results = new Map<string, ReadonlyArray<StateStore>>([["initial", start]])
      return ({ name, from, data }) =>
        Effect.sync(() => {
          touched.length = 0
          const stores = results.get(from)!.map((store, index) =>
            restored(definition, store, places[index]!, initialTimeMs)
          )
          stores.forEach((store, index) =>
            stepStore(store, batchTimeMs, data.filter(([key]: Json) => places[index]!.owns(key)))
          )
          if (name !== undefined) results.set(name, stores)
          return { states: stores.flatMap(entriesOf).sort(byKey), touched: touched.toSorted() }
        })
    })
}
