/**
 * DStream: a discretized stream, one RDD per batch, as an immutable value that holds its parents.
 *
 * Nothing is registered anywhere: a program is the outputs that a `StreamingApp` gathers, and sharing a value shares the node.
 * Functions are data-last; pair operations type-check on pairs only. `E` and `R` are the errors and requirements of the Effects
 * in the stream, met by the app's layer. An operator is a kind, its parameters, its parents and `compute`, the lineage of one
 * batch; adding one needs no change elsewhere. Source: Spark Streaming's `DStream` and `PairDStreamFunctions`.
 */
import { type Effect, Pipeable, Predicate } from "effect"
import type { RddId } from "../protocol/Ids.ts"
import * as RDD from "../rdd/RDD.ts"
import type { Partitioner } from "../rdd/Partitioner.ts"
import type { Receiver } from "../receiving/Receiver.ts"
import type { StateDefinition } from "../state/StateStore.ts"
import type { Millis, Time } from "../time/Time.ts"
import type { InputDefinition } from "./InputDStream.ts"
import { refuseCall, refuseStream } from "./misuse.ts"
import type * as Side from "./SideValue.ts"

export const TypeId = "~dstreams/DStream"

/** What `compute` may ask while the lineage of one batch is made. */
export interface ComputeContext {
  readonly time: Time
  /** The RDD of parent `index` at `time` (this batch unless told otherwise); undefined: it has none. */
  readonly parent: (index: number, time?: Time) => RDD.AnyRDD | undefined
  /** What the batch plan says of this stream's input. */
  readonly input: RDD.AnyRDD | undefined
  /** A side value of this operator, as recorded for this batch. */
  readonly sideValue: (key: string) => unknown
  /** Partitions of a shuffle that was not told how many. */
  readonly defaultParallelism: number
  readonly batchMillis: Millis
  /** Time between two RDDs of this stream. */
  readonly slideMillis: Millis
  /** Time between two RDDs of parent `index`. */
  readonly parentSlide: (index: number) => Millis
  readonly zeroTime: Time
  /** Of a stateful operator: how often a snapshot of its state is taken, from zero time on. */
  readonly checkpointMillis: Millis | undefined
  /** When this stream had its last batch; zero time if this is the first. Ticks may have been missed since. */
  readonly previousTime: Time
  /** Of a stateful operator: the version of that batch; undefined: there is none. */
  readonly previousState: RddId | undefined
}

/** Of the state of an operator: what keeps it, and the schema version of the program's own part (see `StateSchema`). */
export interface StateOf {
  readonly kind: StateDefinition["kind"]
  readonly version: number
}

export interface DStream<out A, out E = never, out R = never> extends Pipeable.Pipeable {
  readonly [TypeId]: { readonly _A: (_: never) => A; readonly _E: (_: never) => E; readonly _R: (_: never) => R }
  readonly kind: string
  /** What the operator was made with: functions, counts, options. */
  readonly params: Readonly<Record<string, unknown>>
  readonly parents: ReadonlyArray<AnyDStream>
  readonly name: string | undefined
  readonly input: InputDefinition<any, any, any> | undefined
  readonly sideValues: Side.SideValues
  readonly compute: (context: ComputeContext) => RDD.AnyRDD | undefined
  /** Time between two RDDs of this stream, given that of the batch and of its parents. */
  readonly slide: (batchMillis: Millis, parents: ReadonlyArray<Millis>) => Millis
  /** How much longer than this stream its parents have to remember. */
  readonly parentRemember: (batchMillis: Millis) => Millis
  /** Keeps state from batch to batch: how often a snapshot of it is taken, given the slide, unless `checkpoint` says so. */
  readonly stateful: ((slideMillis: Millis) => Millis) | undefined
  /** What it keeps, for recovery to compare. */
  readonly state: StateOf | undefined
  /** How often a snapshot of the state shall be taken; undefined: as the operator's kind has it. */
  readonly checkpointMillis: Millis | undefined
}

export type AnyDStream = DStream<any, any, any>

export const isDStream = (value: unknown): value is AnyDStream => Predicate.hasProperty(value, TypeId)

/** The type of the records of a stream. */
export type RecordOf<S> = S extends DStream<infer A, any, any> ? A : never

const variance = { _A: (_: never) => _, _E: (_: never) => _, _R: (_: never) => _ }

export interface Operator {
  readonly kind: string
  readonly params?: Readonly<{ [name: string]: unknown }>
  readonly parents: ReadonlyArray<AnyDStream>
  readonly compute: DStream<any>["compute"]
  readonly input?: InputDefinition<any, any, any>
  readonly sideValues?: Side.SideValues
  readonly slide?: DStream<any>["slide"]
  readonly parentRemember?: DStream<any>["parentRemember"]
  readonly stateful?: (slideMillis: Millis) => Millis
  readonly state?: StateOf
}

