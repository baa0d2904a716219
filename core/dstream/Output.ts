/**
 * Output: a stream with what is done at each of its batches. Outputs are what makes an app run.
 *
 * `foreachBatch` runs on the driver and reads the batch; `foreachPartition` runs on the executors, once per partition, with
 * the app's layer. Both are at-least-once: what they do is done again when a batch is run again. `toSink` puts the records into a
 * `Sink`, which says what may be relied on. Source: Spark Streaming's `ForEachDStream` and `foreachRDD`.
 */
import { Console, Effect, Predicate } from "effect"
import { formatBatch } from "../output/Print.ts"
import {
  type AnySink,
  type Guarantee,
  isSink,
  type PartitionContext,
  type PartitionSink,
  type Sink
} from "../output/Sink.ts"
import { describeValue } from "../protocol/describeValue.ts"
import type { Time } from "../time/Time.ts"
import type { Batch, JobFailed } from "./Batch.ts"
import type { AnyDStream, DStream } from "./DStream.ts"
import { MisusedOperator } from "./misuse.ts"
import { effectOf, tellMissingService } from "./UserEffect.ts"

export type { CommitContext, PartitionContext } from "../output/Sink.ts"

export const TypeId = "~dstreams/Output"

export type OutputAction =
  | { readonly kind: "foreachBatch"; readonly run: (batch: Batch<any>) => Effect.Effect<unknown, any, any> }
  | {
    readonly kind: "foreachPartition"
    readonly run: (records: ReadonlyArray<any>, context: PartitionContext) => Effect.Effect<unknown, any, any>
  }
  | { readonly kind: "sink"; readonly sink: AnySink }

export interface Output<out E = never, out R = never> {
  readonly [TypeId]: { readonly _E: (_: never) => E; readonly _R: (_: never) => R }
  readonly kind: string
  readonly name: string | undefined
  readonly stream: AnyDStream
  readonly action: OutputAction
}

export type AnyOutput = Output<any, any>

export const isOutput = (value: unknown): value is AnyOutput => Predicate.hasProperty(value, TypeId)

const variance = { _E: (_: never) => _, _R: (_: never) => _ }

const make = (kind: string, stream: AnyDStream, action: OutputAction, name?: string): Output<any, any> => ({
  [TypeId]: variance,
  kind,
  name,
  stream,
  action
})

export interface OutputOptions {
  /** Stable name of the output; without it, its kind and its place in the app. */
  readonly name?: string | undefined
}

/** An Effect on the driver per batch. */
export const foreachBatch = <A, E1, R1>(
  run: (batch: Batch<A>) => Effect.Effect<unknown, E1, R1>,
  options?: OutputOptions
) =>
<E, R>(self: DStream<A, E, R>): Output<E | Exclude<E1, JobFailed>, R | R1> => {
  const checked = effectOf("foreachBatch", run)
  const action: OutputAction = { kind: "foreachBatch", run: (batch) => tellMissingService(checked(batch)) }
  return make("foreachBatch", self, action, options?.name)
}

/** An Effect on an executor per partition of each batch. */
export const foreachPartition = <A, E1, R1>(
  run: (records: ReadonlyArray<A>, context: PartitionContext) => Effect.Effect<unknown, E1, R1>,
  options?: OutputOptions
) =>
<E, R>(self: DStream<A, E, R>): Output<E | E1, R | R1> =>
  make("foreachPartition", self, { kind: "foreachPartition", run }, options?.name)

/** Puts each batch into a sink, in the order of batches, with what the sink guarantees. */
export const toSink = <A, P, E1, R1>(
  sink: Sink<A, P, E1, R1> | PartitionSink<A, E1, R1>,
  options?: OutputOptions
): <E, R>(self: DStream<A, E, R>) => Output<E | E1, R | R1> => {
  if (!isSink(sink)) {
    throw new MisusedOperator({
      message:
        `DStream.toSink takes a sink, such as File.sink("/var/spool/words") or one of Sink.idempotent(...), and was given ${
          describeValue(sink)
        }`
    })
  }
  return (self) => make(sink.name, self, { kind: "sink", sink }, options?.name)
}

/** What an output promises of batches that are run again. */
export const guaranteeOf = (output: AnyOutput): Guarantee =>
  output.action.kind === "sink" ? output.action.sink.guarantee : "at-least-once"

/** Prints the first `limit` records (10) of each batch on the driver's console, as Spark's `print` does. */
export const print = (limit = 10, options?: OutputOptions) => <A, E, R>(self: DStream<A, E, R>): Output<E, R> =>
  make("print", self, {
    kind: "foreachBatch",
    run: (batch) =>
      Effect.flatMap(
        batch.take(limit + 1),
        (records) => Console.log(formatBatch(batch.time, records, limit, options?.name))
      )
  }, options?.name)

/** Appends `{ time, records }` of each batch to a list that the caller holds: for tests, in the driver's process. */
export const collectTo =
  <A>(into: Array<{ readonly time: Time; readonly records: ReadonlyArray<A> }>, options?: OutputOptions) =>
  <E, R>(self: DStream<A, E, R>): Output<E, R> =>
    make("collectTo", self, {
      kind: "foreachBatch",
      run: (batch) => Effect.map(batch.collect, (records) => into.push({ time: batch.time, records }))
    }, options?.name)
