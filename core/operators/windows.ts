/**
 * Windows: what came in the last so many batches, every so many batches, and reductions over it.
 *
 * A window at batch time t holds the parent's batches in (t - window, t]; those before the start are missing, so that the first
 * windows are partly filled. It slides as its parent does unless told otherwise; window and slide have to be multiples of the
 * parent's slide (`StreamingApp.validate` says where they are not). A slide may be longer than the window: what lies between two
 * windows is in none. Source: Spark Streaming's `WindowedDStream`, `ReducedWindowedDStream` and `PairDStreamFunctions`.
 *
 * A reduction reads each batch once, combined by key, and keeps what it brought as state (see `WindowStore`): a batch costs what
 * comes and what leaves. With an inverse and a slide longer than the window Spark also counts batches that are in no window; here
 * both forms give what the window holds.
 */
import {
  type AnyDStream,
  type ComputeContext,
  type DStream,
  groupByKey,
  make,
  map,
  mapToPair,
  reduceByKey,
  type ShuffleOptions,
  spread
} from "../dstream/DStream.ts"
import { HashPartitioner, type Partitioner } from "../rdd/Partitioner.ts"
import { KeyedMap } from "../rdd/KeyedMap.ts"
import * as RDD from "../rdd/RDD.ts"
import { definition as inverseWindow } from "../state/windows/InverseWindowState.ts"
import { definition as plainWindow } from "../state/windows/WindowState.ts"
import { type DurationInput, type Millis, millisOrNaN, type Time } from "../time/Time.ts"
import { persist } from "./persistence.ts"
import { defaultCheckpointMillis } from "./state.ts"

/** Window and slide of an operator, as `validate` finds them among its parameters: as they were written, and NaN: no duration. */
export interface WindowParams {
  readonly windowDuration: unknown
  readonly slideDuration: unknown
  readonly windowMillis: Millis
  /** Undefined: that of the parent. */
  readonly windowSlideMillis: Millis | undefined
}

const paramsOf = (windowDuration: DurationInput, slideDuration: DurationInput | undefined): WindowParams => ({
  windowDuration,
  slideDuration,
  windowMillis: millisOrNaN(windowDuration),
  windowSlideMillis: slideDuration === undefined ? undefined : millisOrNaN(slideDuration)
})

const slideOf = ({ windowSlideMillis }: WindowParams): AnyDStream["slide"] => (batchMillis, parents) =>
  windowSlideMillis ?? parents[0] ?? batchMillis

/** The data sets of the parent's batches in the last `millis`, oldest first. */
const batchesOf = (context: ComputeContext, millis: Millis): ReadonlyArray<readonly [Time, RDD.AnyRDD]> => {
  const step = context.parentSlide(0)
  const batches: Array<readonly [Time, RDD.AnyRDD]> = []
  for (let time = context.time - millis + step; time <= context.time; time += step) {
    const rdd = context.parent(0, time)
    if (rdd !== undefined) batches.push([time, rdd])
  }
  return batches
}

const partitionerOf = (options: ShuffleOptions | undefined, context: ComputeContext): Partitioner => {
  const { numPartitions, partitioner } = spread(options, context)
  return partitioner ?? HashPartitioner(numPartitions!)
}

/** Streams as windows keep them: several windows over one stream share it. */
const keptStreams = new WeakMap<AnyDStream, AnyDStream>()

/** Windows read a batch several times: it is kept, unless it is already. */
const kept = <A, E, R>(self: DStream<A, E, R>): DStream<A, E, R> => {
  if (self?.kind === "persist" || self?.kind === "window") return self
  const known = keptStreams.get(self) as DStream<A, E, R> | undefined
  if (known !== undefined) return known
  const stream = persist("MEMORY_ONLY")(self)
  keptStreams.set(self, stream)
  return stream
}

/**
 * All records of the window, batch after batch. The parent is persisted in memory unless it is persisted already, once for all windows
 * over it, and persisting the windowed stream persists the parent with that level instead.
 */
