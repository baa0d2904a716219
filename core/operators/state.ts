/**
 * Operators that keep a state by key from batch to batch. Source: Spark's `PairDStreamFunctions` and `MapWithStateDStream`.
 *
 * The state of partition i lives where its tasks run (see `StateStore`); pairs are shuffled to it, unless they are spread like it.
 * A batch of the parent without a data set steps too, with no pairs.
 */
import { Predicate } from "effect"
import {
  type AnyDStream,
  type ComputeContext,
  type DStream,
  make,
  type ShuffleOptions,
  spread
} from "../dstream/DStream.ts"
import { refuseCall } from "../dstream/misuse.ts"
import { HashPartitioner, type Partitioner } from "../rdd/Partitioner.ts"
import * as RDD from "../rdd/RDD.ts"
import { mapWithState as mapWithStateDefinition } from "../state/MapWithState.ts"
import * as Schemas from "../state/snapshots/StateSchema.ts"
import type { StateSchema } from "../state/snapshots/StateSchema.ts"
import type { AnyStateSpec, StateSpec } from "../state/StateSpec.ts"
import type { StateDefinition, StateView } from "../state/StateStore.ts"
import {
  type PartitionUpdateFunction,
  type UpdateFunction,
  updateState,
  type UpdateStateOptions as UpdateDefinition
} from "../state/UpdateState.ts"
import { type DurationInput, floorTo, type Millis, millisOrNaN } from "../time/Time.ts"

/** A state that has no interval of its own gets a snapshot at the least multiple of its slide from this on. */
const checkpointMillisMin = 10_000

/** How often a snapshot of a state is taken, unless `checkpoint` says so. */
export const defaultCheckpointMillis = (slideMillis: Millis): Millis =>
  Math.ceil(checkpointMillisMin / slideMillis) * slideMillis

/** In a mapWithState stream: every so many batches. */
const mapWithStateCheckpointSlides = 10

export interface UpdateStateOptions<K, S> extends ShuffleOptions {
  /** States before the first batch; they are updated in it like any others. Of a key that comes twice the last pair counts. */
  readonly initialState?: ReadonlyArray<readonly [key: K, state: S]> | undefined
  /** Keys without new values for longer than this are dropped before the function is called. */
  readonly expireAfter?: DurationInput | undefined
  /** Which version of the program's states these are, counted from 1: to be raised when what they are changes. 1. */
  readonly version?: number | undefined
  /** By version: what makes of a state of that version one of the next. */
  readonly migrations?: StateSchema["migrations"] | undefined
}

const partitionerOf = (options: ShuffleOptions | undefined, context: ComputeContext): Partitioner => {
  const { numPartitions, partitioner } = spread(options, context)
  return partitioner ?? HashPartitioner(numPartitions!)
}

const viewOf = (state: RDD.AnyRDD, view: StateView): RDD.AnyRDD =>
  RDD.fromLineage(
    { kind: "stateView", parent: state, view },
    // what a function emits may have any key
    view === "all" ? { partitioner: state.partitioner } : {}
  )

/** One step of the state: the version of this batch, from the one before and the parent's pairs. */
const stepOf = (
  context: ComputeContext,
  options: ShuffleOptions | undefined,
  definition: StateDefinition
): RDD.AnyRDD => {
  const partitioner = partitionerOf(options, context)
  const pairs = context.parent(0)
  return RDD.fromLineage({
    kind: "state",
    inputs: pairs === undefined ? [] : [RDD.partitionBy(partitioner)(pairs)],
    inputTimes: pairs === undefined ? [] : [context.time],
    definition,
    partitioner,
    previous: context.previousState
  })
}

const updating = <K, S, E, R>(
  kind: string,
  self: AnyDStream,
  f: UpdateDefinition["f"],
  options: UpdateStateOptions<K, S> | undefined
): DStream<[K, S], E, R> => {
  const expireMillis = options?.expireAfter === undefined ? undefined : millisOrNaN(options.expireAfter)
  const initialState = options?.initialState ?? []
  const schema = Schemas.make(options?.version, options?.migrations)
  const definition = updateState({ f, initialState, expireMillis, schema })
  return make({
    kind,
    params: { f: f.update, options, expireMillis, initialState, schema },
    parents: [self],
    stateful: defaultCheckpointMillis,
    state: { kind: definition.kind, version: schema.version },
    compute: (context) => viewOf(stepOf(context, options, definition), "all")
  })
}

/**
 * `[key, state]` of every key, at every batch: the function is called with the batch's values, in order, for every known key
 * and every new one; returning undefined forgets the key. It must not change the state it is given, but return a new one. A
 * batch costs one call per key; where few keys change, `mapWithState` costs less.
 */
