/**
 * RDD: the lineage of a data set. It holds no data, only how its partitions come from those of its parents.
 *
 * An RDD is made unnamed. `getOrCompute` seals what an operator returns: every RDD of it that has no id gets
 * `stream@time:position`, where position is its place in a walk from parents to children. Lineage being a function of graph
 * and plans, every process derives the same ids. RDDs are compared by id, never by reference.
 *
 * Planning and acting are different types: an RDD can be transformed, not run. Source: Spark's `RDD`.
 */
import { Pipeable } from "effect"
import type { PartitionSpec } from "../dstream/BatchPlan.ts"
import type { ReaderOf } from "../dstream/InputDStream.ts"
import type { RddId, StreamId } from "../protocol/Ids.ts"
import type { StorageLevel } from "../receiving/Receiver.ts"
import type { StateDefinition, StateView } from "../state/StateStore.ts"
import type { Time } from "../time/Time.ts"
import type { NarrowOp } from "./NarrowOp.ts"
import { owned } from "./copyValue.ts"
import { refuseDeferredReduction } from "./fusion/FunctionMistake.ts"
import { KeyedMap } from "./KeyedMap.ts"
import { HashPartitioner, type Partitioner, spreadAlike } from "./Partitioner.ts"
import { type Combiner, numPartitionsOf, type ShuffleDependency } from "./ShuffleDependency.ts"

export const TypeId = "~dstreams/RDD"

/** Where the partitions of an RDD come from. */
export type Lineage =
  /** Partition i is what the batch plan says under `partitions[i]` of an input stream. */
  | { readonly kind: "input"; readonly stream: StreamId; readonly partitions: ReadonlyArray<PartitionSpec> }
  /** Partition i is the i-th list, part of the program itself. */
  | { readonly kind: "literal"; readonly partitions: ReadonlyArray<ReadonlyArray<unknown>> }
  /** Partition i is what the reader finds under the i-th value, such as a range of offsets: both are part of the program. */
  | { readonly kind: "reading"; readonly reader: ReaderOf<unknown>; readonly values: ReadonlyArray<unknown> }
  | { readonly kind: "narrow"; readonly parent: AnyRDD; readonly op: NarrowOp }
  /** The partitions of the parents, one parent after the other. */
  | { readonly kind: "union"; readonly parents: ReadonlyArray<AnyRDD> }
  | { readonly kind: "shuffled"; readonly parent: AnyRDD; readonly dependency: ShuffleDependency }
  /** Partition i is what `f` makes of partition i of every parent; all have as many partitions. */
  | {
    readonly kind: "zipped"
    readonly parents: ReadonlyArray<AnyRDD>
    readonly name: string
    readonly f: ZipPartitions
  }
  /** The parent's partitions, kept by the executor that computed them. */
  | { readonly kind: "persisted"; readonly parent: AnyRDD; readonly level: StorageLevel }
  /** A version of a state, made from the one before and from the inputs, which are spread as it is. Read through a view. */
  | {
    readonly kind: "state"
    readonly inputs: ReadonlyArray<AnyRDD>
    /** The batch that each input is of. */
    readonly inputTimes: ReadonlyArray<Time>
    readonly definition: StateDefinition
    readonly partitioner: Partitioner
    /** The version before, by name: the lineage of one batch ends there. Undefined: this is the first. */
    readonly previous: RddId | undefined
  }
  | { readonly kind: "stateView"; readonly parent: AnyRDD; readonly view: StateView }

/** Records of one partition from those of each parent; it must not change the lists it is given. */
export type ZipPartitions = (parts: ReadonlyArray<ReadonlyArray<any>>) => Iterable<unknown>

/** Given when the RDD is sealed. */
export interface Identity {
  readonly id: RddId
  readonly operator: StreamId
  readonly time: Time
}

export interface RDD<out A> extends Pipeable.Pipeable {
  readonly [TypeId]: { readonly _A: (_: never) => A }
  readonly lineage: Lineage
  readonly numPartitions: number
  /** How the records are spread by key, where that is known. */
  readonly partitioner: Partitioner | undefined
  readonly identity: Identity | undefined
}

export type AnyRDD = RDD<any>

/** How a shuffle spreads its keys: by hash over as many partitions as the parent has, unless told otherwise. */
export interface ShuffleOptions {
  readonly numPartitions?: number | undefined
  readonly partitioner?: Partitioner | undefined
}

const variance = { _A: (_: never) => _ }

/** An RDD of this lineage, without a name unless `identity` gives one. */
export const fromLineage = <A>(
  lineage: Lineage,
  options: { readonly partitioner?: Partitioner | undefined; readonly identity?: Identity | undefined } = {}
): RDD<A> =>
  Object.assign(Object.create(Pipeable.Prototype), {
    [TypeId]: variance,
    lineage,
    numPartitions: countPartitions(lineage),
    partitioner: partitionerOf(lineage) ?? options.partitioner,
    identity: options.identity
  })

