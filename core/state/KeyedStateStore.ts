/**
 * KeyedStateStore: a `StateStore` over a `KeyedState`. An operator gives `change`, what one step does to the table; taking all of
 * it or nothing, versions and snapshots are the same for every operator.
 *
 * Before the first step the table gets the pairs of the initial state that belong to the partition, as of that step's time; of a
 * key that comes twice the last pair counts.
 *
 * A snapshot is a header, slots (see `SlotPieces`), then what the step emitted, for outputs that have not read it yet.
 */
import { Predicate, Schema } from "effect"
import { describeRecord } from "../protocol/describeValue.ts"
import { UserFunctionError } from "../rdd/UserFunctionError.ts"
import type { Time } from "../time/Time.ts"
import { type Columns, type Difference, KeyedState, type KeyedVersion, sliceSlots } from "./KeyedState.ts"
import { refuseStrays, unreadable } from "./snapshots/InvalidSnapshot.ts"
import { changedPieces, nextHeader, Pieces, slotPieces, SlotsHeader, SlotTable } from "./snapshots/SlotPieces.ts"
import { first, migrationFrom, type StateSchema } from "./snapshots/StateSchema.ts"
import type { StateDefinition, StatePartition, StateSnapshot, StateStore, StateView, StepInput } from "./StateStore.ts"

/** A version was read that is not held: it was forgotten, or never was. */
export class StateNotHeld extends Schema.TaggedError<StateNotHeld>()("StateNotHeld", {
  operator: Schema.String,
  partition: Schema.Number,
  message: Schema.String
}) {
  /** `newest`: the version that is held; undefined: none is. */
  static readonly of = ({ operator, partition }: StatePartition, version: Time, newest: Time | undefined) =>
    new StateNotHeld({
      operator,
      partition,
      message: `Partition ${partition} of the state of "${operator}" does not hold version ${version} ms; ` +
        (newest === undefined ? "it has none" : `the newest is ${newest} ms`)
    })
}

/** One step, as `change` sees it. */
export interface KeyedStep {
  readonly time: Time
  readonly inputs: ReadonlyArray<StepInput>
  /** The records that are at work, and which of them, for errors; undefined: no single one. */
  records: StepInput["records"]
  index: number | undefined
}

/** What a step does to the table. It yields every few thousand keys, and returns what it emits; undefined: all states. */
export type KeyedChange = (state: KeyedState, step: KeyedStep) => Generator<void, ReadonlyArray<unknown> | undefined>

export interface KeyedStateOptions {
  readonly kind: StateDefinition["kind"]
  /** `first`. */
  readonly schema?: StateSchema | undefined
  readonly initialState: ReadonlyArray<readonly [key: unknown, state: unknown]>
  /** Whether `change` asks which keys are due by time. */
  readonly ordered: boolean
  readonly change: (partition: StatePartition) => KeyedChange
}

/** A definition whose stores keep a table of states by key. */
export const definition = (options: KeyedStateOptions): StateDefinition => ({
  kind: options.kind,
  make: (partition) => new KeyedStateStore(partition, options)
})

const Header = Schema.Struct({ ...SlotsHeader.fields, emitted: Schema.NullOr(Schema.Natural) })
type Header = typeof Header.Type

interface EmittedPiece {
  readonly emitted: ReadonlyArray<unknown>
}

class KeyedStateStore implements StateStore {
  private readonly state: KeyedState
  private readonly partition: StatePartition
  private readonly options: KeyedStateOptions
  private readonly change: KeyedChange
  /** The version that was captured last, or restored: the next snapshot may build on it. */
  private captured: Time | undefined

