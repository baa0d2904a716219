/**
 * WindowStore: a `StateStore` of a reduction over a window, with or without an inverse. It keeps what each batch of the window brought
 * (its column), so that a step reads only batches that are new; what leaves is known here.
 *
 * The value of each key lies in a `KeyedState`, which also tells of earlier versions. `advance` is what a making does in one step;
 * it changes the table, and what else it keeps it can take back (`rollback`) or keep for good (`commit`).
 *
 * A snapshot is a header, the slots of the table, the columns, and what the making keeps, in pieces.
 */
import { refuseDeferredReduction } from "../../rdd/fusion/FunctionMistake.ts"
import { UserFunctionError } from "../../rdd/UserFunctionError.ts"
import type { Millis, Time } from "../../time/Time.ts"
import { absent, KeyedState, sliceSlots } from "../KeyedState.ts"
import { InvalidSnapshot, StateNotHeld } from "../KeyedStateStore.ts"
import type { StateDefinition, StatePartition, StateSnapshot, StateStore, StateView, StepInput } from "../StateStore.ts"

/** What a batch brought: the slots of its keys, in order of arrival, and their values where the making needs them again. */
export interface Column {
  readonly time: Time
  readonly slots: Int32Array
  readonly values: ReadonlyArray<unknown>
}

/** Values of a batch that are looked at. */
const samplesMax = 16

interface Header {
  readonly kind: StateDefinition["kind"]
  readonly slots: number
  readonly columns: number
}

interface SlotsPiece {
  readonly keys: ReadonlyArray<unknown>
  readonly values: ReadonlyArray<unknown>
  /** Places in this piece without a value. */
  readonly absent: ReadonlyArray<number>
}

interface ColumnPiece {
  readonly time: Time
  readonly slots: ReadonlyArray<number>
  readonly values: ReadonlyArray<unknown>
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
  protected abstract capture(): Iterable<unknown>
  /** Throws where the pieces are not what `capture` gave. */
  protected abstract gather(pieces: ReadonlyArray<unknown>): void

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
      this.refuseDeferred(added)
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

  /** Looks at some of the values that a step has come to. */
  private refuseDeferred(added: ReadonlyArray<Column>): void {
    for (const { slots } of added) {
      for (let i = 0; i < slots.length && i < samplesMax; i++) refuseDeferredReduction(this.state.values[slots[i]!])
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
    throw new StateNotHeld({
      ...this.where,
      message: `Partition ${this.partition.partition} of the state of "${this.partition.operator}" does not hold ` +
        `version ${time} ms; ${this.version === undefined ? "it has none" : `the newest is ${this.version} ms`}`
    })
  }

  forgetBefore(time: Time): void {
    this.state.forgetBefore(time)
  }

  snapshot(): StateSnapshot {
    const time = this.version
    if (time === undefined) throw new Error(`the state of "${this.partition.operator}" has no version to capture`)
    const { columns, kind } = this
    const { keys, values } = this.state.capture()
    const beside = this.capture()
    const pieces = function* (): Generator<unknown, void> {
      yield { kind, slots: keys.length, columns: columns.length } satisfies Header
      yield* slotPieces(keys, values)
      for (const column of columns) {
        yield { time: column.time, slots: Array.from(column.slots), values: column.values } satisfies ColumnPiece
      }
      yield* beside
    }
    return { time, pieces: pieces() }
  }

  restore(time: Time, pieces: Iterable<unknown>): void {
    try {
      const [header, ...rest] = pieces as Iterable<Header>
      if (header?.kind !== this.kind) throw new Error(`it is of a state of kind ${header?.kind}, not ${this.kind}`)
      const afterSlots = Math.ceil(header.slots / sliceSlots)
      const afterColumns = afterSlots + header.columns
      const table = tableOf(rest.slice(0, afterSlots) as ReadonlyArray<unknown> as ReadonlyArray<SlotsPiece>)
      if (table.keys.length !== header.slots) throw new Error("slots of it are missing")
      this.columns = columnsOf(
        rest.slice(afterSlots, afterColumns) as ReadonlyArray<unknown> as ReadonlyArray<ColumnPiece>,
        header
      )
      this.gather(rest.slice(afterColumns))
      this.state.restore(time, table, undefined)
    } catch (error) {
      const message = `The snapshot of version ${time} ms of partition ${this.partition.partition} of the state of ` +
        `"${this.partition.operator}" cannot be restored: ${error instanceof Error ? error.message : String(error)}`
      throw new InvalidSnapshot({ ...this.where, message })
    }
  }

  private get where() {
    return { operator: this.partition.operator, partition: this.partition.partition }
  }
}

function* slotPieces(keys: ReadonlyArray<unknown>, values: ReadonlyArray<unknown>): Generator<SlotsPiece, void> {
  for (let from = 0; from < keys.length; from += sliceSlots) {
    const to = Math.min(from + sliceSlots, keys.length)
    const piece = values.slice(from, to)
    const empty: Array<number> = []
    for (let i = 0; i < piece.length; i++) {
      if (piece[i] !== absent) continue
      empty.push(i)
      piece[i] = null
    }
    yield { keys: keys.slice(from, to), values: piece, absent: empty }
  }
}

const tableOf = (pieces: ReadonlyArray<SlotsPiece>) => {
  const keys: Array<unknown> = []
  const values: Array<unknown> = []
  for (const piece of pieces) {
    if (piece.keys.length !== piece.values.length) throw new Error("a piece of it has not as many values as keys")
    const from = keys.length
    for (let i = 0; i < piece.keys.length; i++) keys.push(piece.keys[i])
    for (let i = 0; i < piece.keys.length; i++) values.push(piece.values[i])
    for (const place of piece.absent) values[from + place] = absent
  }
  return { keys, values, times: new Float64Array(keys.length) }
}

const columnsOf = (pieces: ReadonlyArray<ColumnPiece>, header: Header): ReadonlyArray<Column> => {
  if (pieces.length !== header.columns) throw new Error("batches of it are missing")
  return pieces.map(({ slots, time, values }) => {
    if (slots.some((slot) => !(slot >= 0 && slot < header.slots))) throw new Error("a batch of it names no slot")
    return { time, slots: Int32Array.from(slots), values }
  })
}
