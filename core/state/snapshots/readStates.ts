/**
 * readStates: the states by key that a snapshot of one partition holds, whatever operator keeps them: for people to look at, without
 * the program. Of a window it is what is kept by key.
 */
import { Schema } from "effect"
import type { Time } from "../../time/Time.ts"
import { absent } from "../KeyedState.ts"
import { Pieces, SlotsHeader, SlotTable } from "./SlotPieces.ts"

export interface StatesRead {
  readonly kind: string
  /** Of the program's states. */
  readonly version: number
  readonly time: Time
  /** In the order of the store; the time of the last update, 0 where none is kept. */
  readonly entries: ReadonlyArray<readonly [key: unknown, state: unknown, time: Time]>
}

const isHeader = Schema.is(SlotsHeader)

/** Of the pieces of each file, base first. Throws an Error that says why not. */
export const readStates = (chain: Iterable<Iterable<unknown>>): StatesRead => {
  const table = new SlotTable()
  let header: SlotsHeader | undefined
  for (const file of chain) {
    const pieces = new Pieces(file)
    const next = pieces.isAtEnd ? undefined : pieces.next()
    if (!isHeader(next)) throw new Error("it does not begin with a header")
    if (next.base !== (header?.time ?? null)) throw new Error("it does not build on the snapshot before it")
    table.read(next, pieces)
    header = next
  }
  if (header === undefined) throw new Error("there is no file in it")
  const { keys, times, values } = table.columns
  const { kind, time, version } = header
  const entries = values.flatMap((value, slot) => value === absent ? [] : [[keys[slot], value, times[slot]!] as const])
  return { kind, version, time, entries }
}
