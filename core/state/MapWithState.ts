/**
 * MapWithState: the state of `mapWithState`. A step calls the function for every value, then for every key that is timing out, and
 * visits no other key: keys stand in the order of their last update, so those that are due come first.
 *
 * - Without a timeout a key's time is that of its last update; with one, any value renews it.
 * - A key times out where its time lies strictly before the batch's less the timeout, at the times that `sweeps` says; values of
 *   the same batch come first, and save it. Keys time out in the order of their slots.
 *
 * Source: Spark's `MapWithStateRDDRecord.updateRecordWithData`.
 */
import { refuseDeferred } from "../rdd/fusion/FunctionMistake.ts"
import type { Millis, Time } from "../time/Time.ts"
import { absent, sliceSlots } from "./KeyedState.ts"
import { definition, type KeyedChange } from "./KeyedStateStore.ts"
import { StateHandle } from "./State.ts"
import type { StateSchema } from "./snapshots/StateSchema.ts"
import type { MappingFunction } from "./StateSpec.ts"
import type { StateDefinition } from "./StateStore.ts"

export interface MapWithStateOptions {
  readonly f: MappingFunction<any, any, any, unknown>
  readonly initialState: ReadonlyArray<readonly [key: unknown, state: unknown]>
  readonly timeoutMillis: Millis | undefined
  readonly schema?: StateSchema | undefined
  /** Whether keys that are timing out are looked for at a batch; `before`: the one before it, if there was one. */
  readonly sweeps: (time: Time, before: Time | undefined) => boolean
}

/** Every version shows the mapped records of its batch as emitted, and `[key, state]` of every key as all. */
export const mapWithState = (options: MapWithStateOptions): StateDefinition =>
  definition({
    kind: "mapWithState",
    schema: options.schema,
    initialState: options.initialState,
    ordered: options.timeoutMillis !== undefined,
    change: () => changeOf(options)
  })

/** One step over the table. */
export const changeOf = ({ f, sweeps, timeoutMillis }: MapWithStateOptions): KeyedChange =>
  function* (state, step) {
    const { time } = step
    const before = state.newest?.time
    const handle = new StateHandle<unknown>()
    const batch = Object.freeze({ time })
    const emitted: Array<unknown> = []
    const isRenewing = timeoutMillis !== undefined
    for (const { records } of step.inputs) {
      step.records = records
      for (let i = 0; i < records.length; i++) {
        step.index = i
        const [key, value] = records[i]!
        const slot = state.slotOf(key)
        const stored = state.values[slot]
        if (stored === absent) handle.wrap(false, undefined)
        else handle.wrap(true, stored)
        const mapped = f(key, value, handle, batch)
        if (handle.isRemoved) state.remove(slot)
        else if (handle.isUpdated) state.set(slot, handle.get(), time)
        else if (isRenewing) state.touch(slot, time)
        if (mapped !== undefined) emitted.push(mapped)
        if (i % sliceSlots === sliceSlots - 1) yield
      }
    }
    step.index = undefined
    refuseDeferred("mapWithState's function", emitted[0], " before or after it")
    if (timeoutMillis === undefined || !sweeps(time, before)) return emitted
    const due = state.dueBefore(time - timeoutMillis)
    for (let i = 0; i < due.length; i++) {
      const slot = due[i]!
      handle.wrap(true, state.values[slot], true)
      const mapped = f(state.keys[slot], undefined, handle, batch)
      state.remove(slot)
      if (mapped !== undefined) emitted.push(mapped)
      if (i % sliceSlots === sliceSlots - 1) yield
    }
    return emitted
  }
