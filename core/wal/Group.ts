/**
 * Group: what one append and one sync write to a segment of a write-ahead log: a header, then records.
 *
 * | at | bytes | header, all numbers little-endian |
 * | --- | --- | --- |
 * | 0 | 4 | magic |
 * | 4 | 2 | version of the format, 2 |
 * | 6 | 2 | nothing: 0 |
 * | 8 | 8 | id of the log, drawn when it is made: nobody outside can make bytes that look like its groups |
 * | 16 | 4 | number of the segment, so that a file under another's name is told |
 * | 20 | 4 | place of the group in it, so that a group that stands elsewhere, in a record say, is none |
 * | 24 | 4 | count of the records |
 * | 28 | 4 | bytes of the records, with what is around each |
 * | 32 | 8 | number of the group in the log, from 1; a group that is written again keeps it |
 * | 40 | 8 | number of the group that was acknowledged before it: what lies between was never acknowledged; 0: none |
 * | 48 | 8 | all acknowledged groups up to this number were durable when it was written |
 * | 56 | 4 | check sum of the 56 bytes before |
 *
 * A record is its check sum (4 bytes: of all that follows of it, and xor its place in the segment, so that a record which stands elsewhere
 * is none), its length (4), and its body. Every version keeps the header's size, magic, version and check sum, so that it is told from
 * damage. In version 1 the sums did not know their place.
 */
import type { Checksum } from "./crc32.ts"

export const headerBytes = 60
export const recordHeaderBytes = 8
export const formatVersion = 2

/** Limits of the format: whoever reads reserves no more. */
export const groupBytesMax = 2 ** 28
export const segmentBytesMax = 2 ** 30

const magic = 0x4c4157d5
const magicFirst = magic & 255
const checkedBytes = headerBytes - 4

export interface GroupHeader {
  /** 16 hexadecimal digits. */
  readonly log: string
  readonly segment: number
  readonly offset: number
  readonly records: number
  readonly bytes: number
  readonly group: number
  readonly follows: number
  readonly durable: number
}

/** A record's body in its segment. */
export interface RecordPlace {
  readonly offset: number
  readonly length: number
}

/** What a record takes beside its body. */
export const framedBytes = (records: ReadonlyArray<Uint8Array>): number =>
  records.reduce((sum, record) => sum + recordHeaderBytes + record.length, 0)

export interface EncodedGroup {
  readonly bytes: Uint8Array
  readonly records: number
  /** From the group's beginning. */
  readonly places: ReadonlyArray<RecordPlace>
  /** Of each record, wherever it goes. */
  readonly sums: ReadonlyArray<number>
}

/**
 * The records of a group, with room before them for its header: see `placeGroup`. Each body is copied once, to the beginning of
 * `room` where that is given and large enough.
 */
export const encodeRecords = (
  records: ReadonlyArray<Uint8Array>,
  checksum: Checksum,
  room?: Uint8Array
): EncodedGroup => {
  const length = headerBytes + framedBytes(records)
  const bytes = room !== undefined && length <= room.length ? room.subarray(0, length) : new Uint8Array(length)
  const view = viewOf(bytes)
  const places: Array<RecordPlace> = []
  const sums: Array<number> = []
  let at = headerBytes
  for (const record of records) {
    const offset = at + recordHeaderBytes
    view.setUint32(at + 4, record.length, true)
    bytes.set(record, offset)
    sums.push(checksum(bytes.subarray(at + 4, offset + record.length)))
    view.setUint32(at, sums.at(-1)!, true)
    places.push({ offset, length: record.length })
    at = offset + record.length
  }
  return { bytes, records: records.length, places, sums }
}

export type Stamp = Omit<GroupHeader, "records" | "bytes">

/** Writes the header for the place where the group is about to go, and ties its records to it; again, if it goes to another. */
export const placeGroup = ({ bytes, places, records, sums }: EncodedGroup, stamp: Stamp, checksum: Checksum): void => {
  const view = viewOf(bytes)
  view.setUint32(0, magic, true)
  view.setUint32(4, formatVersion, true)
  view.setUint32(8, Number.parseInt(stamp.log.slice(0, 8), 16), true)
  view.setUint32(12, Number.parseInt(stamp.log.slice(8), 16), true)
  view.setUint32(16, stamp.segment, true)
  view.setUint32(20, stamp.offset, true)
  view.setUint32(24, records, true)
  view.setUint32(28, bytes.length - headerBytes, true)
  setCount(view, 32, stamp.group)
  setCount(view, 40, stamp.follows)
  setCount(view, 48, stamp.durable)
  view.setUint32(checkedBytes, checksum(bytes.subarray(0, checkedBytes)), true)
  for (let i = 0; i < places.length; i++) {
    const at = places[i]!.offset - recordHeaderBytes
    view.setUint32(at, sumAt(sums[i]!, stamp.offset + at), true)
  }
}

