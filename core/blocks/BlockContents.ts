/**
 * BlockContents: what a block holds: parts in the order in which they were received. A part is records as they are, or
 * encoded records that are decoded when the block is read, each part on its own (two parts are never joined before).
 *
 * `encodeContents` gives the one byte form of a block, for disk and for the way between executors:
 * a part is kind (1 byte: 0 records, 1 bytes), record count (8 bytes float; -1 unknown), length (8 bytes float), body.
 * Damage shows as a thrown Error that says where; who reads from a disk or a peer turns it into its own typed error.
 */
import type { RecordCodec } from "../protocol/RecordCodec.ts"

export type BlockPart =
  | { readonly kind: "records"; readonly records: ReadonlyArray<unknown> }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly records: number | undefined }

export interface BlockContents {
  readonly parts: ReadonlyArray<BlockPart>
}

export const ofRecords = (records: ReadonlyArray<unknown>): BlockContents => ({ parts: [{ kind: "records", records }] })

export const ofBytes = (bytes: Uint8Array, records?: number): BlockContents => ({
  parts: [{ kind: "bytes", bytes, records }]
})

/** How many records a block holds; undefined where a part of raw bytes was not counted. */
export const recordCount = (contents: BlockContents): number | undefined => {
  let count = 0
  for (const part of contents.parts) {
    const records = part.kind === "records" ? part.records.length : part.records
    if (records === undefined) return undefined
    count += records
  }
  return count
}

type Decode = ((bytes: Uint8Array) => ReadonlyArray<unknown>) | undefined

/** The records of one part; without a decoder, bytes are one record each. */
export const recordsOfPart = (part: BlockPart, decode: Decode): ReadonlyArray<unknown> =>
  part.kind === "records" ? part.records : decode === undefined ? [part.bytes] : decode(part.bytes)

/** All records of a block, in the order in which they were received. */
export const recordsOf = (contents: BlockContents, decode: Decode): ReadonlyArray<unknown> => {
  const only = contents.parts[0]
  if (contents.parts.length === 1 && only !== undefined) return recordsOfPart(only, decode)
  const all: Array<unknown> = []
  for (const part of contents.parts) {
    for (const record of recordsOfPart(part, decode)) all.push(record)
  }
  return all
}

const headerBytes = 17

/** `room`: so many bytes are left free before it. */
export const encodeContents = (contents: BlockContents, codec: RecordCodec, room = 0): Uint8Array<ArrayBuffer> => {
  const bodies = contents.parts.map((part) =>
    part.kind === "records" ? new Uint8Array(codec.encode(part.records)) : part.bytes
  )
  const total = bodies.reduce((sum, body) => sum + headerBytes + body.byteLength, room)
  const encoded = new Uint8Array(total)
  const view = new DataView(encoded.buffer)
  let at = room
  contents.parts.forEach((part, index) => {
    const body = bodies[index]!
    view.setUint8(at, part.kind === "records" ? 0 : 1)
    view.setFloat64(at + 1, part.kind === "records" ? part.records.length : part.records ?? -1)
    view.setFloat64(at + 9, body.byteLength)
    encoded.set(body, at + headerBytes)
    at += headerBytes + body.byteLength
  })
  return encoded
}

export const decodeContents = (encoded: Uint8Array, codec: RecordCodec): BlockContents => {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  const parts: Array<BlockPart> = []
  let at = 0
  while (at < encoded.byteLength) {
    if (at + headerBytes > encoded.byteLength) throw new Error(`an encoded block ends within a header, at byte ${at}`)
    const kind = view.getUint8(at)
    const records = view.getFloat64(at + 1)
    const length = view.getFloat64(at + 9)
    const begin = at + headerBytes
    const isCounted = Number.isSafeInteger(records) && records >= -1
    if (kind > 1 || !isCounted || !Number.isSafeInteger(length) || length < 0 || begin + length > encoded.byteLength) {
      throw new Error(`an encoded block is damaged at byte ${at}`)
    }
    // A copy with a buffer of its own: what storage reads may be a view into a larger one.
    const body = new Uint8Array(encoded.subarray(begin, begin + length))
    if (kind === 1) {
      parts.push({ kind: "bytes", bytes: body, records: records < 0 ? undefined : records })
    } else {
      const decoded = codec.decode(body.buffer)
      if (!Array.isArray(decoded) || decoded.length !== records) {
        throw new Error(`an encoded block has no list of ${records} records at byte ${at}`)
      }
      parts.push({ kind: "records", records: decoded })
    }
    at = begin + length
  }
  return { parts }
}
