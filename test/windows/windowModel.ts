/**
 * The model of a reduction over a window: the window is what its last batches hold, reduced from the left. And what drives a store.
 */
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import type { StateDefinition, StateStore, StepInput } from "../../core/state/StateStore.ts"

export type Pair = readonly [key: string, value: any]

/** Batch i, from 0 on, is that of time i + 1. */
export type Batches = ReadonlyArray<ReadonlyArray<Pair>>

export type Reduction = (a: any, b: any) => any

const reducedByKey = (pairs: ReadonlyArray<Pair>, f: Reduction): Map<string, any> => {
  const values = new Map<string, any>()
  for (const [key, value] of pairs) values.set(key, values.has(key) ? f(values.get(key), value) : value)
  return values
}

/** What the window that ends at `time` shows, sorted by key. */
export const windowAt = (batches: Batches, time: number, window: number, f: Reduction): ReadonlyArray<Pair> =>
  sorted([...reducedByKey(batches.slice(Math.max(0, time - window), time).flat(), f)])

/** What a step at `time` is given: its new batches, combined by key as the shuffle does. */
export const inputsAt = (
  batches: Batches,
  time: number,
  window: number,
  slide: number,
  f: Reduction
): ReadonlyArray<StepInput> => {
  const inputs: Array<StepInput> = []
  for (let at = Math.max(1, time - Math.min(window, slide) + 1); at <= time; at++) {
    inputs.push({ time: at, records: [...reducedByKey(batches[at - 1] ?? [], f)] })
  }
  return inputs
}

export const sorted = (pairs: ReadonlyArray<any>): ReadonlyArray<any> =>
  pairs.toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)

export const shown = (store: StateStore, time: number): ReadonlyArray<any> => [...store.read(time, "all")].flat()

export const takeStep = (store: StateStore, time: number, inputs: ReadonlyArray<StepInput>): void => {
  for (const _ of store.step(time, inputs));
}

export const newStore = (definition: StateDefinition): StateStore =>
  definition.make({ operator: "windowed", partition: 0, owns: () => true })

/** Through bytes and back. */
export const sent = (piece: unknown): unknown => messagePack.decode(messagePack.encode(piece))

/** A store that went through bytes. */
export const restored = (definition: StateDefinition, store: StateStore): StateStore => {
  const { pieces, time } = store.snapshot()
  const copy = newStore(definition)
  copy.restore(time, [...pieces].map(sent))
  return copy
}