const Proto = {
  ...Pipeable.Prototype,
  [TypeId]: variance,
  name: undefined,
  params: {},
  input: undefined,
  sideValues: {},
  stateful: undefined,
  state: undefined,
  checkpointMillis: undefined
}

/** A stream from the description of its operator: how every operator below is made, and how new ones are. */
export const make = <A, E, R>(operator: Operator): DStream<A, E, R> =>
  Object.assign(Object.create(Proto), {
    slide: (batchMillis: Millis, parents: ReadonlyArray<Millis>) => parents[0] ?? batchMillis,
    parentRemember: () => 0
  }, operator)

/** Gives the operator a stable name, under which its state, checkpoints, metrics and errors go. */
export const named = (name: string) => <S extends AnyDStream>(self: S): S =>
  Object.assign(Object.create(Proto), { ...self, name })

/** A stream of the records of an input. */
export const fromInput = <A, E, R>(
  kind: string,
  input: InputDefinition<A, E, R>,
  params: { readonly [name: string]: unknown } = {}
): DStream<A, E, R> => make({ kind, params, parents: [], input, compute: (context) => context.input })

export interface ReceiverOptions<A> {
  /** Makes records of a block that was stored as bytes; without it, each such block is one record, the bytes. */
  readonly decode?: ((bytes: Uint8Array) => ReadonlyArray<A>) | undefined
}

/** A stream of what a receiver stores; it runs on an executor. */
export const receiverStream = <A, E, R>(
  receiver: Receiver<A, E, R>,
  options: ReceiverOptions<A> = {}
): DStream<A, E, R> => fromInput("receiver", { kind: "receiver", receiver, decode: options.decode }, { receiver })

export type Lift = <A, B>(
  kind: string,
  params: { readonly [name: string]: unknown },
  f: (rdd: RDD.RDD<A>, context: ComputeContext) => RDD.RDD<B>
) => <E, R>(self: DStream<A, E, R>) => DStream<B, E, R>

/** An operator over one parent: where the parent has no RDD, neither has this. */
export const lift: Lift = (kind, params, f) => (self) =>
  make({
    kind,
    params,
    parents: [self],
    compute: (context) => {
      const rdd = context.parent(0)
      return rdd === undefined ? undefined : f(rdd, context)
    }
  })

/** Each record through `f`. For pairs use `mapToPair`. */
export const map = <A, B>(f: (record: A) => B): <E, R>(self: DStream<A, E, R>) => DStream<B, E, R> =>
  lift("map", { f }, RDD.map(f))

/** Each record to a pair; the tuple is inferred as `[K, V]`. */
export const mapToPair = <A, K, V>(
  f: (record: A) => readonly [K, V]
): <E, R>(self: DStream<A, E, R>) => DStream<[K, V], E, R> => lift("mapToPair", { f }, RDD.mapToPair(f))

/** What `f` gives for each record, in place. */
export const flatMap = <A, B>(f: (record: A) => Iterable<B>): <E, R>(self: DStream<A, E, R>) => DStream<B, E, R> =>
  lift("flatMap", { f }, RDD.flatMap(f))

/** The records for which `f` is true. */
export const filter: {
  <A, B extends A>(f: (record: A) => record is B): <E, R>(self: DStream<A, E, R>) => DStream<B, E, R>
  <A>(f: (record: A) => boolean): <E, R>(self: DStream<A, E, R>) => DStream<A, E, R>
} = <A>(f: (record: A) => boolean): <E, R>(self: DStream<A, E, R>) => DStream<A, E, R> =>
  lift("filter", { f }, RDD.filter(f))

/** The value of each pair through `f`. */
export const mapValues = <V, W>(
  f: (value: V) => W
): <K, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, W], E, R> =>
  lift<readonly [any, V], [any, W]>("mapValues", { f }, RDD.mapValues(f)) as any

/** One pair per value that `f` gives for a pair's value. */
export const flatMapValues = <V, W>(
  f: (value: V) => Iterable<W>
): <K, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, W], E, R> =>
  lift<readonly [any, V], [any, W]>("flatMapValues", { f }, RDD.flatMapValues(f)) as any

/** All records of a partition at once, also of an empty one. `f` must not change the list it is given. */
export const mapPartitions = <A, B>(
  f: (records: ReadonlyArray<A>) => Iterable<B>
): <E, R>(self: DStream<A, E, R>) => DStream<B, E, R> => lift("mapPartitions", { f }, RDD.mapPartitions(f))

/** Each partition becomes one record: the list of its records. */
export const glom = <A, E, R>(self: DStream<A, E, R>): DStream<ReadonlyArray<A>, E, R> => {
  refuseCall("glom", self)
  return lift<A, ReadonlyArray<A>>("glom", {}, (rdd) => RDD.glom(rdd))(self)
}

