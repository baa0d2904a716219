/**
 * The four events that the ReceivedBlockTracker logs before they count; its state is their fold.
 *
 * An allocation carries its blocks in full, so that a batch can be told from this one record. Source: Spark Streaming's
 * `BlockAdditionEvent`, `BatchAllocationEvent` and `BatchCleanupEvent`; there, nothing said which blocks a recovery found lost.
 */
import { Schema } from "effect"
import { Asked } from "../dstream/planSchema.ts"
import { MarksSchema, ReceivedBlockInfoSchema } from "./ReceivedBlock.ts"

export const BlockAddition = Schema.Struct({
  kind: Schema.Literal("BlockAddition"),
  info: ReceivedBlockInfoSchema
})

export const BatchAllocation = Schema.Struct({
  kind: Schema.Literal("BatchAllocation"),
  time: Schema.Int,
  /** What else the batch is made of: one record holds all inputs of a batch. */
  asked: Schema.optional(Asked),
  /** By stream, in order of arrival; a stream without blocks has an empty list. */
  blocks: Schema.Array(Schema.Tuple([Schema.String, Schema.Array(ReceivedBlockInfoSchema)]))
})

export const BatchCleanup = Schema.Struct({
  kind: Schema.Literal("BatchCleanup"),
  times: Schema.Array(Schema.Int)
})

/** Blocks that nobody can read any more, as a new driver finds those that were with the executors of its predecessor alone. */
export const BlocksLost = Schema.Struct({
  kind: Schema.Literal("BlocksLost"),
  blocks: Schema.Array(Schema.String),
  /** By stream and source: how far its records are stored without those that it is asked for again. */
  marks: Schema.optional(MarksSchema)
})

export const ReceivedBlockTrackerLogEvent = Schema.Union([BlockAddition, BatchAllocation, BatchCleanup, BlocksLost])

export type ReceivedBlockTrackerLogEvent = typeof ReceivedBlockTrackerLogEvent.Type
