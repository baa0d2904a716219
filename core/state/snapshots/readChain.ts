/**
 * readChain: the states by key that a snapshot of one partition holds, without the program that wrote it: for people who look into a
 * checkpoint place. Of a window it is what is kept by key.
 */
import { Schema } from "effect"
import { absent } from "../KeyedState.ts"
import { Pieces, SlotsHeader, SlotTable } from "./SlotPieces.ts"

export interface KeyedValue {
  readonly key: unknown
  readonly value: unknown
}

/** `files`: the pieces of each file of the chain, base first. Throws where a piece is not what it should be. */
export const readChain = (files: Iterable<Iterable<unknown>>): ReadonlyArray<KeyedValue> => {
  const table = new SlotTable()
  for (const file of files) {
    const pieces = new Pieces(file)
    const header = pieces.next()
    if (!Schema.is(SlotsHeader)(header)) throw new Error("it does not begin with a header")
    table.read(header, pieces)
  }
  return table.keys.flatMap((key, slot) => {
    const value = table.values[slot]
    return value === absent ? [] : [{ key, value }]
  })
}
