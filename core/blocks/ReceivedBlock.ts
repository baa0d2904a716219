/**
 * A received block: records that a receiver stored in one piece, known by an identity that survives restarts.
 *
 * The identity is (stream, driver epoch, receiver attempt, sequence); a repetition of the same identity is the same block,
 * whatever the network did. Source: Spark Streaming's `StreamBlockId` and `ReceivedBlockInfo`; there the identity was the
 * start of the interval, which two receivers of one stream could share.
 */
import { Schema } from "effect"
import type { ExecutorId, StreamId } from "../protocol/Ids.ts"
import { LogPosition } from "../wal/LogPosition.ts"

/** Identity of a block: `stream/epoch/attempt/sequence`. */
export type BlockId = string

export interface BlockIdParts {
  readonly stream: StreamId
  readonly epoch: number
  readonly attempt: number
  readonly sequence: number
}

export const blockId = (parts: BlockIdParts): BlockId =>
  `${parts.stream}/${parts.epoch}/${parts.attempt}/${parts.sequence}`

/** Records of a source that numbers them and can send them again: from the first to the last, both counted in. */
export interface SourceRange {
  /** Names the numbering: of two sources of one stream each has its own. */
  readonly source: string
  readonly from: number
  readonly to: number
}

/** What the driver knows of a block. `records` is undefined for raw bytes whose records were not counted. */
export interface ReceivedBlockInfo {
  readonly block: BlockId
  readonly stream: StreamId
  readonly attempt: number
  readonly sequence: number
  readonly records: number | undefined
  /** Size in bytes, an estimate for records that were not encoded. */
  readonly bytes: number
  /** Executors that held the block when it was reported: hints, never part of the lineage. */
  readonly locations: ReadonlyArray<ExecutorId>
  /** Where it is in its receiver's write-ahead log; undefined: it is in none. */
  readonly log?: LogPosition | undefined
  /** What the receiver reports later of this attempt is in this file of its log, or in a later one. */
  readonly logFrom?: string | undefined
  /** What it holds of sources that number their records. */
  readonly ranges?: ReadonlyArray<SourceRange> | undefined
  /** Nobody can read it any more: it is empty where its batch is read. */
  readonly lost?: boolean | undefined
}

export const SourceRangeSchema = Schema.Struct({ source: Schema.String, from: Schema.Int, to: Schema.Int })

/** By stream and source: up to which number its records are stored. */
export const MarksSchema = Schema.Array(
  Schema.Tuple([Schema.String, Schema.Array(Schema.Tuple([Schema.String, Schema.Int]))])
)

export const ReceivedBlockInfoSchema = Schema.Struct({
  block: Schema.String,
  stream: Schema.String,
  attempt: Schema.Int,
  sequence: Schema.Int,
  records: Schema.UndefinedOr(Schema.Int),
  bytes: Schema.Number,
  locations: Schema.Array(Schema.String),
  log: Schema.optional(LogPosition),
  logFrom: Schema.optional(Schema.String),
  ranges: Schema.optional(Schema.Array(SourceRangeSchema)),
  lost: Schema.optional(Schema.Boolean)
})
