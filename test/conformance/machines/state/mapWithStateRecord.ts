/** mapWithStateRecord: one partition's step over one key, whose states before were set at the initial time. */
import { Effect } from "effect"
import { mapWithState } from "../../../../core/state/MapWithState.ts"
import type { MappingFunction } from "../../../../core/state/StateSpec.ts"
import { known } from "../../Vector.ts"
import type { Machine } from "../machine.ts"
import { entriesOf, partitionOf, step as stepStore } from "./entries.ts"

interface Notes {
  calls: number
  readonly timingOut: Array<unknown>
  readonly removed: Array<unknown>
}

type Command = (state: Parameters<MappingFunction<string, string, any, unknown>>[2], notes: Notes) => unknown

const commands: Readonly<Record<string, Command>> = {
  noop: () => undefined,
  "get-state": (state) => state.exists() ? state.get() : -1,
  "update-state": (state) => state.update(state.exists() ? state.get() + 1 : 0),
  "remove-state": (state, { removed }) => {
    removed.push(state.get())
    state.remove()
  }
}

const commanded = (notes: Notes): MappingFunction<string, any, any, unknown> => (_, value, state) => {
  if (typeof value === "object") return state.update(value.before)
  notes.calls++
  if (value !== undefined) return known("command", commands, value)(state, notes)
  notes.timingOut.push(state.get())
  return undefined
}

export const mapWithStateRecord: Machine = {
  takes: ["before", "data", "thresholdMs"],
  observes: ["states", "output", "timingOut", "removed", "functionCalled"],
  open: ({ initialTimeMs, batchTimeMs, key, sweepTimedOut = false }) =>
    Effect.succeed(({ before, data, thresholdMs }) =>
      Effect.sync(() => {
        const notes: Notes = { calls: 0, timingOut: [], removed: [] }
        const store = mapWithState({
          f: commanded(notes),
          initialState: [],
          timeoutMillis: thresholdMs === undefined ? undefined : batchTimeMs - thresholdMs,
          sweeps: (time) => sweepTimedOut && time === batchTimeMs
        }).make(partitionOf())
        stepStore(store, initialTimeMs, before.map((state: unknown) => [key, { before: state }]))
        stepStore(store, batchTimeMs, data.map((command: string) => [key, command]))
        return {
          states: entriesOf(store).map(([, state, time]) => [state, time]),
          output: Array.from(store.read(batchTimeMs, "emitted")).flat(),
          timingOut: notes.timingOut,
          removed: notes.removed,
          functionCalled: notes.calls > 0
        }
      })
    )
}
