/**
 * KeyedStateStore: a `StateStore` over a `KeyedState`. An operator gives `change`, what one step does to the table; taking all of
 * it or nothing, versions and snapshots are the same for every operator.
 *
 * Before the first step the table gets the pairs of the initial state that belong to the partition, as of that step's time; of a
 * key that comes twice the last pair counts.
 *
 * A snapshot is a header, then at most `sliceSlots` slots a piece, tombstones included, so that a restored state has the order of
 * the captured one, then what the step emitted, for outputs that have not read it yet.
 */
import { Predicate, Schema } from "effect"
import { UserFunctionError } from "../rdd/UserFunctionError.ts"
import type { Time } from "../time/Time.ts"
import { absent, type Columns, KeyedState, type KeyedVersion, sliceSlots } from "./KeyedState.ts"
import type { StateDefinition, StatePartition, StateSnapshot, StateStore, StateView, StepInput } from "./StateStore.ts"

/** A version was read that is not held: it was forgotten, or never was. */
export class StateNotHeld extends Schema.TaggedError<StateNotHeld>()("StateNotHeld", {
  operator: Schema.String,
  partition: Schema.Number,
  message: Schema.String
}) {}

/** What was to be restored is not what `snapshot` gave. */
export class InvalidSnapshot extends Schema.TaggedError<InvalidSnapshot>()("InvalidSnapshot", {
  operator: Schema.String,
  partition: Schema.Number,
  message: Schema.String
}) {}

/** One step, as `change` sees it. */
export interface KeyedStep {
  readonly time: Time
  readonly inputs: ReadonlyArray<StepInput>
  /** The record that is at work, for errors; undefined: no single one. */
  index: number | undefined
}

/** What a step does to the table. It yields every few thousand keys, and returns what it emits; undefined: all states. */
export type KeyedChange = (state: KeyedState, step: KeyedStep) => Generator<void, ReadonlyArray<unknown> | undefined>

export interface KeyedStateOptions {
  readonly kind: StateDefinition["kind"]
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

const Header = Schema.Struct({ kind: Schema.String, slots: Schema.Natural, emitted: Schema.NullOr(Schema.Natural) })

interface SlotsPiece {
  readonly keys: ReadonlyArray<unknown>
  readonly values: ReadonlyArray<unknown>
  readonly times: ReadonlyArray<Time>
  /** The places in this piece that are tombstones. */
  readonly absent: ReadonlyArray<number>
}

interface EmittedPiece {
  readonly emitted: ReadonlyArray<unknown>
}

class KeyedStateStore implements StateStore {
  private readonly state: KeyedState
  private readonly partition: StatePartition
  private readonly options: KeyedStateOptions
  private readonly change: KeyedChange

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
    const step: KeyedStep = { time, inputs, index: undefined }
    let isDone = false
    try {
      if (version === undefined) yield* this.initialise(time)
      state.commit(time, yield* this.change(state, step))
      isDone = true
    } catch (cause) {
      if (cause instanceof UserFunctionError) throw cause
      throw new UserFunctionError({ operator: this.partition.operator, index: step.index, cause })
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
    if (version === undefined) {
      const newest = this.version === undefined ? "it has none" : `the newest is ${this.version} ms`
      const message =
        `Partition ${this.partition.partition} of the state of "${this.partition.operator}" does not hold ` +
        `version ${time} ms; ${newest}`
      throw new StateNotHeld({ ...this.where, message })
    }
    if (view === "all" || version.emitted === undefined) return this.state.read(version)
    return version.emitted.length === 0 ? [] : [version.emitted]
  }

  forgetBefore(time: Time): void {
    this.state.forgetBefore(time)
  }

  snapshot(): StateSnapshot {
    const version = this.state.newest
    if (version === undefined) throw new Error(`the state of "${this.partition.operator}" has no version to capture`)
    return { time: version.time, pieces: piecesOf(this.options.kind, version, this.state.capture()) }
  }

  restore(time: Time, pieces: Iterable<unknown>): void {
    try {
      const { columns, emitted } = gathered(this.options.kind, pieces)
      this.state.restore(time, columns, emitted)
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

function* piecesOf(kind: string, { emitted }: KeyedVersion, { keys, times, values }: Columns): Generator<unknown> {
  yield { kind, slots: keys.length, emitted: emitted?.length ?? null } satisfies typeof Header.Type
  for (let from = 0; from < keys.length; from += sliceSlots) {
    const to = Math.min(keys.length, from + sliceSlots)
    const piece = values.slice(from, to)
    const tombstones: Array<number> = []
    for (let i = 0; i < piece.length; i++) {
      if (piece[i] !== absent) continue
      tombstones.push(i)
      piece[i] = null
    }
    yield {
      keys: keys.slice(from, to),
      values: piece,
      times: Array.from(times.subarray(from, to)),
      absent: tombstones
    } satisfies SlotsPiece
  }
  for (let from = 0; from < (emitted?.length ?? 0); from += sliceSlots) {
    yield { emitted: emitted!.slice(from, from + sliceSlots) } satisfies EmittedPiece
  }
}

const isHeader = Schema.is(Header)
const hasLists = (piece: unknown, names: ReadonlyArray<string>): boolean =>
  names.every((name) => Predicate.hasProperty(piece, name) && Array.isArray(piece[name]))
const isSlotsPiece = (piece: unknown): piece is SlotsPiece => hasLists(piece, ["keys", "values", "times", "absent"])
const isEmittedPiece = (piece: unknown): piece is EmittedPiece => hasLists(piece, ["emitted"])

/** The columns and emitted records that the pieces were made of. */
const gathered = (kind: string, pieces: Iterable<unknown>) => {
  const [header, ...rest] = pieces
  if (!isHeader(header)) throw new Error("it does not begin with a header")
  if (header.kind !== kind) throw new Error(`it is of a state of kind ${header.kind}, not ${kind}`)
  const keys: Array<unknown> = []
  const values: Array<unknown> = []
  const times = new Float64Array(header.slots)
  const emitted: Array<unknown> = []
  for (const piece of rest) {
    if (isEmittedPiece(piece)) {
      for (const record of piece.emitted) emitted.push(record)
      continue
    }
    if (!isSlotsPiece(piece) || keys.length + piece.keys.length > header.slots) {
      throw new Error("a piece of it is damaged")
    }
    const { length } = piece.keys
    if (piece.values.length !== length || piece.times.length !== length || piece.absent.some((at) => at >= length)) {
      throw new Error("the columns of a piece differ in length")
    }
    times.set(piece.times, keys.length)
    for (let i = 0; i < length; i++) keys.push(piece.keys[i])
    for (let i = 0; i < length; i++) values.push(piece.values[i])
    for (const at of piece.absent) values[values.length - length + at] = absent
  }
  if (keys.length !== header.slots || emitted.length !== (header.emitted ?? 0)) {
    throw new Error("pieces of it are missing")
  }
  return { columns: { keys, values, times }, emitted: header.emitted === null ? undefined : emitted }
}
