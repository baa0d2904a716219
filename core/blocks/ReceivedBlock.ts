/**
 * A received block: records that a receiver stored in one piece, known by an identity that survives restarts.
 *
 * The identity is (stream, driver epoch, receiver attempt, sequence); a repetition of the same identity is the same block,
 * whatever the network did. Source: Spark Streaming's `StreamBlockId` and `ReceivedBlockInfo`; there the identity was the
 * start of the interval, which two receivers of one stream could share.
 */
import type { ExecutorId, StreamId } from "../protocol/Ids.ts"

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
}
