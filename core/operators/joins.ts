/**
 * Joins: two streams of pairs brought together by key, batch by batch.
 *
 * Both need a data set in every batch: a batch in which one has none fails. Both slide alike. What has the wanted partitioner
 * already, from a `reduceByKey` before for instance, is not moved again. Keys, values and pairs come in the order that
 * `core/rdd/pairs/joins.ts` gives. To join with a data set that is part of the program, use `RDD.of` inside `transform`.
 * Source: Spark Streaming's `PairDStreamFunctions`.
 */
import {
  type ComputeContext,
  type DStream,
  lift,
  make,
  needed,
  type ShuffleOptions,
  spread
} from "../dstream/DStream.ts"
import type { Partitioner } from "../rdd/Partitioner.ts"
import * as Joins from "../rdd/pairs/joins.ts"
import { type AnyRDD, partitionBy as movePairs, type RDD } from "../rdd/RDD.ts"

type Joined = <A>(that: AnyRDD, options: ShuffleOptions) => (self: AnyRDD) => RDD<A>

const joining =
  (kind: string, f: Joined, that: DStream<any, any, any>, options: ShuffleOptions | undefined) =>
  (self: DStream<any, any, any>): DStream<any, any, any> =>
    make({
      kind,
      params: { options },
      parents: [self, that],
      compute: (context: ComputeContext) => {
        const left = needed(context, 0, kind)
        return f(needed(context, 1, kind), spread(options, context))(left)
      }
    })

/** For each key of either stream its values in this one and in `that`, each list possibly empty. */
export const cogroup = <K, W, E2, R2>(
  that: DStream<readonly [K, W], E2, R2>,
  options?: ShuffleOptions
): <V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, [Array<V>, Array<W>]], E | E2, R | R2> =>
  joining("cogroup", Joins.cogroup as Joined, that, options)

/** For each key in both streams, each of its values in this one with each in `that`. */
export const join = <K, W, E2, R2>(
  that: DStream<readonly [K, W], E2, R2>,
  options?: ShuffleOptions
): <V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, [V, W]], E | E2, R | R2> =>
  joining("join", Joins.join as Joined, that, options)

/** As `join`, and the values of this stream whose key `that` has not, with null. */
export const leftOuterJoin = <K, W, E2, R2>(
  that: DStream<readonly [K, W], E2, R2>,
  options?: ShuffleOptions
): <V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, [V, W | null]], E | E2, R | R2> =>
  joining("leftOuterJoin", Joins.leftOuterJoin as Joined, that, options)

/** As `join`, and the values of `that` whose key this stream has not, with null. */
export const rightOuterJoin = <K, W, E2, R2>(
  that: DStream<readonly [K, W], E2, R2>,
  options?: ShuffleOptions
): <V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, [V | null, W]], E | E2, R | R2> =>
  joining("rightOuterJoin", Joins.rightOuterJoin as Joined, that, options)

/** As `join`, and the values of either stream whose key the other has not, with null. */
export const fullOuterJoin = <K, W, E2, R2>(
  that: DStream<readonly [K, W], E2, R2>,
  options?: ShuffleOptions
): <V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, [V | null, W | null]], E | E2, R | R2> =>
  joining("fullOuterJoin", Joins.fullOuterJoin as Joined, that, options)

/** The pairs of each batch moved to where the partitioner says their key belongs; joins by the same then move nothing. */
export const partitionBy = (
  partitioner: Partitioner
): <K, V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, V], E, R> =>
  lift<any, any>("partitionBy", { options: { partitioner } }, movePairs(partitioner)) as any