  constructor(partition: StatePartition, options: KeyedStateOptions) {
    this.partition = partition
    this.options = options
    this.state = new KeyedState(options.ordered)
    this.change = options.change(partition)
  }

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
    if (version !== undefined && time <= version) {
      throw new Error(`version ${version} ms of the state of "${this.partition.operator}" cannot step to ${time} ms`)
    }
    yield* state.begin()
    const step: KeyedStep = { time, inputs, records: [], index: undefined }
    let isDone = false
    try {
      if (version === undefined) yield* this.initialise(time)
      state.commit(time, yield* this.change(state, step))
      isDone = true
    } catch (cause) {
      if (cause instanceof UserFunctionError) throw cause
      const { index, records } = step
      const record = index === undefined ? undefined : describeRecord(records[index])
      throw new UserFunctionError({ operator: this.partition.operator, index, record, cause })
    } finally {
      if (!isDone) state.rollback()
    }
  }

  private *initialise(time: Time): Generator<void, void> {
    const { initialState } = this.options
    for (let i = 0; i < initialState.length; i++) {
      const [key, value] = initialState[i]!
      if (this.partition.owns(key)) this.state.set(this.state.slotOf(key), value, time)
      if (i % sliceSlots === sliceSlots - 1) yield
    }
  }

  read(time: Time, view: StateView): Iterable<ReadonlyArray<unknown>> {
    const version = this.state.version(time)
    if (version === undefined) throw StateNotHeld.of(this.partition, time, this.version)
    if (view === "all" || version.emitted === undefined) return this.state.read(version)
    return version.emitted.length === 0 ? [] : [version.emitted]
  }

  forgetBefore(time: Time): void {
    this.state.forgetBefore(time)
  }

  snapshot(base?: Time): StateSnapshot {
    const version = this.state.newest
    if (version === undefined) throw new Error(`the state of "${this.partition.operator}" has no version to capture`)
    const { captured, state } = this
    const difference = base !== undefined && base === captured ? state.captureDifference() : undefined
    this.captured = version.time
    return difference === undefined
      ? { time: version.time, base: undefined, pieces: this.wholeOf(version, state.capture()) }
      : { time: version.time, base, pieces: this.differenceOf(version, base!, difference) }
  }

  private *wholeOf(version: KeyedVersion, columns: Columns): Generator<unknown> {
    yield this.headerOf(version, { base: null, changed: 0, slots: columns.values.length })
    yield* slotPieces(columns)
    yield* emittedPieces(version)
  }

  private *differenceOf(version: KeyedVersion, base: Time, { added, changed }: Difference): Generator<unknown> {
    const slots = added.first! + added.values.length
    yield this.headerOf(version, { base, changed: changed.slots.length, slots })
    yield* changedPieces(changed)
    yield* slotPieces(added)
    yield* emittedPieces(version)
  }

  private headerOf({ emitted, time }: KeyedVersion, has: Pick<Header, "base" | "changed" | "slots">): Header {
    const { kind, schema = first } = this.options
    return { kind, version: schema.version, time, ...has, emitted: emitted?.length ?? null }
  }

  restore(time: Time, pieces: Iterable<unknown>): void {
    const { partition: { operator }, options: { kind, schema = first } } = this
    try {
      const { emitted, table, version } = gathered({ kind, operator }, pieces)
      const migration = migrationFrom(schema, version, operator)
      if (migration !== undefined) table.migrate(migration)
      refuseStrays(table.keys, this.partition)
      this.state.restore(time, table.columns, emitted)
      // what was migrated is no base of what the program writes now
      this.captured = migration === undefined ? time : undefined
    } catch (error) {
      throw unreadable(error, time, this.partition)
    }
  }
}

const isHeader = Schema.is(Header)

function* emittedPieces({ emitted }: KeyedVersion): Generator<EmittedPiece, void> {
  for (let from = 0; from < (emitted?.length ?? 0); from += sliceSlots) {
    yield { emitted: emitted!.slice(from, from + sliceSlots) }
  }
}

const readEmitted = (count: number | null, pieces: Pieces): ReadonlyArray<unknown> | undefined => {
  if (count === null) return undefined
  const emitted: Array<unknown> = []
  while (emitted.length < count) {
    const piece = pieces.next()
    const list = Predicate.hasProperty(piece, "emitted") ? piece.emitted : undefined
    if (!Array.isArray(list) || list.length === 0 || emitted.length + list.length > count) {
      throw new Error("a piece of it is damaged: it has not the records that it should have")
    }
    for (const record of list) emitted.push(record)
  }
  return emitted
}

/** What the pieces of a chain come to, and what its last version emitted. */
const gathered = (of: { readonly kind: string; readonly operator: string }, chain: Iterable<unknown>) => {
  const pieces = new Pieces(chain)
  const table = new SlotTable()
  let header: Header | undefined
  let emitted: ReadonlyArray<unknown> | undefined
  do {
    header = nextHeader(pieces, isHeader, header, of)
    table.read(header, pieces)
    emitted = readEmitted(header.emitted, pieces)
  } while (!pieces.isAtEnd)
  return { emitted, table, version: header.version }
}
