/**
 * BlockRecord: a block as a record of a receiver's write-ahead log: the length of its identity (4 bytes), its identity in UTF-8, then
 * its contents as `encodeContents` gives them. The identity is there to be compared: a position that has come to lead to another block
 * shows.
 */
import type { RecordCodec } from "../protocol/RecordCodec.ts"
import { type BlockContents, encodeContents } from "./BlockContents.ts"
import type { BlockId } from "./ReceivedBlock.ts"

export interface BlockRecord {
  /** The whole of it. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** A view of its end. */
  readonly contents: Uint8Array<ArrayBuffer>
}

const lengthBytes = 4

/** Throws what the codec throws. */
export const encode = (block: BlockId, contents: BlockContents, codec: RecordCodec): BlockRecord => {
  const id = new TextEncoder().encode(block)
  const room = lengthBytes + id.byteLength
  const bytes = encodeContents(contents, codec, room)
  new DataView(bytes.buffer).setUint32(0, id.byteLength)
  bytes.set(id, lengthBytes)
  return { bytes, contents: bytes.subarray(room) }
}

/** Throws an Error where it is none. */
export const decode = (bytes: Uint8Array): { readonly block: BlockId; readonly contents: Uint8Array } => {
  if (bytes.byteLength < lengthBytes) throw new Error("it is too short for a block")
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)
  const begin = lengthBytes + length
  if (begin > bytes.byteLength) throw new Error("it ends within the name of its block")
  return { block: new TextDecoder().decode(bytes.subarray(lengthBytes, begin)), contents: bytes.subarray(begin) }
}