export const window = (windowDuration: DurationInput, slideDuration?: DurationInput) => {
  const params = paramsOf(windowDuration, slideDuration)
  return <A, E, R>(self: DStream<A, E, R>): DStream<A, E, R> =>
    make({
      kind: "window",
      params: { ...params },
      parents: [kept(self)],
      slide: slideOf(params),
      parentRemember: () => params.windowMillis,
      compute: (context) => RDD.unionAll(batchesOf(context, params.windowMillis).map(([, rdd]) => rdd))
    })
}

export interface InverseOption<V> {
  /** Takes out of a value what it was made of: `inverse(f(a, b), a)` is `b`. */
  readonly inverse?: ((value: V, left: V) => V) | undefined
}

export interface ReduceWindowOptions<K, V> extends InverseOption<V>, ShuffleOptions {
  /**
   * Which pairs stay. With an inverse the others are forgotten, and begin anew; without one they are left out of the result, and a
   * key is gone when nothing of it is in the window.
   */
  readonly filter?: ((pair: readonly [key: K, value: V]) => boolean) | undefined
}

/**
 * The values of each key over the window, reduced by `f`, which has to be associative, and must not change what it is given.
 *
 * **What associativity buys.** The values of a batch are combined once, when it comes, in any grouping that keeps their order; the
 * window is put together from such partial results, and never from records again. So what a batch costs does not grow with the
 * window, ten batches long or ten thousand. Without an inverse, amortised: each record but the first of its key in the batch costs one
 * call of `f`, and the first at most 3 where the key comes in every batch, or few times in a window; 4 less the share of batches that
 * it comes in otherwise; and 4.3 in a partition that has fewer keys than a quarter of the window's batches, where the work
 * is spread so that no batch pays for a whole window. That is at most 3 calls per record from two records a key and batch on.
 * Batches stay in their order, so `f` need not be commutative across batches (within a batch it has to be, as in `reduceByKey`).
 * A function that is not associative, such as an average of averages, gives a result that depends on the grouping: reduce
 * sums and counts, and divide afterwards.
 *
 * **With `inverse`** a step calls `inverse` for each key that leaves and `f` for each that comes: somewhat cheaper, where one exists.
 * A key whose batches have all left stays, with what the inverse left of it (such as 0), unless `filter` drops it; and rounding
 * errors of floating point numbers add up. A `filter` has to be true of keys that still have values in the window: a key that
 * is dropped begins anew.
 */
export const reduceByKeyAndWindow = <K, V>(
  f: (a: V, b: V) => V,
  windowDuration: DurationInput,
  slideDuration?: DurationInput,
  options: ReduceWindowOptions<K, V> = {}
): <E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, V], E, R> => {
  const params = paramsOf(windowDuration, slideDuration)
  const { windowMillis } = params
  const { inverse, filter, ...shuffle } = options as ReduceWindowOptions<any, any>
  const definition = inverse === undefined
    ? plainWindow(f as any, windowMillis)
    : inverseWindow({ f: f as any, inverse, filter, windowMillis })
  return <E, R>(self: DStream<readonly [K, V], E, R>) =>
    make<[K, V], E, R>({
      kind: "reduceByKeyAndWindow",
      params: { ...params, f, options: shuffle, ...inverse && { inverse }, ...filter && { filter } },
      parents: [reduceByKey<K, V>(f, shuffle)(self)],
      slide: slideOf(params),
      // of the batches before a slide, and of a window longer than that, the state has what it needs
      parentRemember: () => params.windowSlideMillis ?? 0,
      stateful: defaultCheckpointMillis,
      state: { kind: definition.kind, version: 1 },
      compute: (context) => {
        // a slide, and more where the batch of the last one is missing
        const batches = batchesOf(context, Math.min(windowMillis, context.time - context.previousTime))
        const partitioner = partitionerOf(shuffle, context)
        const state = RDD.fromLineage({
          kind: "state",
          inputs: batches.map(([, rdd]) => rdd),
          inputTimes: batches.map(([time]) => time),
          definition,
          partitioner,
          previous: context.previousState
        })
        const reduced = RDD.fromLineage<[K, V]>({ kind: "stateView", parent: state, view: "all" }, { partitioner })
        return inverse === undefined && filter !== undefined ? RDD.filter(filter)(reduced) : reduced
      }
    })
}

