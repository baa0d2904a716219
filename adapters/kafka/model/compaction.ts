/**
 * compaction: what a broker leaves of a log when it cleans it: of each key the newest record; nothing of transactions that were aborted.
 *
 * The newest batch is left alone, and all that may still change. Records keep their offsets, so that gaps come into being, inside of
 * batches and between them. A batch of which nothing is left goes, unless its producer's last sequence number stands in it: then it
 * stays, without records. Markers stay.
 */
import type { KafkaRecord } from "../KafkaRecord.ts"
import { decode } from "../records/decode.ts"
import { encode } from "../records/encode.ts"
import { attribute, type BatchHeader, headerAt } from "../records/RecordBatch.ts"
import type { LogBatch } from "./PartitionLog.ts"

export interface Aborted {
  readonly producerId: bigint
  readonly firstOffset: number
  /** Of the marker. */
  readonly lastOffset: number
}

export const recordsOf = ({ bytes, header }: LogBatch): ReadonlyArray<KafkaRecord<Uint8Array, Uint8Array>> => {
  const records: Array<KafkaRecord<Uint8Array, Uint8Array>> = []
  const range = { from: 0, until: header.lastOffset + 1 }
  decode(bytes, { topic: "", partition: 0, ...range, aborted: [], key: "bytes", value: "bytes" }, records)
  return records
}

export const compacted = (
  batches: ReadonlyArray<LogBatch>,
  lastStable: number,
  aborted: ReadonlyArray<Aborted>
): Array<LogBatch> => {
  const isClean = (batch: LogBatch, i: number) => i < batches.length - 1 && batch.header.lastOffset < lastStable
  const isAborted = ({ baseOffset, producerId }: BatchHeader) =>
    aborted.some((it) => it.producerId === producerId && it.firstOffset <= baseOffset && baseOffset < it.lastOffset)
  const newest = new Map<string, number>()
  const lastOfProducer = new Map<bigint, number>()
  batches.forEach((batch, i) => {
    const { header, marker } = batch
    if (marker !== undefined) return
    lastOfProducer.set(header.producerId, header.baseOffset)
    if (!isClean(batch, i) || isAborted(header)) return
    for (const { key, offset } of recordsOf(batch)) if (key !== null) newest.set(textOf(key), offset)
  })
  return batches.flatMap((batch, i) => {
    const { header, marker } = batch
    if (marker !== undefined || !isClean(batch, i)) return [batch]
    const records = recordsOf(batch)
    const left = isAborted(header)
      ? []
      : records.filter(({ key, offset }) => key === null || newest.get(textOf(key)) === offset)
    if (left.length === records.length) return [batch]
    const isLast = header.producerId !== -1n && lastOfProducer.get(header.producerId) === header.baseOffset
    return left.length === 0 && !isLast ? [] : [rewritten(header, left)]
  })
}

const rewritten = (
  { attributes, baseOffset, baseSequence, lastOffset, leaderEpoch, producerEpoch, producerId }: BatchHeader,
  records: ReadonlyArray<KafkaRecord<Uint8Array, Uint8Array>>
): LogBatch => {
  const bytes = encode(records, {
    baseOffset,
    lastOffset,
    leaderEpoch,
    producer: { id: producerId, epoch: producerEpoch, sequence: baseSequence },
    isTransactional: (attributes & attribute.transactional) !== 0
  })
  return { bytes, header: headerAt(bytes, 0)!, marker: undefined }
}

const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