export const updateStateByKey = <K, V, S>(
  update: UpdateFunction<K, V, S>,
  options?: UpdateStateOptions<K, S>
) =>
<E, R>(self: DStream<readonly [K, V], E, R>): DStream<[K, S], E, R> =>
  updating("updateStateByKey", self, { kind: "key", update }, options)

/**
 * As `updateStateByKey`, for a function that gets all keys of a partition, each with its values and state, and returns the new
 * states. A key that it does not return is forgotten; one that belongs to another partition, or comes twice, fails the batch.
 */
export const updateStateByPartition = <K, V, S>(
  update: PartitionUpdateFunction<K, V, S>,
  options?: UpdateStateOptions<K, S>
) =>
<E, R>(self: DStream<readonly [K, V], E, R>): DStream<[K, S], E, R> =>
  updating("updateStateByPartition", self, { kind: "partition", update }, options)

const StateTypeId = "~dstreams/MapWithStateDStream"

/** The mapped records of `mapWithState`; `stateSnapshots` gives the states behind them. */
export interface MapWithStateDStream<out K, out S, out M, out E = never, out R = never> extends DStream<M, E, R> {
  readonly [StateTypeId]: { readonly _K: (_: never) => K; readonly _S: (_: never) => S }
}

const stateVariance = { _K: (_: never) => _, _S: (_: never) => _ }

const isMapWithState = (stream: unknown): boolean => Predicate.hasProperty(stream, StateTypeId)

/**
 * What the spec's function returns for each value, in order, with a state per key at hand. A batch costs what it touches: keys
 * without values are not visited.
 */
export const mapWithState =
  <K, V, S, M>(spec: StateSpec<K, V, S, M>) =>
  <E, R>(self: DStream<readonly [K, V], E, R>): MapWithStateDStream<K, S, M, E, R> => {
    const { f, initialState, numPartitions, partitioner, schema = Schemas.first, sweep, timeoutMillis } =
      (spec ?? {}) as AnyStateSpec
    const options = { numPartitions, partitioner }
    const stream = make<M, E, R>({
      kind: "mapWithState",
      params: { f, options, initialState, timeoutMillis, sweep, schema },
      parents: [self],
      stateful: (slideMillis) => mapWithStateCheckpointSlides * slideMillis,
      state: { kind: "mapWithState", version: schema.version },
      compute: (context) => {
        const { checkpointMillis, slideMillis, zeroTime } = context
        const every = sweep === "batch" ? slideMillis : checkpointMillis ?? slideMillis
        const definition = mapWithStateDefinition({
          f,
          initialState,
          timeoutMillis,
          schema,
          // as snapshots: a multiple of the interval has been reached since the batch before, which may lie far back
          sweeps: (time, before = zeroTime) => floorTo(time - zeroTime, every) > floorTo(before - zeroTime, every)
        })
        return viewOf(stepOf(context, options, definition), "emitted")
      }
    })
    return Object.assign(stream, { [StateTypeId]: stateVariance as MapWithStateDStream<K, S, M>[typeof StateTypeId] })
  }

/** `[key, state]` of every key of a mapWithState stream, at every batch. */
export const stateSnapshots = <K, S, M, E, R>(self: MapWithStateDStream<K, S, M, E, R>): DStream<[K, S], E, R> => {
  refuseCall("stateSnapshots", self)
  return make({
    kind: "stateSnapshots",
    params: { isMapWithState: isMapWithState(self) },
    parents: [self],
    compute: (context) => {
      const mapped = context.parent(0)
      return mapped && viewOf(stateBehind(mapped), "all")
    }
  })
}

/** The state that an RDD of a mapWithState stream is a view of, persisted or not. */
const stateBehind = (mapped: RDD.AnyRDD): RDD.AnyRDD => {
  const { lineage } = mapped
  if (lineage.kind === "stateView") return lineage.parent
  if (lineage.kind === "persisted") return stateBehind(lineage.parent)
  throw new Error("stateSnapshots was given a stream that mapWithState did not make")
}

/**
 * How often a snapshot of a stream's state is taken, from which a lost one is restored: a multiple of its slide. The stream
 * must keep a state; take the stream that this returns in place of the one it was given, for they are two with a state each.
 */
export const checkpoint = (interval: DurationInput) => <S extends AnyDStream>(self: S): S =>
  Object.assign(Object.create(Object.getPrototypeOf(self)), self, { checkpointMillis: millisOrNaN(interval) })
