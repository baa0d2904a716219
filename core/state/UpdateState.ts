/**
 * UpdateState: the state of `updateStateByKey`, whose function is called for every known key and every new one at every batch.
 *
 * One pass over the table in slot order, new keys last, without copying it: a state that stays the same (`Object.is`) costs nothing
 * but the call. With `expireAfter` a key's time is that of its last batch with values; keys that had none for longer are dropped
 * first, without looking at others. Source: Spark's `StateDStream`; there every batch makes a new copy.
 */
import type { PartitionIndex } from "../protocol/Ids.ts"
import { refuseDeferred } from "../rdd/fusion/FunctionMistake.ts"
import type { Millis, Time } from "../time/Time.ts"
import { absent, type KeyedState, sliceSlots } from "./KeyedState.ts"
import type { StateSchema } from "./snapshots/StateSchema.ts"
import { definition, type KeyedChange, type KeyedStep } from "./KeyedStateStore.ts"
import type { StateDefinition, StatePartition } from "./StateStore.ts"

/** The new state of a key from the batch's values, none or more, and the state before; undefined forgets the key. */
export type UpdateFunction<in K, in V, in out S> = (
  values: ReadonlyArray<V>,
  state: S | undefined,
  of: { readonly key: K; readonly time: Time }
) => S | undefined

/**
 * The new states of a partition: of the keys that it gets, in order, and of others if it likes, as far as they belong to the partition.
 * A key that it does not return is forgotten.
 */
export type PartitionUpdateFunction<K, in V, in out S> = (
  entries: Iterable<readonly [key: K, values: ReadonlyArray<V>, state: S | undefined]>,
  of: { readonly time: Time; readonly partition: PartitionIndex }
) => Iterable<readonly [key: K, state: S]>

export interface UpdateStateOptions {
  readonly f:
    | { readonly kind: "key"; readonly update: UpdateFunction<any, any, any> }
    | { readonly kind: "partition"; readonly update: PartitionUpdateFunction<any, any, any> }
  readonly initialState: ReadonlyArray<readonly [key: unknown, state: unknown]>
  readonly expireMillis: Millis | undefined
  readonly schema?: StateSchema | undefined
}

/** Every version shows `[key, state]` of every key. */
export const updateState = (options: UpdateStateOptions): StateDefinition =>
  definition({
    kind: "update",
    schema: options.schema,
    initialState: options.initialState,
    ordered: options.expireMillis !== undefined,
    change: (partition) => changeOf(options, partition)
  })

/** The values of the step by slot; undefined: the key got none. */
type Groups = ReadonlyArray<Array<unknown> | undefined>

const noValues: ReadonlyArray<unknown> = Object.freeze([])

const changeOf = ({ expireMillis, f }: UpdateStateOptions, partition: StatePartition): KeyedChange =>
  function* (state, step) {
    const groups = yield* grouped(state, step, expireMillis !== undefined)
    if (expireMillis !== undefined) {
      for (const slot of state.dueBefore(step.time - expireMillis)) state.remove(slot)
    }
    if (f.kind === "key") yield* updateKeys(state, groups, step.time, f.update)
    else yield* updatePartition(state, groups, step.time, f.update, partition)
    return undefined
  }

function* grouped(state: KeyedState, step: KeyedStep, isRenewing: boolean): Generator<void, Groups> {
  const groups = new Array<Array<unknown> | undefined>(state.slots)
  for (const { records } of step.inputs) {
    step.records = records
    for (let i = 0; i < records.length; i++) {
      step.index = i
      const [key, value] = records[i]!
      const slot = state.slotOf(key)
      const values = groups[slot]
      if (values === undefined) {
        groups[slot] = [value]
        if (isRenewing) state.touch(slot, step.time)
      } else values.push(value)
      if (i % sliceSlots === sliceSlots - 1) yield
    }
  }
  step.index = undefined
  return groups
}

function* updateKeys(
  state: KeyedState,
  groups: Groups,
  time: Time,
  update: UpdateFunction<any, any, any>
): Generator<void, void> {
  const { keys, values } = state
  let next: unknown
  for (let slot = 0; slot < values.length; slot++) {
    if (slot % sliceSlots === sliceSlots - 1) yield
    const stored = values[slot]
    const before = stored === absent ? undefined : stored
    const group = groups[slot]
    if (stored === absent && group === undefined) continue
    next = update(group ?? noValues, before, { key: keys[slot], time })
    put(state, slot, next, time)
  }
  // one that returns Promises always does
  refuseDeferred("updateStateByKey's function", next, " before it")
}

/** A known key keeps its time, which tells when it last had values. */
const put = (state: KeyedState, slot: number, next: unknown, time: Time): void => {
  const stored = state.values[slot]
  if (next === undefined) state.remove(slot)
  else if (stored === absent) state.set(slot, next, time)
  else if (!Object.is(stored, next)) state.set(slot, next, state.times[slot]!)
}

/**
 * States are put as the function returns them; one that comes before its entry was given waits, so that the entry shows the
 * state before.
 */
function* updatePartition(
  state: KeyedState,
  groups: Groups,
  time: Time,
  update: PartitionUpdateFunction<any, any, any>,
  { operator, owns, partition }: StatePartition
): Generator<void, void> {
  const known = state.slots
  const returned = new Uint8Array(known)
  const added = new Set<number>()
  const early = new Map<number, unknown>()
  let given = -1
  function* entries(): Generator<readonly [unknown, ReadonlyArray<unknown>, unknown]> {
    for (let slot = 0; slot < known; slot++) {
      const stored = state.values[slot]
      if (stored === absent && groups[slot] === undefined) continue
      given = slot
      yield [state.keys[slot], groups[slot] ?? noValues, stored === absent ? undefined : stored]
    }
    given = known
  }
  let count = 0
  const updated = update(entries(), { time, partition })
  refuseDeferred("updateStateByPartition's function", updated, " before it")
  for (const [key, next] of updated) {
    // mostly it is the key that was given last, which spares looking it up
    const slot = given >= 0 && given < known && key === state.keys[given] ? given : state.slotOf(key)
    if (slot < known ? returned[slot] === 1 : added.has(slot)) {
      throw new Error(
        `the function given to updateStateByPartition of "${operator}" returned a key twice: return each once`
      )
    }
    if (slot >= known) {
      if (!owns(key)) throw new Error(strayKey(operator, partition))
      added.add(slot)
    } else returned[slot] = 1
    if (slot > given && slot < known) early.set(slot, next)
    else put(state, slot, next, time)
    if (++count % sliceSlots === 0) yield
  }
  for (const [slot, next] of early) put(state, slot, next, time)
  for (let slot = 0; slot < known; slot++) {
    if (slot % sliceSlots === sliceSlots - 1) yield
    if (returned[slot] === 0) state.remove(slot)
  }
}

const strayKey = (operator: string, partition: PartitionIndex): string =>
  `the function given to updateStateByPartition of "${operator}" returned a key that belongs to another partition than ` +
  `${partition}: return keys that it was given, or map the stream to the new keys and keep a state of those`