/** Why there is no group at a place; `version`: another version of the format wrote it. */
export interface NoHeader {
  readonly reason: string
  readonly version?: number
}

/** The header at a place of a segment. Only its own fields are trusted, not that its records are there. */
export const decodeHeader = (bytes: Uint8Array, offset: number, checksum: Checksum): GroupHeader | NoHeader => {
  const left = bytes.length - offset
  if (left < headerBytes) return { reason: `a header is cut short: ${left} of ${headerBytes} bytes` }
  const view = viewOf(bytes, offset)
  if (view.getUint32(0, true) !== magic) return { reason: "no group begins here" }
  const at = view.getUint32(20, true)
  if (at !== offset) return { reason: `the header of a group that belongs at byte ${at}` }
  if (view.getUint32(checkedBytes, true) !== checksum(bytes.subarray(offset, offset + checkedBytes))) {
    return { reason: "the check sum of a header is wrong" }
  }
  const version = view.getUint16(4, true)
  if (version !== formatVersion) return { reason: `version ${version} of the format`, version }
  const header: GroupHeader = {
    log: hex(view.getUint32(8, true)) + hex(view.getUint32(12, true)),
    segment: view.getUint32(16, true),
    offset,
    records: view.getUint32(24, true),
    bytes: view.getUint32(28, true),
    group: count(view, 32),
    follows: count(view, 40),
    durable: count(view, 48)
  }
  return hasSense(header) ? header : { reason: "the numbers of a header make no sense" }
}

export const isHeader = (found: GroupHeader | NoHeader): found is GroupHeader => "group" in found

const hasSense = ({ records, bytes, group, follows, durable }: GroupHeader): boolean =>
  bytes <= groupBytesMax && records * recordHeaderBytes <= bytes && Number.isSafeInteger(group) && follows < group &&
  durable <= follows

/** The records of a group, or the first that is not whole. */
export const decodeRecords = (
  bytes: Uint8Array,
  header: GroupHeader,
  checksum: Checksum
): ReadonlyArray<RecordPlace> | { readonly offset: number; readonly reason: string } => {
  const end = header.offset + headerBytes + header.bytes
  if (end > bytes.length) {
    return { offset: header.offset, reason: `a group is cut short: ${bytes.length - header.offset} of its bytes` }
  }
  const places: Array<RecordPlace> = []
  let at = header.offset + headerBytes
  for (let i = 0; i < header.records; i++) {
    const place = decodeRecord(bytes.subarray(at, end), at, checksum)
    if (typeof place === "string") return { offset: at, reason: place }
    places.push({ offset: at + place.offset, length: place.length })
    at += place.offset + place.length
  }
  return at === end ? places : { offset: at, reason: `${end - at} bytes of a group belong to no record` }
}

/** The record at the beginning of these bytes, which stand at `offset` of their segment, or why there is none. */
export const decodeRecord = (bytes: Uint8Array, offset: number, checksum: Checksum): RecordPlace | string => {
  if (bytes.length < recordHeaderBytes) return "a record is cut short"
  const view = viewOf(bytes)
  const length = view.getUint32(4, true)
  const end = recordHeaderBytes + length
  if (end > bytes.length) return `a record of ${length} bytes is cut short`
  return view.getUint32(0, true) === sumAt(checksum(bytes.subarray(4, end)), offset)
    ? { offset: recordHeaderBytes, length }
    : "the check sum of a record is wrong"
}

/** The next place, from `from` on, that may be the beginning of a group; -1: none. */
export const findMagic = (bytes: Uint8Array, from: number): number => {
  const last = bytes.length - headerBytes
  for (let at = bytes.indexOf(magicFirst, from); at >= 0 && at <= last; at = bytes.indexOf(magicFirst, at + 1)) {
    const rest = (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    if ((rest | magicFirst) === (magic | 0)) return at
  }
  return -1
}

const viewOf = (bytes: Uint8Array, offset = 0): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset + offset, bytes.length - offset)

/** A record's check sum where it stands. */
const sumAt = (sum: number, offset: number): number => (sum ^ offset) >>> 0

const hex = (word: number): string => word.toString(16).padStart(8, "0")

const setCount = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value % 2 ** 32, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

const count = (view: DataView, at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
