/**
 * Pairs: what is made into pairs inside `transform`, and of them. Source: Spark's `RDD` and `PairRDDFunctions`.
 */
import { map, mapToPair, type RDD, reduceByKey, type ShuffleOptions } from "../RDD.ts"

/** The key of each pair. */
export const keys = <K, V>(self: RDD<readonly [K, V]>): RDD<K> => map((pair: readonly [K, V]) => pair[0])(self)

/** The value of each pair. */
export const values = <K, V>(self: RDD<readonly [K, V]>): RDD<V> => map((pair: readonly [K, V]) => pair[1])(self)

/** Each record under the key that `f` gives for it. */
export const keyBy = <A, K>(f: (record: A) => K) => (self: RDD<A>): RDD<[K, A]> =>
  mapToPair((record: A) => [f(record), record])(self)

/** Each record once, those that are the same by structure being one: they have to be keys (see `KeyHash`). */
export const distinct = (options?: ShuffleOptions) => <A>(self: RDD<A>): RDD<A> =>
  self.pipe(mapToPair((record) => [record, null]), reduceByKey((first) => first, options), keys)
