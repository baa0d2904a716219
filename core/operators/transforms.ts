/**
 * Transforms: operations of the RDD of a batch, or of those of several streams, by a function of the user's.
 *
 * The function plans and does not run: it sees RDDs, the batch time and side values. It runs in the driver and in executors, and has
 * to give the same lineage in each. Each parent needs a data set in every batch, and all slide alike; a batch in which a parent has
 * none, or the function returns no RDD, fails. Source: Spark Streaming's `transform`, `transformWith`, `StreamingContext.transform`.
 */
import { Predicate } from "effect"
import { type AnyDStream, type DStream, make, needed, type RecordOf } from "../dstream/DStream.ts"
import type * as Side from "../dstream/SideValue.ts"
import { describeValue } from "../protocol/describeValue.ts"
import * as RDD from "../rdd/RDD.ts"
import type { Time } from "../time/Time.ts"

/** What a transforming function sees of the batch besides RDDs. */
export interface TransformBatch<S extends Side.SideValues> {
  readonly time: Time
  readonly sideValues: Side.Values<S>
}

export interface TransformOptions<S extends Side.SideValues> {
  /** Values from the world, evaluated once per batch and recorded with it. */
  readonly sideValues?: S
}

/** The RDDs of a tuple of streams, one each. */
export type RDDsOf<Streams extends ReadonlyArray<AnyDStream>> = {
  readonly [I in keyof Streams]: RDD.RDD<RecordOf<Streams[I]>>
}
export type ErrorsOf<S> = S extends DStream<any, infer E, any> ? E : never
export type RequirementsOf<S> = S extends DStream<any, any, infer R> ? R : never

const transforming = <S extends Side.SideValues>(
  kind: string,
  parents: ReadonlyArray<AnyDStream>,
  f: unknown,
  apply: (rdds: ReadonlyArray<RDD.AnyRDD>, batch: TransformBatch<S>) => unknown,
  options: TransformOptions<S> | undefined
): DStream<any, any, any> => {
  const sideValues: Side.SideValues = options?.sideValues ?? {}
  return make({
    kind,
    params: { f },
    parents,
    sideValues,
    compute: (context) => {
      const rdds = parents.map((_, index) => needed(context, index, kind))
      const values = Object.fromEntries(Object.keys(sideValues).map((key) => [key, context.sideValue(key)]))
      const rdd = calling(() => apply(rdds, { time: context.time, sideValues: values as Side.Values<S> }))
      if (isRDD(rdd)) return rdd
      const returned = rdd === undefined || rdd === null ? "no RDD" : `${describeValue(rdd)}, not an RDD`
      throw new Error(
        `the function given to ${kind} returned ${returned}; to say that there is nothing, return RDD.of([])`
      )
    }
  })
}

/** An RDD has no methods, which programs without types may not know. */
const calling = <A>(apply: () => A): A => {
  try {
    return apply()
  } catch (cause) {
    const method = cause instanceof TypeError ? /\.(\w+) is not a function/.exec(cause.message)?.[1] : undefined
    if (method === undefined) throw cause
    const remedy = method in RDD
      ? `an RDD has no methods: write rdd.pipe(RDD.${method}(...))`
      : "an RDD inside transform can be transformed, not run; read it in an output"
    throw new TypeError(`${(cause as TypeError).message}: ${remedy}`, { cause })
  }
}

const isRDD = (value: unknown): value is RDD.AnyRDD => Predicate.hasProperty(value, RDD.TypeId)

/** The RDD of each batch through `f`. */
export const transform = <A, B, const S extends Side.SideValues = {}>(
  f: (rdd: RDD.RDD<A>, batch: TransformBatch<S>) => RDD.RDD<B>,
  options?: TransformOptions<S>
): <E, R>(self: DStream<A, E, R>) => DStream<B, E | Side.Errors<S>, R | Side.Requirements<S>> =>
(self) => transforming<S>("transform", [self], f, ([rdd], batch) => f(rdd!, batch), options)

/** The RDDs of this stream and of `that` in each batch through `f`. */
export const transformWith = <A, B, C, E2, R2, const S extends Side.SideValues = {}>(
  that: DStream<B, E2, R2>,
  f: (rdd: RDD.RDD<A>, that: RDD.RDD<B>, batch: TransformBatch<S>) => RDD.RDD<C>,
  options?: TransformOptions<S>
): <E, R>(self: DStream<A, E, R>) => DStream<C, E | E2 | Side.Errors<S>, R | R2 | Side.Requirements<S>> =>
(self) => transforming<S>("transformWith", [self, that], f, ([rdd, other], batch) => f(rdd!, other!, batch), options)

/** The RDDs of all streams in each batch, at least one stream, through `f`, which gets them in the order of the streams. */
export const transformAll = <const Streams extends ReadonlyArray<AnyDStream>, B, const S extends Side.SideValues = {}>(
  streams: Streams,
  f: (rdds: RDDsOf<Streams>, batch: TransformBatch<S>) => RDD.RDD<B>,
  options?: TransformOptions<S>
): DStream<
  B,
  ErrorsOf<Streams[number]> | Side.Errors<S>,
  RequirementsOf<Streams[number]> | Side.Requirements<S>
> => transforming<S>("transformAll", streams, f, (rdds, batch) => f(rdds as any, batch), options)
