/**
 * Output: a stream with what is done at each of its batches. Outputs are what makes an app run.
 *
 * `foreachBatch` runs on the driver and reads the batch; `foreachPartition` runs on the executors, once per partition, with
 * the app's layer; a sink does both, its commit on the driver following its partitions. All may be run again when a batch is. Source: Spark Streaming's `ForEachDStream` and `foreachRDD`.
 */
import { Console, Effect, Predicate } from "effect"
import type { PartitionIndex } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"
import type { Batch, JobFailed } from "./Batch.ts"
import type { AnyDStream, DStream } from "./DStream.ts"
import { formatBatch } from "./Print.ts"
import { effectOf, tellMissingService } from "./UserEffect.ts"

export const TypeId = "~dstreams/Output"

/** Where a partition comes from. */
export interface PartitionContext {
  readonly time: Time
  readonly partition: PartitionIndex
  /** The output's name. */
  readonly output: string
}

/** A batch whose partitions are all done. */
export interface CommitContext {
  readonly time: Time
  readonly numPartitions: number
  /** The app's and the output's names: with the time, what a target can know the batch by. */
  readonly app: string
  readonly output: string
}

export type OutputAction =
  | { readonly kind: "foreachBatch"; readonly run: (batch: Batch<any>) => Effect.Effect<unknown, any, any> }
  | {
    readonly kind: "foreachPartition"
    readonly run: (records: ReadonlyArray<any>, context: PartitionContext) => Effect.Effect<unknown, any, any>
    /** On the driver, when all partitions of a batch are done. */
    readonly commit?: ((batch: CommitContext) => Effect.Effect<unknown, any, any>) | undefined
  }

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

/** What a sink does: its partitions on executors, then, when all are done, its batch on the driver. Both may be run again. */
export interface Sink<in A, out E, out R> {
  readonly write: (records: ReadonlyArray<A>, context: PartitionContext) => Effect.Effect<unknown, E, R>
  readonly commit: (batch: CommitContext) => Effect.Effect<unknown, E, R>
}

/** An output of its own kind, for adapters: prepares each partition of a batch, then commits the batch. */
export const toSink = <A, E1, R1>(kind: string, { commit, write }: Sink<A, E1, R1>, options?: OutputOptions) =>
<E, R>(
  self: DStream<A, E, R>
): Output<E | E1, R | R1> => make(kind, self, { kind: "foreachPartition", run: write, commit }, options?.name)

/** Prints the first `limit` records (10) of each batch on the driver's console, as Spark's `print` does. */
export const print = (limit = 10, options?: OutputOptions) => <A, E, R>(self: DStream<A, E, R>): Output<E, R> =>
  make("print", self, {
    kind: "foreachBatch",
    run: (batch) =>
      Effect.flatMap(batch.take(limit + 1), (records) => Console.log(formatBatch(batch.time, records, limit)))
  }, options?.name)

/** Appends `{ time, records }` of each batch to a list that the caller holds: for tests, in the driver's process. */
export const collectTo =
  <A>(into: Array<{ readonly time: Time; readonly records: ReadonlyArray<A> }>, options?: OutputOptions) =>
  <E, R>(self: DStream<A, E, R>): Output<E, R> =>
    make("collectTo", self, {
      kind: "foreachBatch",
      run: (batch) => Effect.map(batch.collect, (records) => into.push({ time: batch.time, records }))
    }, options?.name)
