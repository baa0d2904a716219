/**
 * WindowStore: a `StateStore` of a reduction over a window, with or without an inverse. It keeps what each batch of the window brought
 * (its column), so that a step reads only batches that are new; what leaves is known here.
 *
 * The value of each key lies in a `KeyedState`, which also tells of earlier versions. `advance` is what a making does in one step;
 * it changes the table, and what else it keeps it can take back (`rollback`) or keep for good (`commit`).
 *
 * A snapshot is a header, slots of the table (see `SlotPieces`), columns, and what the making keeps, in pieces. One that builds on
 * another has what has come since: the slots that have changed, the columns that are new, what the making keeps of those slots.
 */
import { Schema } from "effect"
import { UserFunctionError } from "../../rdd/UserFunctionError.ts"
import type { Millis, Time } from "../../time/Time.ts"
import { KeyedState } from "../KeyedState.ts"
import { StateNotHeld } from "../KeyedStateStore.ts"
import { refuseStrays, unreadable } from "../snapshots/InvalidSnapshot.ts"
import { changedPieces, nextHeader, Pieces, slotPieces, SlotsHeader, SlotTable } from "../snapshots/SlotPieces.ts"
import { StateRefused } from "../snapshots/StateRefused.ts"
import { first, migrationFrom } from "../snapshots/StateSchema.ts"
import type { StateDefinition, StatePartition, StateSnapshot, StateStore, StateView, StepInput } from "../StateStore.ts"

/** What a batch brought: the slots of its keys, in order of arrival, and their values where the making needs them again. */
export interface Column {
  readonly time: Time
  readonly slots: Int32Array
  readonly values: ReadonlyArray<unknown>
}

const Header = Schema.Struct({
  ...SlotsHeader.fields,
  windowMillis: Schema.Finite,
  /** How many pieces of columns there are, and how many of what the making keeps. */
  columns: Schema.Natural,
  beside: Schema.Natural
})
type Header = typeof Header.Type

type ColumnPiece = Column

/** What a making keeps beside the table, in pieces. */
export interface Beside {
  readonly count: number
  readonly pieces: Iterable<unknown>
}

export abstract class WindowStore implements StateStore {
  protected readonly state = new KeyedState(false)
  /** Which record of an input is at work, for errors; undefined: no single one. */
  protected index: number | undefined
  private readonly kind: StateDefinition["kind"]
  private readonly partition: StatePartition
  private readonly windowMillis: Millis
  /** Those of the window of the newest version, oldest first. */
  private columns: ReadonlyArray<Column> = []
  /** The version that was captured last, or restored: the next snapshot may build on it. */
  private captured: Time | undefined

  constructor(kind: StateDefinition["kind"], partition: StatePartition, windowMillis: Millis) {
    this.kind = kind
    this.partition = partition
    this.windowMillis = windowMillis
  }

  /** Changes the table; yields every few thousand keys. Gives the columns of the inputs. */
  protected abstract advance(
    time: Time,
    leaving: ReadonlyArray<Column>,
    inputs: ReadonlyArray<StepInput>
  ): Generator<void, ReadonlyArray<Column>>
  protected abstract commit(): void
  protected abstract rollback(): void
  /** Slots have moved, as `KeyedState.begin` says. */
  protected abstract move(moved: Int32Array): void
  /** Of the slots that are given, ascending; of all, if none are. */
  protected abstract capture(slots: Int32Array | undefined): Beside
  /** Puts what `capture` gave of these slots in the place of what is there. Throws where it is something else. */
  protected abstract gather(pieces: ReadonlyArray<unknown>, slots: Int32Array): void

  get version(): Time | undefined {
    return this.state.newest?.time
  }

  get size(): number {
    return this.state.newest?.count ?? 0
  }

  holds(version: Time): boolean {
    return this.state.version(version) !== undefined
  }

  *step(time: Time, inputs: ReadonlyArray<StepInput>): Generator<void, void> {
    const { state, version } = this
    const { operator } = this.partition
    if (version !== undefined && time <= version) {
      throw new Error(`version ${version} ms of the state of "${operator}" cannot step to ${time} ms`)
    }
    const moved = yield* state.begin(state.isSparse ? this.inWindow() : undefined)
    if (moved !== undefined) this.moveSlots(moved)
    const begin = time - this.windowMillis
    let isDone = false
    this.index = undefined
    try {
      const late = inputs.find((input) => input.time <= begin)
      if (late !== undefined) throw new Error(`batch ${late.time} ms is not in the window of ${time} ms`)
      const leaving = this.columns.filter((column) => column.time <= begin)
      const added = yield* this.advance(time, leaving, inputs)
      this.commit()
      this.columns = [...this.columns.slice(leaving.length), ...added]
      state.commit(time, undefined)
      isDone = true
    } catch (cause) {
      if (cause instanceof UserFunctionError) throw cause
      throw new UserFunctionError({ operator, index: this.index, cause })
    } finally {
      if (!isDone) {
        this.rollback()
        state.rollback()
      }
    }
  }

