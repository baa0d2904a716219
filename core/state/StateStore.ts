/**
 * StateStore: what one partition of a stateful operator keeps on its executor from batch to batch. The contract of every making.
 *
 * A version of the state belongs to a batch time. `step` takes the newest version to the next one: all of it or, where it throws,
 * nothing: the version before stands. What the step of a version showed stays readable, also when newer versions exist, until
 * `forgetBefore`: a log of changes lies between two versions, so that a version costs the keys that it changed, not all keys.
 * Two outputs over one state, a retry after half a partition and batches computed side by side thus see one history.
 *
 * | call | allowed when | effect |
 * | --- | --- | --- |
 * | step(t) | t is later than the newest version, no other step runs | t becomes the newest version when the generator ends |
 * | read(t) | t is held, also while a later step runs | the records of that version, in an order that is a function of the history |
 * | forgetBefore(t) | always | versions before t, but the newest, are held no more |
 * | snapshot(base) | no step runs | the newest version, captured at once; encoding it later sees no later change |
 * | restore | the store is new | the store is as the one that was captured, down to the order of its records |
 *
 * A snapshot builds on `base` where that is the version that was captured last, or restored, and the store can tell what has changed
 * since: then it holds that alone, and restoring it takes the pieces of both, base first. Else it is whole.
 *
 * Order and values are a function of the steps since the first version alone, whether or not the store was restored in between.
 * A store is owned by one fiber; user functions are called inside `step` only. A state that a user's function changes in place,
 * instead of returning a new one, is the user's mistake: an earlier version would change with it.
 * Source: Spark's `StateDStream`, `MapWithStateRDD`, `ReducedWindowedDStream`; there a version is a copy.
 */
import type { PartitionIndex } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"

/** What is read of a version: what its step emitted, or every key with its state. */
export type StateView = "emitted" | "all"

/** Records of one input of a step, by the batch that they are of. */
export interface StepInput {
  readonly time: Time
  /** Pairs whose keys belong to this partition, in the order of the plan. */
  readonly records: ReadonlyArray<readonly [key: unknown, value: unknown]>
}

/** A version in plain data (see `RecordCodec`), in pieces that can be encoded one at a time. */
export interface StateSnapshot {
  readonly time: Time
  /** The version that it builds on; undefined: it is whole. */
  readonly base: Time | undefined
  /** How many pieces there are; a piece is made when it is asked for, in order, once. */
  readonly pieces: Iterable<unknown>
}

export interface StateStore {
  /** The newest version; undefined: no step was taken yet. */
  readonly version: Time | undefined
  readonly holds: (version: Time) => boolean
  /** How many keys the newest version has. */
  readonly size: number
  /**
   * Yields every few thousand keys, so that others get their turn. Throws `UserFunctionError`; then, and where the generator is
   * closed early, the version before stands.
   */
  readonly step: (time: Time, inputs: ReadonlyArray<StepInput>) => Generator<void, void>
  /** Chunks of records. Throws where the version is not held. */
  readonly read: (version: Time, view: StateView) => Iterable<ReadonlyArray<unknown>>
  readonly forgetBefore: (time: Time) => void
  readonly snapshot: (base?: Time) => StateSnapshot
  /**
   * The pieces of a whole snapshot, then of those that build on it, in order. Throws `InvalidSnapshot` where they are not what
   * `snapshot` gave, and `StateRefused` where the program cannot go on with what they hold.
   */
  readonly restore: (time: Time, pieces: Iterable<unknown>) => void
}

/** A partition that a store is made for. */
export interface StatePartition {
  /** The operator, for errors. */
  readonly operator: string
  readonly partition: PartitionIndex
  /** Whether a key of the operator's initial state belongs to this partition. */
  readonly owns: (key: unknown) => boolean
}

/** How the stores of an operator are made: part of the program, hence the same in every process. */
export interface StateDefinition {
  /** For the lineage's digest and for snapshots: a store reads only snapshots of its own kind. */
  readonly kind: "update" | "mapWithState" | "window" | "inverseWindow"
  readonly make: (partition: StatePartition) => StateStore
}
