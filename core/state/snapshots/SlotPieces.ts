/**
 * SlotPieces: the slots of a table of states as pieces of a snapshot, and the table back from the pieces.
 *
 * A snapshot has all slots, or those that differ from the snapshot that it builds on. After its header come, in this order:
 *
 * | pieces | hold |
 * | --- | --- |
 * | changed | slots that the base has too, ascending; none where there is no base |
 * | slots | the slots after those of the base, tombstones included, so that a restored state has the order of the captured one |
 * | whatever the store adds | |
 *
 * The pieces of a chain, base first, are read into one table one after the other. They come from a disk: nothing in them is taken for
 * granted, and nothing is made that is larger than what is there. Who reads them says of what they are; the errors here only say why.
 */
import { Schema } from "effect"
import type { Time } from "../../time/Time.ts"
import { absent, type ChangedColumns, type Columns, sliceSlots } from "../KeyedState.ts"
import { StateRefused } from "./StateRefused.ts"

/** What every header begins with. */
export const SlotsHeader = Schema.Struct({
  kind: Schema.String,
  /** Of the program's states (see `StateSchema`). */
  version: Schema.Natural,
  time: Schema.Finite,
  /** The version that it builds on; null: none. */
  base: Schema.NullOr(Schema.Finite),
  /** How many of the base's slots differ, and how many slots there are in all. */
  changed: Schema.Natural,
  slots: Schema.Natural
})
export type SlotsHeader = typeof SlotsHeader.Type

interface ValuesPiece {
  readonly values: ReadonlyArray<unknown>
  /** null: of states that are kept without times. */
  readonly times: Float64Array | null
  /** The places in this piece that are tombstones. */
  readonly absent: ReadonlyArray<number>
}

export interface SlotsPiece extends ValuesPiece {
  readonly keys: ReadonlyArray<unknown>
}

export interface ChangedPiece extends ValuesPiece {
  readonly slots: Int32Array
}

/** The slots of a capture from `first` on. */
export function* slotPieces({ first = 0, keys, times, values }: Columns, isTimed = true): Generator<SlotsPiece, void> {
  for (let from = 0; from < values.length; from += sliceSlots) {
    const to = Math.min(values.length, from + sliceSlots)
    yield { keys: keys.slice(first + from, first + to), ...valuesPiece(values, isTimed ? times : null, from, to) }
  }
}

export function* changedPieces(
  { slots, times, values }: ChangedColumns,
  isTimed = true
): Generator<ChangedPiece, void> {
  for (let from = 0; from < slots.length; from += sliceSlots) {
    const to = Math.min(slots.length, from + sliceSlots)
    yield { slots: slots.slice(from, to), ...valuesPiece(values, isTimed ? times : null, from, to) }
  }
}

const valuesPiece = (
  values: ReadonlyArray<unknown>,
  times: Float64Array | null,
  from: number,
  to: number
): ValuesPiece => {
  const piece = values.slice(from, to)
  const tombstones: Array<number> = []
  for (let i = 0; i < piece.length; i++) {
    if (piece[i] !== absent) continue
    tombstones.push(i)
    piece[i] = null
  }
  return { values: piece, times: times && times.slice(from, to), absent: tombstones }
}

/** The pieces that are left. */
export class Pieces {
  private readonly iterator: Iterator<unknown>
  private ahead: IteratorResult<unknown>

  constructor(pieces: Iterable<unknown>) {
    this.iterator = pieces[Symbol.iterator]()
    this.ahead = this.iterator.next()
  }

  get isAtEnd(): boolean {
    return this.ahead.done === true
  }

  next(): unknown {
    const { done, value } = this.ahead
    if (done === true) throw new Error("pieces of it are missing")
    this.ahead = this.iterator.next()
    return value
  }
}

/** What the pieces of a chain come to. */
export class SlotTable {
  readonly keys: Array<unknown> = []
  readonly values: Array<unknown> = []
  times: Float64Array = new Float64Array(1024)

  /** Adds what a snapshot has beyond its base; gives the slots of the base that it changes. */
  read({ changed, slots }: SlotsHeader, pieces: Pieces): ReadonlyArray<number> {
    const known = this.keys.length
    if (slots < known || changed > known) throw new Error("it does not fit what it builds on")
    const list: Array<number> = []
    while (list.length < changed) this.change(pieces.next(), list, known)
    if (list.length > changed) throw new Error("a piece of it has more than it should")
    while (this.keys.length < slots) this.add(pieces.next())
    if (this.keys.length > slots) throw new Error("a piece of it has more than it should")
    return list
  }