/** The records spread evenly over that many partitions. */
export const repartition = (numPartitions: number): <A, E, R>(self: DStream<A, E, R>) => DStream<A, E, R> =>
  lift("repartition", { numPartitions }, RDD.repartition(numPartitions)) as any

export interface MapEffectOptions {
  /** How many records of a partition may be under way at once; 1 unless told otherwise. */
  readonly concurrency?: number | undefined
}

/** Each record through an Effect, on the executors; results keep the order of the records. Failing fails the task. */
export const mapEffect = <A, B, E1, R1>(
  f: (record: A) => Effect.Effect<B, E1, R1>,
  options?: MapEffectOptions
): <E, R>(self: DStream<A, E, R>) => DStream<B, E | E1, R | R1> => {
  const concurrency = options?.concurrency ?? 1
  return lift<A, B>(
    "mapEffect",
    { f, concurrency },
    (parent) => RDD.fromLineage({ kind: "narrow", parent, op: { kind: "mapEffect", f, concurrency } })
  ) as any
}

export const needed = (context: ComputeContext, index: number, kind: string): RDD.AnyRDD => {
  const rdd = context.parent(index)
  if (rdd === undefined) {
    throw new Error(`${kind} needs a data set from each of its parents, and parent ${index} has none at this time`)
  }
  return rdd
}

/** The records of all streams, at least one, one stream after the other. All must have the same slide. */
export const unionAll = <A, E, R>(streams: ReadonlyArray<DStream<A, E, R>>): DStream<A, E, R> =>
  make({
    kind: "union",
    parents: streams,
    compute: (context) => RDD.unionAll(streams.map((_, index) => needed(context, index, "union")))
  })

/** This stream's records, then those of `that`. */
export const union = <B, E2, R2>(
  that: DStream<B, E2, R2>
): <A, E, R>(self: DStream<A, E, R>) => DStream<A | B, E | E2, R | R2> =>
(self) => unionAll<any, any, any>([self, that])

/** How a shuffle of a stream spreads its keys; the default number of partitions is the setting `defaultParallelism`. */
export interface ShuffleOptions {
  readonly numPartitions?: number | undefined
  readonly partitioner?: Partitioner | undefined
}

export const spread = <O extends ShuffleOptions>(options: O | undefined, context: ComputeContext): O =>
  ({ ...options, numPartitions: options?.numPartitions ?? context.defaultParallelism }) as O

/** The values of each key of a batch reduced by `f`, which has to be associative and commutative. */
export const reduceByKey = <K, V>(
  f: (a: V, b: V) => V,
  options?: ShuffleOptions
): <E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, V], E, R> =>
  lift("reduceByKey", { f, options }, (rdd, context) => RDD.reduceByKey<K, V>(f, spread(options, context))(rdd))

/** The values of each key of a batch combined. */
export const combineByKey = <V, C>(
  create: (value: V) => C,
  mergeValue: (combined: C, value: V) => C,
  mergeCombiners: (a: C, b: C) => C,
  options?: RDD.CombineOptions
): <K, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, C], E, R> =>
  lift<readonly [any, V], [any, C]>(
    "combineByKey",
    { create, mergeValue, mergeCombiners, options },
    (rdd, context) => RDD.combineByKey(create, mergeValue, mergeCombiners, spread(options, context))(rdd)
  ) as any

/** The list of values of each key of a batch. */
export const groupByKey = (
  options?: ShuffleOptions
): <K, V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, Array<V>], E, R> => {
  refuseStream("groupByKey", options)
  return lift<readonly [any, any], [any, Array<any>]>(
    "groupByKey",
    { options },
    (rdd, context) => RDD.groupByKey(spread(options, context))(rdd)
  ) as any
}

/** One record per non-empty batch: its reduction. */
export const reduce = <A>(f: (a: A, b: A) => A): <E, R>(self: DStream<A, E, R>) => DStream<A, E, R> =>
  lift("reduce", { f }, RDD.reduce(f))

/** One record per batch: how many records it has. */
export const count = <A, E, R>(self: DStream<A, E, R>): DStream<number, E, R> => {
  refuseCall("count", self)
  return lift<A, number>("count", {}, (rdd) => RDD.count(rdd))(self)
}

/** How often each record occurs in a batch. */
export const countByValue = (
  options?: ShuffleOptions
): <A, E, R>(self: DStream<A, E, R>) => DStream<[A, number], E, R> => {
  refuseStream("countByValue", options)
  return lift<any, [any, number]>(
    "countByValue",
    { options },
    (rdd, context) => RDD.countByValue(spread(options, context))(rdd)
  ) as any
}

export { make as sideValue } from "./SideValue.ts"
export { collectTo, foreachBatch, foreachPartition, print, toSink } from "./Output.ts"
