/**
 * planSchema: the parts of a BatchPlan as they are written to the driver's log, for reading them back.
 *
 * Values of sources and side values are plain data of any shape: whoever made them reads them.
 */
import { Schema } from "effect"
import { LogPosition } from "../wal/LogPosition.ts"

const PartitionSpec = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("source"),
    value: Schema.Unknown,
    records: Schema.UndefinedOr(Schema.Number),
    affinity: Schema.optional(Schema.Number)
  }),
  Schema.Struct({ kind: Schema.Literal("inline"), data: Schema.Any, records: Schema.Number }),
  Schema.Struct({
    kind: Schema.Literal("block"),
    block: Schema.String,
    records: Schema.UndefinedOr(Schema.Number),
    log: Schema.optional(LogPosition),
    lost: Schema.optional(Schema.Boolean)
  })
])

/** See `Position`. */
export const Positions = Schema.Array(Schema.Tuple([Schema.String, Schema.Unknown]))

const InputAllocation = Schema.Struct({
  stream: Schema.String,
  records: Schema.Number,
  partitions: Schema.Array(PartitionSpec),
  description: Schema.optional(Schema.String),
  positions: Schema.optional(Positions)
})

export const History = Schema.Struct({
  horizon: Schema.Int,
  births: Schema.Array(Schema.Tuple([Schema.String, Schema.Int]))
})

/** See `BatchPlan`. */
export const Asked = Schema.Struct({
  zeroTime: Schema.Int,
  missedSince: Schema.optional(Schema.Int),
  history: Schema.optional(History),
  inputs: Schema.Array(InputAllocation),
  sideValues: Schema.Array(Schema.Tuple([Schema.String, Schema.Unknown]))
})
