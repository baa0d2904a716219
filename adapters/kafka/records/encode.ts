/**
 * encode: records as one record batch, ready to be produced or to be kept by a broker's model; and the markers that end transactions.
 */
import { Buffer } from "node:buffer"
import type { Millis } from "../../../core/time/Time.ts"
import type { KafkaHeader } from "../KafkaRecord.ts"
import { compress } from "./compression.ts"
import { attribute, type Compression, compressions, headerBytes, sealBatch } from "./RecordBatch.ts"
import { RecordWriter } from "./RecordWriter.ts"

export interface NewRecord {
  readonly key?: Uint8Array | string | null | undefined
  readonly value?: Uint8Array | string | null | undefined
  readonly headers?: ReadonlyArray<KafkaHeader> | undefined
  readonly timestamp: Millis
  /** The one behind that of the record before it; only a log that was compacted has others. */
  readonly offset?: number | undefined
}

export interface EncodeOptions {
  /** none */
  readonly compression?: Compression | undefined
  readonly producer?: BatchProducer | undefined
  readonly isTransactional?: boolean | undefined
  /** What is written into a log has 0; brokers put their own. */
  readonly baseOffset?: number | undefined
  /** Where records behind the last were taken out. */
  readonly lastOffset?: number | undefined
  readonly leaderEpoch?: number | undefined
}

export interface BatchProducer {
  readonly id: bigint
  readonly epoch: number
  /** Of the first record. */
  readonly sequence: number
}

/** What a record takes in a batch at most, before compression. */
export const recordBytesMax = ({ headers = [], key, value }: NewRecord): number =>
  headers.reduce((sum, header) => sum + partBytes(header.key) + partBytes(header.value), 0) +
  partBytes(key) + partBytes(value) + 5 + 1 + 10 + 5 + 5

/** With its length. */
const partBytes = (part: Uint8Array | string | null | undefined): number =>
  5 + (part === null || part === undefined ? 0 : typeof part === "string" ? Buffer.byteLength(part) : part.length)

/** One batch of at least one record. */
export const encode = (records: ReadonlyArray<NewRecord>, options: EncodeOptions = {}): Uint8Array => {
  const baseOffset = options.baseOffset ?? records[0]?.offset ?? 0
  const baseTimestamp = records[0]?.timestamp ?? -1
  let maxTimestamp = baseTimestamp
  let offset = baseOffset - 1
  const writer = new RecordWriter()
  for (const record of records) {
    offset = record.offset ?? offset + 1
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp
    writer.record(record, record.timestamp - baseTimestamp, offset - baseOffset)
  }
  const compression = options.compression ?? "none"
  const written = compression === "none" ? writer.written() : compress(compression, writer.written())
  const batch = new Uint8Array(headerBytes + written.length)
  batch.set(written, headerBytes)
  sealBatch(batch, {
    baseOffset,
    lastOffset: options.lastOffset ?? Math.max(offset, baseOffset),
    leaderEpoch: options.leaderEpoch ?? -1,
    attributes: compressions.indexOf(compression) | (options.isTransactional === true ? attribute.transactional : 0),
    baseTimestamp,
    maxTimestamp,
    producerId: options.producer?.id ?? -1n,
    producerEpoch: options.producer?.epoch ?? -1,
    baseSequence: options.producer?.sequence ?? -1,
    recordCount: records.length
  })
  return batch
}

/** What a broker writes where a transaction ends. */
export const encodeMarker = (
  outcome: "commit" | "abort",
  { id, epoch }: { readonly id: bigint; readonly epoch: number },
  { baseOffset, leaderEpoch, timestamp }: {
    readonly baseOffset: number
    readonly timestamp: Millis
    readonly leaderEpoch?: number | undefined
  }
): Uint8Array => {
  const writer = new RecordWriter()
  const key = Uint8Array.of(0, 0, 0, outcome === "commit" ? 1 : 0)
  writer.record({ key, value: new Uint8Array(6), timestamp }, 0, 0)
  const written = writer.written()
  const batch = new Uint8Array(headerBytes + written.length)
  batch.set(written, headerBytes)
  sealBatch(batch, {
    baseOffset,
    lastOffset: baseOffset,
    leaderEpoch: leaderEpoch ?? -1,
    attributes: attribute.transactional | attribute.control,
    baseTimestamp: timestamp,
    maxTimestamp: timestamp,
    producerId: id,
    producerEpoch: epoch,
    baseSequence: -1,
    recordCount: 1
  })
  return batch
}
