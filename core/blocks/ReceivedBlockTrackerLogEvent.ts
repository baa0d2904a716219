/**
 * The three events that the ReceivedBlockTracker logs before they count; its state is their fold.
 *
 * An allocation carries its blocks in full, so that a batch can be told from this one record. Source: Spark Streaming's
 * `BlockAdditionEvent`, `BatchAllocationEvent` and `BatchCleanupEvent`.
 */
import { Schema } from "effect"
import { Asked } from "../dstream/planSchema.ts"

export const ReceivedBlockInfo = Schema.Struct({
  block: Schema.String,
  stream: Schema.String,
  attempt: Schema.Int,
  sequence: Schema.Int,
  records: Schema.UndefinedOr(Schema.Int),
  bytes: Schema.Number,
  locations: Schema.Array(Schema.String)
})

export const BlockAddition = Schema.Struct({
  kind: Schema.Literal("BlockAddition"),
  info: ReceivedBlockInfo
})

export const BatchAllocation = Schema.Struct({
  kind: Schema.Literal("BatchAllocation"),
  time: Schema.Int,
  /** What else the batch is made of: one record holds all inputs of a batch. */
  asked: Schema.optional(Asked),
  /** By stream, in order of arrival; a stream without blocks has an empty list. */
  blocks: Schema.Array(Schema.Tuple([Schema.String, Schema.Array(ReceivedBlockInfo)]))
})

export const BatchCleanup = Schema.Struct({
  kind: Schema.Literal("BatchCleanup"),
  times: Schema.Array(Schema.Int)
})

export const ReceivedBlockTrackerLogEvent = Schema.Union([BlockAddition, BatchAllocation, BatchCleanup])

export type ReceivedBlockTrackerLogEvent = typeof ReceivedBlockTrackerLogEvent.Type