/** How the lineage itself says that records are spread by key. */
const partitionerOf = (lineage: Lineage): Partitioner | undefined => {
  switch (lineage.kind) {
    case "shuffled":
      return lineage.dependency.kind === "byKey" ? lineage.dependency.partitioner : undefined
    case "persisted":
      return lineage.parent.partitioner
    case "state":
      return lineage.partitioner
    default:
      return undefined
  }
}

const countPartitions = (lineage: Lineage): number => {
  switch (lineage.kind) {
    case "input":
    case "literal":
      return lineage.partitions.length
    case "reading":
      return lineage.values.length
    case "narrow":
    case "persisted":
    case "stateView":
      return lineage.parent.numPartitions
    case "zipped":
      return lineage.parents[0]!.numPartitions
    case "state":
      return lineage.partitioner.numPartitions
    case "union":
      return lineage.parents.reduce((sum, parent) => sum + parent.numPartitions, 0)
    case "shuffled":
      return numPartitionsOf(lineage.dependency)
  }
}

/** The RDDs that an RDD is computed from, in order. */
export const parentsOf = (rdd: AnyRDD): ReadonlyArray<AnyRDD> => {
  switch (rdd.lineage.kind) {
    case "input":
    case "literal":
    case "reading":
      return []
    case "union":
    case "zipped":
      return rdd.lineage.parents
    case "state":
      return rdd.lineage.inputs
    default:
      return [rdd.lineage.parent]
  }
}

/** The same RDD over other parents (sealed copies), with an identity. */
export const sealed = (
  rdd: AnyRDD,
  parents: ReadonlyArray<AnyRDD>,
  identity: Identity
): AnyRDD & { identity: Identity } => {
  return fromLineage(over(rdd.lineage, parents), { partitioner: rdd.partitioner, identity }) as AnyRDD & {
    identity: Identity
  }
}

const over = (lineage: Lineage, parents: ReadonlyArray<AnyRDD>): Lineage => {
  switch (lineage.kind) {
    case "input":
    case "literal":
    case "reading":
      return lineage
    case "union":
    case "zipped":
      return { ...lineage, parents }
    case "state":
      return { ...lineage, inputs: parents }
    default:
      return { ...lineage, parent: parents[0]! }
  }
}

/**
 * Records that are part of the program, cut into partitions in order: partition i of p holds the records from
 * floor(i n / p) up to floor((i + 1) n / p).
 */
export const of = <A>(records: ReadonlyArray<A>, numPartitions = 1): RDD<A> =>
  fromLineage({ kind: "literal", partitions: cut(records, numPartitions) })

