/**
 * Sink: where an output puts its records, in two steps, and what may be relied on there.
 *
 * | step | where | how often |
 * | --- | --- | --- |
 * | fence | driver | before anything else of a driver, and when another driver takes over; again does no harm |
 * | prepare | executors, once per partition | again when a task, an executor or the driver fails; two runs of one partition may overlap |
 * | commit | driver, once per batch, in the order of batches | again when the driver died before it knew that it was done |
 *
 * What `prepare` gives is plain data (the place of a file, a row count, few rows); it travels to the driver as the value of the task
 * and is given to `commit` in the order of partitions. Nothing that was prepared may be seen before the commit, and a commit is seen
 * whole or not at all. A batch is known by its commit id, which is the same whenever the batch is run again.
 *
 * | guarantee | a batch that is run again | a driver that was replaced and does not know it |
 * | --- | --- | --- |
 * | idempotent | its commit id is found, or the same is written over the same: it is there once | can commit only what the commit id says already, or is fenced |
 * | transactional | the commit id is stored with the data, in one step: it is there once | is refused: the epoch is compared in that step (`Fenced`) |
 * | at-least-once | may be there again | may add more |
 *
 * A target that cannot take a whole batch at once is a `PartitionSink`, by type: each partition is committed by itself.
 */
import { type Effect, Predicate, Schema } from "effect"
import type { BatchInput } from "../dstream/Batch.ts"
import type { PartitionIndex } from "../protocol/Ids.ts"
import { permanent } from "../protocol/permanent.ts"
import type { Time } from "../time/Time.ts"

export const TypeId = "~dstreams/Sink"

/** What a sink promises of batches that are run again, and of drivers that were replaced. */
export type Guarantee = "idempotent" | "transactional" | "at-least-once"

/** Who commits: an output of an app under a driver. */
export interface OutputContext {
  /** The app's and the output's names. */
  readonly app: string
  readonly output: string
  /** The driver's: each later driver of its line has a greater one. */
  readonly epoch: number
  /**
   * The line of drivers that it belongs to: those of one checkpoint place, or a run without one alone. Of two lines the one that began
   * later has the greater text. undefined: not known, as in tests of sinks.
   */
  readonly line?: string | undefined
}

/** A batch that is committed. */
export interface CommitContext extends OutputContext {
  readonly time: Time
  /** App, output and time as one text: what a target knows the batch by. */
  readonly commitId: string
  readonly numPartitions: number
}

/** A partition that is prepared. */
export interface PartitionContext extends CommitContext {
  readonly partition: PartitionIndex
  /** How often this driver has tried this partition before, from 0. */
  readonly attempt: number
  /** What the batch is made of, as `Batch` says it; undefined: not known, as in tests of sinks. */
  readonly inputs?: ReadonlyArray<BatchInput> | undefined
}

/** App and output as one text: no other output or app has it. */
export const outputIdOf = ({ app, output }: Pick<OutputContext, "app" | "output">): string =>
  `${escaped(app)}/${escaped(output)}`

/** The text of a commit id: no other batch, output or app has it; with a partition, no other partition. */
export const commitIdOf = (
  { app, output, time }: { readonly app: string; readonly output: string; readonly time: Time },
  partition?: PartitionIndex
): string => [outputIdOf({ app, output }), time, ...(partition === undefined ? [] : [partition])].join("/")

const escaped = (name: string) => name.replaceAll("%", "%25").replaceAll("/", "%2F")

/** A driver found that a later one has taken its output over. It ends, whatever the policy for failed batches. */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", {
  output: Schema.String,
  /** Of the driver that was refused, and the one that the target knows of. */
  epoch: Schema.Number,
  current: Schema.Number,
  message: Schema.String
}) {
  get [permanent]() {
    return true
  }

  static readonly of = ({ epoch, output }: Pick<OutputContext, "epoch" | "output">, current: number) =>
    new Fenced({
      output,
      epoch,
      current,
      message:
        `output "${output}" belongs to a driver of epoch ${current}, and this one is of epoch ${epoch}: another driver has ` +
        "taken over, and this one is to end. If there is none, this is not the checkpoint place that the output was written from " +
        "before: give that one, or let the output write to another place"
    })
}

/** What `prepare` gave is more than a driver is sent. */
export class PreparedTooLarge extends Schema.TaggedError<PreparedTooLarge>()("PreparedTooLarge", {
  sink: Schema.String,
  bytes: Schema.Number,
  bytesMax: Schema.Number,
  message: Schema.String
}) {
  static readonly of = (sink: string, bytes: number, bytesMax: number) =>
    new PreparedTooLarge({
      sink,
      bytes,
      bytesMax,
      message:
        `prepare of the sink "${sink}" gave ${bytes} bytes, and may give ${bytesMax} (preparedBytesMax): leave the records ` +
        "where the driver finds them, such as in a file or a table, and give their place; or allow more"
    })
}

