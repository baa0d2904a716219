/**
 * What a state store holds, as vectors write it: [key, state, time of update], read from its snapshot, which is its content in
 * plain data.
 */
import { messagePack } from "../../../../adapters/codec/MessagePack.ts"
import type { StateDefinition, StateStore } from "../../../../core/state/StateStore.ts"
import type { Json } from "../../Vector.ts"

export const partitionOf = (owns: (key: unknown) => boolean = () => true, partition = 0) => ({
  operator: "conformance",
  partition,
  owns
})

export const step = (store: StateStore, time: number, records: ReadonlyArray<readonly [unknown, unknown]>): void => {
  for (const _ of store.step(time, [{ time, records }]));
}

export const byKey = (a: Json, b: Json): number => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0

export const entriesOf = (store: StateStore): ReadonlyArray<Json> =>
  store.version === undefined
    ? []
    : Array.from(store.snapshot().pieces as Iterable<Json>).flatMap((piece) =>
      (piece.keys ?? []).flatMap((key: unknown, at: number) =>
        piece.absent.includes(at) ? [] : [[key, piece.values[at], piece.times[at]]]
      )
    )

/** The store's newest version through the real codec into a new store, as the version of `time`. */
export const restored = (
  definition: StateDefinition,
  store: StateStore,
  partition: Parameters<StateDefinition["make"]>[0],
  time: number
): StateStore => {
  const copy = definition.make(partition)
  if (store.version === undefined) return copy
  const pieces = Array.from(store.snapshot().pieces, (piece) => messagePack.decode(messagePack.encode(piece)))
  copy.restore(time, pieces)
  return copy
}
