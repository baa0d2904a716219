/**
 * Batch: what an output operation sees of one batch on the driver. It can be read, not extended; each reading is a job.
 */
import { type Effect, Schema } from "effect"
import type { PartitionSpec } from "./BatchPlan.ts"
import type { StreamId } from "../protocol/Ids.ts"
import { type AnyRDD, parentsOf } from "../rdd/RDD.ts"
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

/** The part of an input in a batch. */
export interface BatchInput {
  readonly stream: StreamId
  readonly time: Time
  readonly partitions: ReadonlyArray<PartitionSpec>
}

/** The parts of inputs that an RDD is computed from, each once, in the order of its lineage. */
export const inputsOf = (rdd: AnyRDD): ReadonlyArray<BatchInput> => {
  const found = new Map<AnyRDD, BatchInput>()
  const seen = new Set<AnyRDD>()
  const visit = (one: AnyRDD): void => {
    if (seen.has(one)) return
    seen.add(one)
    parentsOf(one).forEach(visit)
    if (one.lineage.kind !== "input") return
    const { partitions, stream } = one.lineage
    found.set(one, { stream, time: one.identity!.time, partitions })
  }
  visit(rdd)
  return [...found.values()]
}

export interface Batch<out A> {
  readonly time: Time
  /** App, output and time as one text: the same whenever the batch is run again, of no other batch. See `commitIdOf`. */
  readonly commitId: string
  readonly numPartitions: number
  /** What the batch is made of: blocks, files, ranges of offsets; of a window those of its batches, of a state not what came before. */
  readonly inputs: ReadonlyArray<BatchInput>
  /** All records, in the order of partitions. */
  readonly collect: Effect.Effect<ReadonlyArray<A>, JobFailed>
  /** The records of each partition. */
  readonly partitions: Effect.Effect<ReadonlyArray<ReadonlyArray<A>>, JobFailed>
  readonly count: Effect.Effect<number, JobFailed>
  /** The first records, at most `count`; of the first partition alone, if that has enough. */
  readonly take: (count: number) => Effect.Effect<ReadonlyArray<A>, JobFailed>
}
