/**
 * decode: the records of a fetch's bytes, appended to an array that the caller has. One pass, no object per record but the record
 * itself; values as text are cut out of larger strings (`RecordSection`).
 *
 * What comes in is not trusted: check sums, lengths, counts, order of offsets and the size of what is decompressed are checked, and a batch is
 * whole or refused. Left out are records outside of the wanted offsets, markers, and records of transactions that were aborted.
 */
import { permanent } from "../../../core/protocol/permanent.ts"
import { KafkaError } from "../KafkaError.ts"
import type { KafkaHeader, KafkaRecord } from "../KafkaRecord.ts"
import { decompress } from "./compression.ts"
import {
  attribute,
  BadBatch,
  baseOffsetAt,
  type BatchHeader,
  checkSum,
  compressions,
  headerAt,
  headerBytes
} from "./RecordBatch.ts"
import { RecordSection } from "./RecordSection.ts"

/** Of keys and values; what is not UTF-8 in a text becomes U+FFFD, and the record is told as `invalid`. */
export type PartFormat = "text" | "bytes"
export type Part<F extends PartFormat> = F extends "text" ? string : Uint8Array

export interface DecodeOptions<K extends PartFormat, V extends PartFormat> {
  readonly topic: string
  readonly partition: number
  /** Records before it are left out. */
  readonly from: number
  /** Records at or behind it are left out. */
  readonly until: number
  /** As the fetch gave it: empty, and nothing is taken for aborted. */
  readonly aborted: ReadonlyArray<{ readonly producerId: bigint; readonly firstOffset: number }>
  readonly key: K
  readonly value: V
  /** Bytes that the records of one batch may have when they are decompressed; after as many it ends early. 64 MiB */
  readonly decompressedMax?: number | undefined
}

export interface Decoded {
  /** All that is before it has been dealt with, at most `until`: the offset to fetch from next, also if the bytes held more. */
  readonly next: number
  /** Places in the array of records that hold a text which was not UTF-8. */
  readonly invalid: ReadonlyArray<number>
}

const decompressedMaxDefault = 64 * 1024 * 1024
/** The least that a record takes: length, attributes, two deltas, key, value and headers. */
const recordBytesMin = 7
const noHeaders: ReadonlyArray<KafkaHeader> = []

/** Throws a KafkaError (Damaged, Unsupported, TooLarge) that names the batch. Then `into` may hold records of the batches before. */
export const decode = <K extends PartFormat, V extends PartFormat>(
  bytes: Uint8Array,
  options: DecodeOptions<K, V>,
  into: Array<KafkaRecord<Part<K>, Part<V>>>
): Decoded => {
  const aborts = new Aborts(options.aborted)
  const invalid: Array<number> = []
  const { decompressedMax = decompressedMaxDefault, from, until } = options
  let decompressed = 0
  let next = from
  let at = 0
  let before = -1
  try {
    for (let header; next < until && (header = headerAt(bytes, at)) !== undefined; at = header.end) {
      if (header.baseOffset <= before) {
        throw new BadBatch(`it begins at offset ${header.baseOffset}, and the batch before it ends at ${before}`)
      }
      before = header.lastOffset
      if (decompressed >= decompressedMax) break
      if (header.lastOffset >= from) {
        checkSum(bytes, header)
        if (!aborts.leavesOut(bytes, header)) {
          const section = sectionOf(bytes, header, decompressedMax)
          decompressed += section.end - section.at
          readRecords(section, header, options, into, invalid)
        }
        next = Math.min(until, header.lastOffset + 1)
      }
    }
    if (at === 0 && bytes.length > 0 && next < until) {
      throw new BadBatch(`it is cut after ${bytes.length} bytes, though the broker sends at least one whole`)
    }
  } catch (error) {
    throw error instanceof BadBatch ? failureOf(error, options, baseOffsetAt(bytes, at)) : error
  }
  return { next, invalid }
}

const failureOf = (
  { message, reason }: BadBatch,
  { from, partition, topic }: DecodeOptions<PartFormat, PartFormat>,
  baseOffset: number | undefined
): KafkaError => {
  const offset = baseOffset ?? from
  const error = new KafkaError({
    reason,
    topic,
    partition,
    offset,
    message: `The record batch at offset ${offset} of ${topic}/${partition} cannot be read: ${message}. ${
      remedies[reason]
    }`
  })
  // Damaged it may have been on its way.
  return reason === "Damaged" ? error : Object.assign(error, { [permanent]: true })
}

const remedies: Readonly<Record<BadBatch["reason"], string>> = {
  Damaged:
    "Try again in case the network was it; if it stays, look at the segment with kafka-dump-log.sh, and read on behind this batch",
  Unsupported: "Have its producer write it in another way, or read on behind this batch",
  TooLarge:
    "Raise maxBatchBytes if it is to be read, or have its producer write smaller batches and read on behind this one"
}

/** Which producers' transactions are aborted at the batch that is read: from their first offset to their marker. */
class Aborts {
  private readonly waiting: Array<{ readonly producerId: bigint; readonly firstOffset: number }>
  private readonly open = new Set<bigint>()