  private change(piece: unknown, list: Array<number>, known: number): void {
    const slots = listOf(piece, "slots")
    const column = valuesOf(piece, slots.length)
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number
      if (!Number.isInteger(slot) || slot <= (list.at(-1) ?? -1) || slot >= known) {
        throw new Error("a piece of it names a slot that its base has not")
      }
      list.push(slot)
      this.values[slot] = column.values[i]
      if (column.times !== undefined) this.times[slot] = column.times[i] as Time
    }
    for (const at of column.tombstones) this.values[slots[at] as number] = absent
  }

  private add(piece: unknown): void {
    const keys = listOf(piece, "keys")
    const column = valuesOf(piece, keys.length)
    const from = this.keys.length
    this.grow(from + keys.length)
    for (let i = 0; i < keys.length; i++) {
      this.keys.push(keys[i])
      this.values.push(column.values[i])
    }
    if (column.times !== undefined) this.times.set(column.times, from)
    for (const at of column.tombstones) this.values[from + at] = absent
  }

  private grow(slots: number): void {
    if (slots <= this.times.length) return
    const longer = new Float64Array(Math.max(slots, this.times.length * 2))
    longer.set(this.times)
    this.times = longer
  }

  /** What the states of an earlier version of the program become; undefined: the key is forgotten. */
  migrate(migration: (key: unknown, state: unknown) => unknown): void {
    for (let slot = 0; slot < this.values.length; slot++) {
      if (this.values[slot] === absent) continue
      const next = migration(this.keys[slot], this.values[slot])
      this.values[slot] = next === undefined ? absent : next
    }
  }

  get columns(): Columns {
    return { keys: this.keys, values: this.values, times: this.times.subarray(0, this.keys.length) }
  }
}

/** A list of a piece, which holds something. */
const listOf = (piece: unknown, name: string): ArrayLike<unknown> => {
  const list = typeof piece === "object" && piece !== null ? (piece as Record<string, unknown>)[name] : undefined
  if (!isList(list)) throw new Error(`a piece of it is damaged: it has no ${name}`)
  if (list.length === 0) throw new Error(`a piece of it is damaged: its ${name} are empty`)
  return list
}

const isList = (list: unknown): list is ArrayLike<unknown> =>
  Array.isArray(list) || list instanceof Float64Array || list instanceof Int32Array

/** The values of a piece for `length` keys or slots. */
const valuesOf = (piece: unknown, length: number) => {
  const { absent: tombstones, times, values } = piece as Readonly<Record<string, unknown>>
  if (!isList(values) || !Array.isArray(tombstones) || (times !== null && !isList(times))) {
    throw new Error("a piece of it is damaged: it has not the columns that it should have")
  }
  if (values.length !== length || (times !== null && times.length !== length) || tombstones.length > length) {
    throw new Error("the columns of a piece differ in length")
  }
  if (!tombstones.every((at) => Number.isInteger(at) && at >= 0 && at < length)) {
    throw new Error("a piece of it has tombstones where it has no slots")
  }
  if (times === null) return { values, times: undefined, tombstones: tombstones as ReadonlyArray<number> }
  for (let i = 0; i < length; i++) {
    if (!Number.isFinite(times[i])) throw new Error("a piece of it has times that are none")
  }
  return { values, times: times as ArrayLike<number>, tombstones: tombstones as ReadonlyArray<number> }
}

/**
 * The next header of a chain, after `before`. Throws `StateRefused` where the state is of another kind, and where the header is not
 * that of what builds on the snapshot before it.
 */
export const nextHeader = <H extends SlotsHeader>(
  pieces: Pieces,
  is: (header: unknown) => header is H,
  before: H | undefined,
  { kind, operator }: { readonly kind: string; readonly operator: string }
): H => {
  const header = pieces.isAtEnd ? undefined : pieces.next()
  if (!Schema.is(SlotsHeader)(header)) throw new Error("it does not begin with a header")
  if (header.kind !== kind) throw StateRefused.otherKind(operator, header.kind, kind)
  if (!is(header)) throw new Error("its header is damaged")
  if (before === undefined) {
    if (header.base !== null || header.changed > 0) throw new Error("it builds on a snapshot that is not there")
  } else if (header.base !== before.time || header.time <= before.time || header.version !== before.version) {
    throw new Error("it does not build on the snapshot before it")
  }
  return header
}