/** What `prepare` may give of a partition, unless the sink says otherwise. */
export const preparedBytesMaxDefault = 1 << 20

/** Commits whole batches. */
export interface Sink<in A, in out P, out E, out R, out G extends Guarantee = Guarantee> {
  readonly [TypeId]: "batch"
  /** What outputs of this kind are called: `file`, `postgres`. */
  readonly name: string
  readonly guarantee: G
  readonly prepare: (records: ReadonlyArray<A>, context: PartitionContext) => Effect.Effect<P, E, R>
  readonly commit: (batch: CommitContext, prepared: ReadonlyArray<P>) => Effect.Effect<unknown, E, R>
  /** After this no commit of an older epoch succeeds, of whatever batch. Fails with `Fenced` if the target knows a later one. */
  readonly fence: ((output: OutputContext) => Effect.Effect<unknown, E, R>) | undefined
  readonly preparedBytesMax: number
}

/** Commits each partition by itself, under a commit id with the partition: a batch is not seen at once. */
export interface PartitionSink<in A, out E, out R, out G extends Guarantee = Guarantee> {
  readonly [TypeId]: "partition"
  readonly name: string
  readonly guarantee: G
  /** On executors, in the order of batches. `context.commitId` is the partition's. */
  readonly write: (records: ReadonlyArray<A>, context: PartitionContext) => Effect.Effect<unknown, E, R>
  readonly fence: ((output: OutputContext) => Effect.Effect<unknown, E, R>) | undefined
}

export type AnySink = Sink<any, any, any, any> | PartitionSink<any, any, any>

export const isSink = (value: unknown): value is AnySink => Predicate.hasProperty(value, TypeId)

export interface SinkOptions<A, P, E1, R1, E2, R2> {
  readonly name: string
  readonly prepare: (records: ReadonlyArray<A>, context: PartitionContext) => Effect.Effect<P, E1, R1>
  readonly commit: (batch: CommitContext, prepared: ReadonlyArray<P>) => Effect.Effect<unknown, E2, R2>
  /** 1 MiB. */
  readonly preparedBytesMax?: number | undefined
}

export interface Fencing<E, R> {
  readonly fence: (output: OutputContext) => Effect.Effect<unknown, E, R>
}

const make =
  (guarantee: Guarantee) =>
  (options: SinkOptions<any, any, any, any, any, any> & Partial<Fencing<any, any>>): Sink<any, any, any, any, any> => ({
    [TypeId]: "batch",
    guarantee,
    name: options.name,
    prepare: options.prepare,
    commit: options.commit,
    fence: options.fence,
    preparedBytesMax: options.preparedBytesMax ?? preparedBytesMaxDefault
  })

/** A batch that is committed again is there once, by its commit id. */
export const idempotent: <A, P, E1, R1, E2, R2, E3 = never, R3 = never>(
  options: SinkOptions<A, P, E1, R1, E2, R2> & Partial<Fencing<E3, R3>>
) => Sink<A, P, E1 | E2 | E3, R1 | R2 | R3, "idempotent"> = make("idempotent")

/** The commit id is stored with the data, in one step that also compares the epoch. */
export const transactional: <A, P, E1, R1, E2, R2, E3, R3>(
  options: SinkOptions<A, P, E1, R1, E2, R2> & Fencing<E3, R3>
) => Sink<A, P, E1 | E2 | E3, R1 | R2 | R3, "transactional"> = make("transactional")

/** A batch that is committed again may be there again. */
export const atLeastOnce: <A, P, E1, R1, E2, R2>(
  options: SinkOptions<A, P, E1, R1, E2, R2>
) => Sink<A, P, E1 | E2, R1 | R2, "at-least-once"> = make("at-least-once")

/** For targets that cannot take a whole batch at once. */
export const perPartition = <A, E1, R1, const G extends Guarantee, E2 = never, R2 = never>(
  options: {
    readonly name: string
    readonly guarantee: G
    readonly write: (records: ReadonlyArray<A>, context: PartitionContext) => Effect.Effect<unknown, E1, R1>
  } & Partial<Fencing<E2, R2>>
): PartitionSink<A, E1 | E2, R1 | R2, G> => ({
  [TypeId]: "partition",
  name: options.name,
  guarantee: options.guarantee,
  write: options.write,
  fence: options.fence
})
