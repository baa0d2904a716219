/**
 * RecordBatch: the form in which records lie in Kafka's logs and travel (its version 2, since Kafka 0.11), big-endian:
 *
 * | at | | at | |
 * | --- | --- | --- | --- |
 * | 0 | base offset, 8 | 23 | last offset - base offset, 4 |
 * | 8 | bytes behind this field, 4 | 27 | base timestamp, 8; largest timestamp, 8 |
 * | 12 | epoch of the leader, 4 | 43 | producer's id, 8; its epoch, 2; its first sequence number, 4 |
 * | 16 | 2, 1 | 57 | number of records, 4 |
 * | 17 | CRC-32C of all that follows, 4 | 61 | the records, compressed as the attributes say |
 * | 21 | attributes, 2: compression in bits 0 to 2, then append time, transactional, control | | |
 *
 * Where offsets are missing (compaction), the last offset stands nevertheless. A control batch holds a marker instead of records:
 * how a producer's transaction ended. What is before the attributes is the broker's and not covered by the check sum.
 * Here are header, placing and check; the records are in `encode.ts` and `decode.ts`.
 */
import { crc32c } from "./crc32c.ts"

export const headerBytes = 61
/** What a batch's length does not count. */
const lengthOverhead = 12
const crcAt = 17
const attributesAt = 21

/** As the attributes number them. */
export const compressions = ["none", "gzip", "snappy", "lz4", "zstd"] as const
export type Compression = (typeof compressions)[number]

export const attribute = { compression: 7, appendTime: 8, transactional: 16, control: 32 } as const

export interface HeaderFields {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly leaderEpoch: number
  readonly attributes: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** -1: none */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** A header as it was read. */
export interface BatchHeader extends HeaderFields {
  /** Where the batch begins and ends in the bytes. */
  readonly at: number
  readonly end: number
}

/** Thrown for bytes that are no batch, or one that is not read here; whoever knows topic and partition makes a KafkaError of it. */
export class BadBatch extends Error {
  readonly reason: "Damaged" | "Unsupported" | "TooLarge"
  constructor(message: string, reason: BadBatch["reason"] = "Damaged") {
    super(message)
    this.reason = reason
  }
}

/**
 * The header of the batch that begins at `at`; undefined where the bytes end before the batch does.
 * Throws a BadBatch for what cannot be one.
 */
export const headerAt = (bytes: Uint8Array, at: number): BatchHeader | undefined => {
  if (bytes.length - at < attributesAt) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at)
  const magic = view.getInt8(16)
  if (magic !== 2) throw unknownMagic(magic)
  const length = view.getInt32(8)
  if (length < headerBytes - lengthOverhead) throw new BadBatch(`its length is given as ${length}`)
  const end = at + lengthOverhead + length
  if (end > bytes.length) return undefined
  const baseOffset = longAt(view, 0)
  const lastOffsetDelta = view.getInt32(23)
  if (baseOffset < 0 || lastOffsetDelta < 0) throw new BadBatch("its offsets are negative")
  return {
    at,
    end,
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    leaderEpoch: view.getInt32(12),
    attributes: view.getInt16(attributesAt),
    baseTimestamp: longAt(view, 27),
    maxTimestamp: longAt(view, 35),
    producerId: view.getBigInt64(43),
    producerEpoch: view.getInt16(51),
    baseSequence: view.getInt32(53),
    recordCount: view.getInt32(57)
  }
}

/** Of the whole record batches of a fetch; none, if there is one that cannot be read. */
export const headersOf = (bytes: Uint8Array): ReadonlyArray<BatchHeader> => {
  const headers: Array<BatchHeader> = []
  try {
    for (let header, at = 0; (header = headerAt(bytes, at)) !== undefined; at = header.end) headers.push(header)
  } catch {
    return []
  }
  return headers
}

/** Names the offset of what cannot be read, too; undefined where not even that is there. */
export const baseOffsetAt = (bytes: Uint8Array, at: number): number | undefined => {
  if (bytes.length - at < 8) return undefined
  const offset = Number(new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0))
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined
}

/** Throws a BadBatch where the bytes are not those that were sent. */
export const checkSum = (bytes: Uint8Array, { at, end }: BatchHeader): void => {
  const stored = new DataView(bytes.buffer, bytes.byteOffset + at, headerBytes).getUint32(crcAt)
  if (stored !== crc32c(bytes, at + attributesAt, end)) throw new BadBatch("its check sum is not that of its bytes")
}

/** What a broker does when it appends a batch: gives it its place. In place. */
export const placeBatch = (batch: Uint8Array, baseOffset: number, leaderEpoch: number): void => {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.length)
  view.setBigInt64(0, BigInt(baseOffset))
  view.setInt32(12, leaderEpoch)
}

/** Writes the header of a batch whose records stand already behind it, with the check sum. */
export const sealBatch = (batch: Uint8Array, fields: HeaderFields): void => {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.length)
  placeBatch(batch, fields.baseOffset, fields.leaderEpoch)
  view.setInt32(8, batch.length - lengthOverhead)
  view.setInt8(16, 2)
  view.setInt16(attributesAt, fields.attributes)
  view.setInt32(23, fields.lastOffset - fields.baseOffset)
  view.setBigInt64(27, BigInt(fields.baseTimestamp))
  view.setBigInt64(35, BigInt(fields.maxTimestamp))
  view.setBigInt64(43, fields.producerId)
  view.setInt16(51, fields.producerEpoch)
  view.setInt32(53, fields.baseSequence)
  view.setInt32(57, fields.recordCount)
  view.setUint32(crcAt, crc32c(batch, attributesAt, batch.length))
}

const longAt = (view: DataView, at: number): number => {
  const value = view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4)
  if (!Number.isSafeInteger(value)) throw new BadBatch(`a number in its header is ${value}`)
  return value
}

const unknownMagic = (magic: number): BadBatch =>
  magic === 0 || magic === 1
    ? new BadBatch("it was written in the form that Kafka had before its version 0.11", "Unsupported")
    : new BadBatch(`it is of a version ${magic}`, magic > 2 && magic < 10 ? "Unsupported" : "Damaged")
