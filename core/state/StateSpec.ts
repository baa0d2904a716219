/**
 * StateSpec: what `mapWithState` is to do, as a value that is made step by step:
 * `StateSpec.make(f).pipe(StateSpec.timeout("30 seconds"), StateSpec.numPartitions(4))`. Source: Spark's `StateSpec`.
 */
import { Pipeable } from "effect"
import type { Partitioner } from "../rdd/Partitioner.ts"
import { type DurationInput, type Millis, millisOrNaN, type Time } from "../time/Time.ts"
import * as Schemas from "./snapshots/StateSchema.ts"
import type { Migration, StateSchema } from "./snapshots/StateSchema.ts"
import type { State } from "./State.ts"

/**
 * Called for each value of a key, in the order of the records, and once without a value when the key is timing out. What it
 * returns is a record of the mapped stream; undefined: there is none.
 */
export type MappingFunction<in K, in V, in out S, out M> = (
  key: K,
  value: V | undefined,
  state: State<S>,
  batch: { readonly time: Time }
) => M | undefined

/** When keys that are timing out are looked for: at batches that a snapshot is due of, as in Spark, or at every batch. */
export type Sweep = "checkpoint" | "batch"

export interface StateSpec<in K, in V, in out S, out M> extends Pipeable.Pipeable {
  readonly f: MappingFunction<K, V, S, M>
  readonly initialState: ReadonlyArray<readonly [key: any, state: S]>
  readonly numPartitions: number | undefined
  readonly partitioner: Partitioner | undefined
  /** NaN: what was given is no duration. */
  readonly timeoutMillis: Millis | undefined
  readonly sweep: Sweep
  readonly schema: StateSchema
}

export type AnyStateSpec = StateSpec<any, any, any, any>

const Proto = { ...Pipeable.Prototype }

const specOf = <K, V, S, M>(spec: Omit<StateSpec<K, V, S, M>, "pipe">): StateSpec<K, V, S, M> =>
  Object.assign(Object.create(Proto), spec)

/** A spec without initial state and timeout, over as many partitions as `defaultParallelism` says. */
export const make = <K, V, S, M>(f: MappingFunction<K, V, S, M>): StateSpec<K, V, S, M> =>
  specOf<K, V, S, M>({
    f,
    initialState: [],
    numPartitions: undefined,
    partitioner: undefined,
    timeoutMillis: undefined,
    sweep: "checkpoint",
    schema: Schemas.first
  })

/** States before the first batch, updated at the first batch's time. Of a key that comes twice the last pair counts. */
export const initialState =
  <K, S>(pairs: Iterable<readonly [key: K, state: S]>) => <V, M>(self: StateSpec<K, V, S, M>): StateSpec<K, V, S, M> =>
    specOf<K, V, S, M>({ ...self, initialState: Array.from(pairs) })

/** Over how many partitions the states are spread, by hash. */
export const numPartitions =
  (numPartitions: number) => <K, V, S, M>(self: StateSpec<K, V, S, M>): StateSpec<K, V, S, M> =>
    specOf<K, V, S, M>({ ...self, numPartitions, partitioner: undefined })

export const partitioner =
  (partitioner: Partitioner) => <K, V, S, M>(self: StateSpec<K, V, S, M>): StateSpec<K, V, S, M> =>
    specOf<K, V, S, M>({ ...self, partitioner, numPartitions: undefined })

/**
 * A key that gets no value for longer than this is forgotten, after a call of the function with `state.isTimingOut()`. Any
 * value renews it, whether or not its state is updated. By default idle keys are looked for when a snapshot is due.
 */
export const timeout =
  (duration: DurationInput, options?: { readonly sweep?: Sweep | undefined }) =>
  <K, V, S, M>(self: StateSpec<K, V, S, M>): StateSpec<K, V, S, M> =>
    specOf<K, V, S, M>({ ...self, timeoutMillis: millisOrNaN(duration), sweep: options?.sweep ?? "checkpoint" })

/**
 * Which version of the program's states these are, counted from 1: to be raised when what they are changes. `migrations[n]` makes of a
 * state of version n one of version n + 1; undefined forgets the key.
 */
export const version =
  (version: number, migrations: Readonly<Record<number, Migration>> = {}) =>
  <K, V, S, M>(self: StateSpec<K, V, S, M>): StateSpec<K, V, S, M> =>
    specOf<K, V, S, M>({ ...self, schema: Schemas.make(version, migrations) })
