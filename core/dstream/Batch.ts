/**
 * Batch: what an output operation sees of one batch on the driver. It can be read, not extended; each reading is a job.
 */
import { type Effect, Schema } from "effect"
import type { Time } from "../time/Time.ts"

/** A job failed: which operator and partition, why, and in which batch. */
export class JobFailed extends Schema.TaggedError<JobFailed>()("JobFailed", {
  time: Schema.Number,
  output: Schema.String,
  operator: Schema.String,
  partition: Schema.Number,
  message: Schema.String,
  stack: Schema.optional(Schema.String)
}) {}

export interface Batch<out A> {
  readonly time: Time
  /** App, output and time as one text: the same whenever the batch is run again, of no other batch. See `commitIdOf`. */
  readonly commitId: string
  readonly numPartitions: number
  /** All records, in the order of partitions. */
  readonly collect: Effect.Effect<ReadonlyArray<A>, JobFailed>
  /** The records of each partition. */
  readonly partitions: Effect.Effect<ReadonlyArray<ReadonlyArray<A>>, JobFailed>
  readonly count: Effect.Effect<number, JobFailed>
  /** The first records, at most `count`; of the first partition alone, if that has enough. */
  readonly take: (count: number) => Effect.Effect<ReadonlyArray<A>, JobFailed>
}