  /** How many batches the window has, as far as those tell that it holds, and `added`. */
  protected batches(added: ReadonlyArray<Column>): number {
    let shortest = this.windowMillis
    let before: Time | undefined
    for (const columns of [this.columns, added]) {
      for (const { time } of columns) {
        if (before !== undefined && time > before) shortest = Math.min(shortest, time - before)
        before = time
      }
    }
    return this.windowMillis / shortest
  }

  /** Slots that a column names keep their place, also when their key has no value. */
  private inWindow(): (slot: number) => boolean {
    const named = new Uint8Array(this.state.slots)
    for (const { slots } of this.columns) for (let i = 0; i < slots.length; i++) named[slots[i]!] = 1
    return (slot) => named[slot] === 1
  }

  private moveSlots(moved: Int32Array): void {
    this.columns = this.columns.map((column) => ({ ...column, slots: column.slots.map((slot) => moved[slot]!) }))
    this.move(moved)
  }

  read(time: Time, _view: StateView): Iterable<ReadonlyArray<unknown>> {
    const version = this.state.version(time)
    if (version !== undefined) return this.state.read(version)
    throw StateNotHeld.of(this.partition, time, this.version)
  }

  forgetBefore(time: Time): void {
    this.state.forgetBefore(time)
  }

  snapshot(base?: Time): StateSnapshot {
    const time = this.version
    if (time === undefined) throw new Error(`the state of "${this.partition.operator}" has no version to capture`)
    const isKnown = base !== undefined && base === this.captured
    const difference = isKnown ? this.state.captureDifference() : undefined
    const columns = difference === undefined ? this.columns : this.columns.filter((column) => column.time > base!)
    const whole = difference === undefined ? this.state.capture() : undefined
    const added = whole ?? difference!.added
    const slots = (added.first ?? 0) + added.values.length
    const beside = this.capture(
      difference === undefined ? undefined : chosenSlots(difference.changed.slots, added.first!, slots)
    )
    this.captured = time
    const header: Header = {
      kind: this.kind,
      version: first.version,
      time,
      base: difference === undefined ? null : base!,
      changed: difference?.changed.slots.length ?? 0,
      slots,
      windowMillis: this.windowMillis,
      columns: columns.length,
      beside: beside.count
    }
    const pieces = function* (): Generator<unknown, void> {
      yield header
      if (difference !== undefined) yield* changedPieces(difference.changed, false)
      yield* slotPieces(added, false)
      for (const { slots, time, values } of columns) yield { time, slots, values } satisfies ColumnPiece
      yield* beside.pieces
    }
    return { time, base: difference === undefined ? undefined : base, pieces: pieces() }
  }

  restore(time: Time, chain: Iterable<unknown>): void {
    const { kind, partition, windowMillis } = this
    const { operator } = partition
    try {
      const pieces = new Pieces(chain)
      const table = new SlotTable()
      let columns: ReadonlyArray<Column> = []
      let header: Header | undefined
      do {
        const known = table.keys.length
        header = nextHeader(pieces, isHeader, header, { kind, operator })
        if (header.windowMillis !== windowMillis) {
          throw StateRefused.otherWindow(operator, header.windowMillis, windowMillis)
        }
        const changed = table.read(header, pieces)
        const left = header.time - windowMillis
        columns = [...columns.filter((column) => column.time > left), ...readColumns(header, pieces)]
        this.gather(taken(header.beside, pieces), chosenSlots(changed, known, header.slots))
      } while (!pieces.isAtEnd)
      migrationFrom(first, header.version, operator)
      refuseStrays(table.keys, partition)
      this.state.restore(time, table.columns, undefined)
      this.columns = columns
      this.captured = time
    } catch (error) {
      throw unreadable(error, time, partition)
    }
  }
}

const isHeader = Schema.is(Header)

/** The slots that a snapshot has: those that have changed, and the new ones. */
const chosenSlots = (changed: ArrayLike<number>, known: number, slots: number): Int32Array => {
  const chosen = new Int32Array(changed.length + slots - known)
  chosen.set(changed)
  for (let slot = known; slot < slots; slot++) chosen[changed.length + slot - known] = slot
  return chosen
}

const taken = (count: number, pieces: Pieces): ReadonlyArray<unknown> => {
  const all: Array<unknown> = []
  while (all.length < count) all.push(pieces.next())
  return all
}

const readColumns = ({ columns, slots: slotsMax }: Header, pieces: Pieces): ReadonlyArray<Column> =>
  taken(columns, pieces).map((piece) => {
    if (!isColumnPiece(piece)) throw new Error("a batch of it is damaged")
    const { slots, time, values } = piece
    if (!slots.every((slot) => slot >= 0 && slot < slotsMax)) throw new Error("a batch of it names no slot")
    return { time, slots, values }
  })

const isColumnPiece = (piece: unknown): piece is ColumnPiece => {
  if (typeof piece !== "object" || piece === null) return false
  const { slots, time, values } = piece as { readonly [name in keyof ColumnPiece]?: unknown }
  return slots instanceof Int32Array && Number.isFinite(time) && Array.isArray(values) &&
    (values.length === 0 || values.length === slots.length)
}