  constructor(aborted: DecodeOptions<PartFormat, PartFormat>["aborted"]) {
    this.waiting = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Whether the batch holds nothing for users: a marker, or what was aborted. */
  leavesOut(bytes: Uint8Array, header: BatchHeader): boolean {
    const isControl = (header.attributes & attribute.control) !== 0
    if (this.waiting.length > 0 || this.open.size > 0) {
      while (this.waiting.length > 0 && this.waiting.at(-1)!.firstOffset <= header.lastOffset) {
        this.open.add(this.waiting.pop()!.producerId)
      }
      if (isControl && markerOf(bytes, header) === "abort") this.open.delete(header.producerId)
    }
    return isControl || (header.attributes & attribute.transactional) !== 0 && this.open.has(header.producerId)
  }
}

/** How a control batch says that its producer's transaction ended; undefined: it says something else. */
export const markerOf = (bytes: Uint8Array, header: BatchHeader): "commit" | "abort" | undefined => {
  const section = new RecordSection(bytes, header.at + headerBytes, header.end)
  const length = section.varint()
  section.at++
  section.varlong()
  section.varint()
  const keyLength = section.varint()
  if (length < recordBytesMin - 1 || keyLength < 4 || section.at + keyLength > header.end) {
    throw new BadBatch("its marker has no kind")
  }
  const kind = bytes[section.at + 2]! * 256 + bytes[section.at + 3]!
  return kind === 0 ? "abort" : kind === 1 ? "commit" : undefined
}

/** The records of a batch, decompressed. */
const sectionOf = (
  bytes: Uint8Array,
  { at, attributes, end, recordCount }: BatchHeader,
  decompressedMax: number
): RecordSection => {
  const compression = compressions[attributes & attribute.compression]
  if (compression === undefined) {
    throw new BadBatch(
      `it is compressed in a way that is not known, number ${attributes & attribute.compression}`,
      "Unsupported"
    )
  }
  const from = at + headerBytes
  const section = compression === "none"
    ? new RecordSection(bytes, from, end)
    : wholeSection(decompress(compression, bytes.subarray(from, end), decompressedMax))
  if (recordCount < 0 || recordCount > (section.end - section.at) / recordBytesMin) {
    throw new BadBatch(`it says that it holds ${recordCount} records in ${section.end - section.at} bytes`)
  }
  return section
}

const wholeSection = (bytes: Uint8Array) => new RecordSection(bytes, 0, bytes.length)

function readRecords<K extends PartFormat, V extends PartFormat>(
  section: RecordSection,
  header: BatchHeader,
  { from, key: keyFormat, partition, topic, until, value: valueFormat }: DecodeOptions<K, V>,
  into: Array<KafkaRecord<Part<K>, Part<V>>>,
  invalid: Array<number>
): void {
  const keyIsText = keyFormat === "text"
  const valueIsText = valueFormat === "text"
  const { baseOffset, baseTimestamp, lastOffset, recordCount } = header
  const appendTime = (header.attributes & attribute.appendTime) !== 0 ? header.maxTimestamp : undefined
  let before = baseOffset - 1
  for (let i = 0; i < recordCount; i++) {
    const length = section.varint()
    const end = section.at + length
    if (length < recordBytesMin - 1 || end > section.end) throw new BadBatch(`its record ${i} has ${length} bytes`)
    section.at++
    const timestamp = appendTime ?? baseTimestamp + section.varlong()
    if (appendTime !== undefined) section.varlong()
    const offset = baseOffset + section.varint()
    if (offset <= before || offset > lastOffset) throw new BadBatch(`its record ${i} has the offset ${offset}`)
    before = offset
    if (offset >= until) return
    if (offset < from) {
      section.at = end
      continue
    }
    const key = readPart(section, end, keyIsText)
    const value = readPart(section, end, valueIsText)
    const headers = readHeaders(section, end)
    if (section.at !== end) throw new BadBatch(`the parts of its record ${i} do not fill it`)
    if (section.hasReplaced) {
      section.hasReplaced = false
      invalid.push(into.length)
    }
    into.push({ topic, partition, offset, timestamp, key: key as Part<K>, value: value as Part<V>, headers })
  }
  if (section.at !== section.end) throw new BadBatch("bytes are left over behind its records")
}

function readPart(section: RecordSection, end: number, isText: boolean): string | Uint8Array | null {
  const length = section.varint()
  if (length === -1) return null
  if (length < 0 || section.at + length > end) throw new BadBatch(`a key or value in it has ${length} bytes`)
  return isText ? section.text(length) : section.take(length)
}

function readHeaders(section: RecordSection, end: number): ReadonlyArray<KafkaHeader> {
  const count = section.varint()
  if (count === 0) return noHeaders
  // A header takes at least the lengths of its key and its value.
  if (count < 0 || count > (end - section.at) / 2) throw new BadBatch(`a record in it has ${count} headers`)
  const headers: Array<KafkaHeader> = []
  for (let i = 0; i < count; i++) {
    const key = readPart(section, end, true) as string | null
    if (key === null) throw new BadBatch("a header in it has no name")
    headers.push({ key, value: readPart(section, end, false) as Uint8Array | null })
  }
  return headers
}
