/**
 * Sorting inside `transform`: the records of a batch in an order, over one partition, or over ranges with bounds of the program's.
 *
 * Equal keys stay in the order in which they came, in a descending sort too. A whole partition is sorted in memory.
 * Source: Spark's `sortByKey` and `sortBy`.
 */
import { fromLineage, map, mapPartitions, mapToPair, partitionBy, type RDD, repartition } from "../RDD.ts"
import { compareKeys } from "./KeyOrder.ts"
import { byRange, RangePartitioner } from "./RangePartitioner.ts"

export interface SortOptions<in out C> {
  /** True unless told otherwise. */
  readonly ascending?: boolean | undefined
  /** The order of keys; unless told otherwise that of `KeyOrder`: numbers by value, strings by code units, tuples by element. */
  readonly compare?: ((a: C, b: C) => number) | undefined
  /**
   * The last key of each partition but the last, strictly ascending in the order of keys: n bounds make n + 1 partitions. Without
   * bounds there is one partition: nothing runs while a batch is planned, so its keys cannot be sampled for good ones.
   */
  readonly bounds?: ReadonlyArray<C> | undefined
}

type Pair = readonly [key: any, value: any]

/** The pairs in the order of their keys, all partitions one after the other. */
export const sortByKey =
  <C>(options: SortOptions<C> = {}) => <K extends C, V>(self: RDD<readonly [K, V]>): RDD<[K, V]> => {
    const { ascending = true, bounds, compare } = options
    const order = compare ?? compareKeys
    const sort = mapPartitions((records: ReadonlyArray<Pair>) =>
      records.toSorted(ascending ? (a, b) => order(a[0], b[0]) : (a, b) => order(b[0], a[0]))
    )
    if (bounds === undefined) return sort(self.numPartitions === 1 ? self : repartition(1)(self)) as RDD<any>
    if (compare !== undefined) {
      return sort(partitionBy(byRange("range by compare", bounds, ascending, compare))(self)) as RDD<any>
    }
    const partitioner = RangePartitioner(bounds, { ascending })
    return fromLineage(sort(partitionBy(partitioner)(self)).lineage, { partitioner })
  }

/** The records in the order of what `f` gives for each; `f` is asked once per record. */
export const sortBy = <A, C>(f: (record: A) => C, options?: SortOptions<C>) => (self: RDD<A>): RDD<A> =>
  self.pipe(mapToPair((record: A) => [f(record), record]), sortByKey(options), map(([, record]) => record))