/** The key of reductions over all records. */
const underOneKey = <A>(record: A): [null, A] => [null, record]
const valueOf = <V>([, value]: readonly [unknown, V]): V => value

/**
 * One record per window: its records reduced by `f`, which has to be associative. No record where the window is empty; with
 * `inverse`, none before the first record ever, and always one from then on.
 */
export const reduceByWindow = <A>(
  f: (a: A, b: A) => A,
  windowDuration: DurationInput,
  slideDuration?: DurationInput,
  options: InverseOption<A> = {}
): <E, R>(self: DStream<A, E, R>) => DStream<A, E, R> => {
  const reduced = reduceByKeyAndWindow<null, A>(f, windowDuration, slideDuration, {
    inverse: options.inverse,
    numPartitions: 1
  })
  return (self) => self.pipe(mapToPair((record: any) => underOneKey(record)), reduced, map(valueOf)) as typeof self
}

const one = () => 1
const add = (a: number, b: number) => a + b
const subtract = (a: number, b: number) => a - b
const isCounted = ([, count]: readonly [unknown, number]) => count !== 0

/** How many records the window has: nothing before the first record ever, and a number from then on, 0 too. */
export const countByWindow = (
  windowDuration: DurationInput,
  slideDuration?: DurationInput
): <A, E, R>(self: DStream<A, E, R>) => DStream<number, E, R> => {
  const counted = reduceByWindow(add, windowDuration, slideDuration, { inverse: subtract })
  return (self) => counted(map(one)(self))
}

/** How often each record occurs in the window. */
export const countByValueAndWindow = (
  windowDuration: DurationInput,
  slideDuration?: DurationInput,
  options?: ShuffleOptions
): <A, E, R>(self: DStream<A, E, R>) => DStream<[A, number], E, R> => {
  const counted = reduceByKeyAndWindow<any, number>(add, windowDuration, slideDuration, {
    ...options,
    inverse: subtract,
    filter: isCounted
  })
  return (self) => self.pipe(mapToPair((record: any): [any, number] => [record, 1]), counted) as any
}

/** The groups of several batches as one: the values of a key, batch after batch. */
const mergeGroups: RDD.ZipPartitions = (parts) => {
  const map = new KeyedMap()
  const groups: Array<[unknown, Array<unknown>]> = []
  for (const part of parts as ReadonlyArray<ReadonlyArray<readonly [unknown, ReadonlyArray<unknown>]>>) {
    for (const [key, values] of part) {
      const slot = map.slotOf(key)
      if (slot === groups.length) groups.push([key, values.slice()])
      else for (const value of values) groups[slot]![1].push(value)
    }
  }
  return groups
}

/**
 * The list of values of each key over the window, in order of arrival by batch. Each batch is grouped and moved once, and kept in
 * memory; a window puts the lists of its batches together. That costs the records of the window at each slide, no more than the lists
 * that it shows: a reduction is cheaper wherever not every value is needed.
 */
export const groupByKeyAndWindow = (
  windowDuration: DurationInput,
  slideDuration?: DurationInput,
  options?: ShuffleOptions
): <K, V, E, R>(self: DStream<readonly [K, V], E, R>) => DStream<[K, Array<V>], E, R> => {
  const params = paramsOf(windowDuration, slideDuration)
  return <K, V, E, R>(self: DStream<readonly [K, V], E, R>) =>
    make<[K, Array<V>], E, R>({
      kind: "groupByKeyAndWindow",
      params: { ...params, options },
      parents: [kept(groupByKey(options)(self))],
      slide: slideOf(params),
      parentRemember: () => params.windowMillis,
      compute: (context) => {
        const partitioner = partitionerOf(options, context)
        const parents = batchesOf(context, params.windowMillis).map(([, rdd]) => rdd)
        return parents.length === 0
          ? RDD.fromLineage({
            kind: "literal",
            partitions: Array.from({ length: partitioner.numPartitions }, () => [])
          }, {
            partitioner
          })
          : RDD.fromLineage({ kind: "zipped", parents, name: "groupByKeyAndWindow", f: mergeGroups }, { partitioner })
      }
    })
}