/** Cuts records into partitions in order, as evenly as can be. */
export const cut = <A>(records: ReadonlyArray<A>, numPartitions: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from(
    { length: numPartitions },
    (_, i) =>
      records.slice(
        Math.floor(i * records.length / numPartitions),
        Math.floor((i + 1) * records.length / numPartitions)
      )
  )

/** One partition per value: what the reader finds there. A reader is known by its identity: make it once, not for each batch. */
export const reading = <A, E>(reader: ReaderOf<A, E>, values: ReadonlyArray<unknown>): RDD<A> =>
  fromLineage({ kind: "reading", reader, values })

const narrow = <B>(parent: AnyRDD, op: NarrowOp, partitioner?: Partitioner): RDD<B> =>
  fromLineage({ kind: "narrow", parent, op }, { partitioner })

/** Each record through `f`. */
export const map = <A, B>(f: (record: A) => B) => (self: RDD<A>): RDD<B> => narrow(self, { kind: "map", f })

/** As `map`, for a function that makes pairs: its tuple is inferred as a tuple. */
export const mapToPair = <A, K, V>(f: (record: A) => readonly [K, V]) => (self: RDD<A>): RDD<[K, V]> =>
  narrow(self, { kind: "map", f })

/** The records for which `f` is true. */
export const filter: {
  <A, B extends A>(f: (record: A) => record is B): (self: RDD<A>) => RDD<B>
  <A>(f: (record: A) => boolean): (self: RDD<A>) => RDD<A>
} = <A>(f: (record: A) => boolean) => (self: RDD<A>): RDD<A> => narrow(self, { kind: "filter", f }, self.partitioner)

/** What `f` gives for each record, in place. */
export const flatMap = <A, B>(f: (record: A) => Iterable<B>) => (self: RDD<A>): RDD<B> =>
  narrow(self, { kind: "flatMap", f })

/** The value of each pair through `f`. */
export const mapValues = <V, W>(f: (value: V) => W) => <K>(self: RDD<readonly [K, V]>): RDD<[K, W]> =>
  narrow(self, { kind: "mapValues", f }, self.partitioner)

/** One pair per value that `f` gives. */
export const flatMapValues = <V, W>(f: (value: V) => Iterable<W>) => <K>(self: RDD<readonly [K, V]>): RDD<[K, W]> =>
  narrow(self, { kind: "flatMapValues", f }, self.partitioner)

/** All records of a partition at once, also of an empty one. `f` must not change the list it is given. */
export const mapPartitions = <A, B>(f: (records: ReadonlyArray<A>) => Iterable<B>) => (self: RDD<A>): RDD<B> =>
  narrow(self, { kind: "mapPartitions", f })

/** Each partition becomes one record: the list of its records. */
export const glom = <A>(self: RDD<A>): RDD<ReadonlyArray<A>> =>
  narrow(self, { kind: "mapPartitions", f: glomPartition })

const glomPartition = (records: ReadonlyArray<unknown>) => [records.slice()]

/** All partitions of the RDDs, one RDD after the other. */
export const unionAll = <A>(rdds: ReadonlyArray<RDD<A>>): RDD<A> => fromLineage({ kind: "union", parents: rdds })

export const union = <B>(that: RDD<B>) => <A>(self: RDD<A>): RDD<A | B> => unionAll<A | B>([self, that])

/** The records spread evenly over that many partitions. */
export const repartition = (numPartitions: number) => <A>(self: RDD<A>): RDD<A> =>
  fromLineage({ kind: "shuffled", parent: self, dependency: { kind: "spread", numPartitions } })

/** What is spread by the partitioner already stays where it is. */
const byKey = <A>(self: AnyRDD, options: ShuffleOptions | undefined, combiner: Combiner | undefined): RDD<A> => {
  const { numPartitions, partitioner = HashPartitioner(numPartitions ?? Math.max(1, self.numPartitions)) } = options ??
    {}
  if (self.partitioner === undefined || !spreadAlike(self.partitioner, partitioner)) {
    return fromLineage({ kind: "shuffled", parent: self, dependency: { kind: "byKey", partitioner, combiner } })
  }
  return combiner === undefined
    ? self
    : fromLineage({ kind: "zipped", parents: [self], name: "combine", f: combineInPlace(combiner) }, { partitioner })
}

const combineInPlace = ({ create, mergeValue }: Combiner): ZipPartitions => ([pairs]) => {
  const slots = new KeyedMap()
  const combined: Array<unknown> = []
  let created: unknown
  let merged = 0
  for (const [key, value] of pairs!) {
    const slot = slots.slotOf(key)
    if (slot < combined.length) combined[merged = slot] = mergeValue(combined[slot], value)
    else combined.push(created = owned(create(value), value))
  }
  refuseDeferredReduction(created)
  refuseDeferredReduction(combined[merged])
  return slots.keys.map((key, slot) => [key, combined[slot]])
}

/** Pairs moved to where the partitioner says their key belongs; the RDD itself, if they are there already. */
export const partitionBy = (partitioner: Partitioner) => <K, V>(self: RDD<readonly [K, V]>): RDD<[K, V]> =>
  byKey(self, { partitioner }, undefined)

export interface CombineOptions extends ShuffleOptions {
  /** Combine before the shuffle too; true unless told otherwise. */
  readonly mapSideCombine?: boolean | undefined
}

/** The values of each key combined: `create` from the first, `mergeValue` in a partition, `mergeCombiners` across. */
export const combineByKey = <V, C>(
  create: (value: V) => C,
  mergeValue: (combined: C, value: V) => C,
  mergeCombiners: (a: C, b: C) => C,
  options?: CombineOptions
) =>
<K>(self: RDD<readonly [K, V]>): RDD<[K, C]> =>
  byKey(self, options, { create, mergeValue, mergeCombiners, mapSide: options?.mapSideCombine ?? true })

const itself = <A>(value: A) => value

/** The values of each key reduced by `f`, which has to be associative and commutative. */
export const reduceByKey =
  <K, V>(f: (a: V, b: V) => V, options?: ShuffleOptions) => (self: RDD<readonly [K, V]>): RDD<[K, V]> =>
    byKey(self, options, { create: itself, mergeValue: f, mergeCombiners: f, mapSide: true })

const group: Combiner = {
  create: (value) => [value],
  mergeValue: (values, value) => (values.push(value), values),
  mergeCombiners: (a, b) => a.concat(b),
  mapSide: false
}

/** The list of values of each key, in the order of partitions and records. */
export const groupByKey = (options?: ShuffleOptions) => <K, V>(self: RDD<readonly [K, V]>): RDD<[K, Array<V>]> =>
  byKey(self, options, group)

/** One partition with one record, the reduction of all; no record if there was none. */
export const reduce = <A>(f: (a: A, b: A) => A) => (self: RDD<A>): RDD<A> => {
  const op: NarrowOp = { kind: "reducePartition", f }
  return narrow(repartition(1)(narrow(self, op)), op)
}

const total = (counts: ReadonlyArray<number>) => [counts.reduce((a, b) => a + b, 0)]

/** One partition with one record: how many records there are. */
export const count = <A>(self: RDD<A>): RDD<number> =>
  narrow(repartition(1)(narrow(self, { kind: "countPartition" })), { kind: "mapPartitions", f: total })

const toCountPair = <A>(record: A): [A, number] => [record, 1]
const add = (a: number, b: number) => a + b

/** How often each record occurs. */
export const countByValue = (options?: ShuffleOptions) => <A>(self: RDD<A>): RDD<[A, number]> =>
  reduceByKey<A, number>(add, options)(narrow(self, { kind: "map", f: toCountPair }))
