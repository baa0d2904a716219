/**
 * Joins: two RDDs of pairs brought together by key.
 *
 * - Both sides are spread by one partitioner, and partition i of the result is made of partition i of each.
 * - Keys are compared by structure (see `KeyHash`). They come in the order in which they first appear, left side first; values in
 *   the order in which they arrive; a join pairs each value of the left with each of the right, the left one outermost.
 * - Values of one key are held in memory, their pairs are not: they are made as they are asked for.
 * - A side that has no value for a key is `null` in an outer join: undefined would not survive every encoding.
 *
 * Source: Spark's `PairRDDFunctions`.
 */
import { KeyedMap } from "../KeyedMap.ts"
import { flatMapValues, fromLineage, partitionBy, type RDD, type ShuffleOptions, type ZipPartitions } from "../RDD.ts"
import { defaultPartitioner } from "./Partitioning.ts"

/** For each key of either side the values of this RDD and those of `that`, each list possibly empty. */
export const cogroup = <K, W>(that: RDD<readonly [K, W]>, options?: ShuffleOptions) =>
<V>(
  self: RDD<readonly [K, V]>
): RDD<[K, [Array<V>, Array<W>]]> => {
  const partitioner = defaultPartitioner([self, that], options)
  const parents = [partitionBy(partitioner)(self), partitionBy(partitioner)(that)]
  return fromLineage({ kind: "zipped", parents, name: "cogroup", f: groupSides }, { partitioner })
}

const groupSides: ZipPartitions = (sides) => {
  const keys = new KeyedMap()
  const groups: Array<[key: unknown, sides: Array<Array<unknown>>]> = []
  for (let side = 0; side < sides.length; side++) {
    for (const record of sides[side]!) {
      const slot = keys.slotOf(record[0])
      if (slot === groups.length) groups.push([record[0], sides.map(() => [])])
      groups[slot]![1][side]!.push(record[1])
    }
  }
  return groups
}

/** For each key on both sides, each value of this RDD with each of `that`. */
export const join =
  <K, W>(that: RDD<readonly [K, W]>, options?: ShuffleOptions) => <V>(self: RDD<readonly [K, V]>): RDD<[K, [V, W]]> =>
    flatMapValues(([left, right]: [Array<V>, Array<W>]) => pairUp(left, right))(cogroup(that, options)(self))

/** As `join`, and the values of this RDD whose key `that` has not, with null. */
export const leftOuterJoin =
  <K, W>(that: RDD<readonly [K, W]>, options?: ShuffleOptions) =>
  <V>(self: RDD<readonly [K, V]>): RDD<[K, [V, W | null]]> =>
    flatMapValues(([left, right]: [Array<V>, Array<W>]) => pairUp(left, orNull(right)))(cogroup(that, options)(self))

/** As `join`, and the values of `that` whose key this RDD has not, with null. */
export const rightOuterJoin =
  <K, W>(that: RDD<readonly [K, W]>, options?: ShuffleOptions) =>
  <V>(self: RDD<readonly [K, V]>): RDD<[K, [V | null, W]]> =>
    flatMapValues(([left, right]: [Array<V>, Array<W>]) => pairUp(orNull(left), right))(cogroup(that, options)(self))

/** As `join`, and the values of either side whose key the other has not, with null. */
export const fullOuterJoin =
  <K, W>(that: RDD<readonly [K, W]>, options?: ShuffleOptions) =>
  <V>(self: RDD<readonly [K, V]>): RDD<[K, [V | null, W | null]]> =>
    flatMapValues(([left, right]: [Array<V>, Array<W>]) => pairUp(orNull(left), orNull(right)))(
      cogroup(that, options)(self)
    )

const absent = [null]

const orNull = <A>(values: ReadonlyArray<A>): ReadonlyArray<A | null> => values.length === 0 ? absent : values

/** A list where it is no longer than the values themselves; else made as it is read. */
const pairUp = <V, W>(left: ReadonlyArray<V>, right: ReadonlyArray<W>): Iterable<[V, W]> => {
  if (left.length === 1) return right.map((value) => [left[0]!, value])
  if (right.length === 1) return left.map((value) => [value, right[0]!])
  return product(left, right)
}

function* product<V, W>(left: ReadonlyArray<V>, right: ReadonlyArray<W>): Iterable<[V, W]> {
  for (const one of left) for (const other of right) yield [one, other]
}
