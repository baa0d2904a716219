/**
 * scanSegment: what a segment of a log is made of: whole groups, and between and after them bytes that are none.
 *
 * Nothing is trusted: lengths and counts are checked against what is there. After bytes that are no whole group it goes on at the next
 * header that belongs just there, for whether something came after them tells a torn tail from damage: see `LogReading.ts`.
 */
import type { Checksum } from "./crc32.ts"
import {
  decodeHeader,
  decodeRecords,
  findMagic,
  type GroupHeader,
  headerBytes,
  isHeader,
  type NoHeader,
  type RecordPlace
} from "./Group.ts"

/** A group all of whose records are whole. */
export interface WholeGroup {
  readonly kind: "Group"
  readonly header: GroupHeader
  readonly offset: number
  readonly end: number
  readonly records: ReadonlyArray<RecordPlace>
}

/** Bytes that are no whole group. */
export interface BadBytes {
  readonly kind: "Bad"
  readonly offset: number
  readonly end: number
  /** What is wrong, and where. */
  readonly reason: string
  readonly at: number
  /** That of the group which is not whole, if it is. */
  readonly header: GroupHeader | undefined
  /** The other version of the format that wrote them. */
  readonly version: number | undefined
}

export type Piece = WholeGroup | BadBytes

export interface Scanned {
  readonly pieces: ReadonlyArray<Piece>
  /** The log's id, if it is known by now. */
  readonly log: string | undefined
}

export interface SegmentToScan {
  readonly bytes: Uint8Array
  readonly segment: number
  /** undefined: that of the first header counts. */
  readonly log: string | undefined
}

export const scanSegment = ({ bytes, segment, log: known }: SegmentToScan, checksum: Checksum): Scanned => {
  let log = known
  const pieces: Array<Piece> = []
  const headerAt = (offset: number): GroupHeader | NoHeader => {
    const header = decodeHeader(bytes, offset, checksum)
    if (!isHeader(header)) return header
    if (header.segment !== segment) return { reason: `a group of segment ${header.segment}` }
    if (log !== undefined && header.log !== log) return { reason: `a group of another log, ${header.log}` }
    log = header.log
    return header
  }
  /** Where the next header is, behind bytes that are none. */
  const nextHeader = (from: number): number => {
    for (let at = findMagic(bytes, from); at >= 0; at = findMagic(bytes, at + 1)) if (isHeader(headerAt(at))) return at
    return bytes.length
  }
  let offset = 0
  while (offset < bytes.length) {
    const piece = pieceAt(bytes, offset, headerAt(offset), checksum)
    // A header that is whole tells where its group ends, whatever became of the records: so each byte is looked at once.
    const end = piece.kind === "Bad" && piece.header === undefined ? nextHeader(offset + 1) : piece.end
    pieces.push(piece.kind === "Bad" ? { ...piece, end } : piece)
    offset = end
  }
  return { pieces, log }
}

const pieceAt = (bytes: Uint8Array, offset: number, header: GroupHeader | NoHeader, checksum: Checksum): Piece => {
  if (!isHeader(header)) {
    const { reason, version } = header
    return { kind: "Bad", offset, end: bytes.length, reason, at: offset, header: undefined, version }
  }
  const end = offset + headerBytes + header.bytes
  const records = decodeRecords(bytes, header, checksum)
  if (!("reason" in records)) return { kind: "Group", header, offset, end, records }
  const { reason, offset: at } = records
  return { kind: "Bad", offset, end: Math.min(end, bytes.length), reason, at, header, version: undefined }
}
