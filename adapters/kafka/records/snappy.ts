/**
 * snappy: Google's format, bare or in the blocks of the Java library (`\x82SNAPPY\0`, version, compatible version, then blocks each with its length), as
 * Java's producer writes it. Written in such blocks of 32 KiB.
 *
 * A block is its length as a varint, then elements: the lowest two bits of a tag say literal (0), or a copy whose
 * distance has 11 bits (1), 16 (2) or 32 (3).
 */
import { Buffer } from "node:buffer"
import { eachMatch, Output, tooLong } from "./matching.ts"
import { BadBatch } from "./RecordBatch.ts"

const magic = Buffer.from("\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", "latin1")
/** Version numbers are not looked at. */
const magicBytes = 8
const blockBytes = 32 * 1024
const copyMax = 64

export const compress = (bytes: Uint8Array): Uint8Array => {
  const output = new Output(32 + bytes.length, Infinity)
  output.append(magic, 0, magic.length)
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = compressBlock(bytes.subarray(at, at + blockBytes))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    output.append(length, 0, 4)
    output.append(block, 0, block.length)
  }
  return output.written()
}

const compressBlock = (block: Uint8Array): Uint8Array => {
  const output = new Output(32 + block.length, Infinity)
  for (let rest = block.length;; rest >>>= 7) {
    output.byte(rest > 127 ? rest & 127 | 128 : rest)
    if (rest <= 127) break
  }
  let done = 0
  const literal = (until: number) => {
    const length = until - done - 1
    if (length < 0) return
    if (length < 60) output.byte(length << 2)
    else {
      output.byte(61 << 2)
      output.byte(length & 255)
      output.byte(length >>> 8)
    }
    output.append(block, done, until)
  }
  eachMatch(block, 0, block.length, { distanceMax: 65_535, tail: 4, rest: 0 }, ({ at, from, length }) => {
    literal(at)
    for (let rest = length; rest > 0; rest -= copyMax) {
      output.byte(Math.min(rest, copyMax) - 1 << 2 | 2)
      output.byte(at - from & 255)
      output.byte(at - from >>> 8)
    }
    done = at + length
  })
  literal(block.length)
  return output.written()
}

export const decompress = (bytes: Uint8Array, limit: number): Uint8Array => {
  if (
    bytes.length < magic.length || Buffer.compare(bytes.subarray(0, magicBytes), magic.subarray(0, magicBytes)) !== 0
  ) {
    const output = new Output(bytes.length * 2, limit)
    decompressBlock(bytes, output, limit)
    return output.written()
  }
  const output = new Output(bytes.length * 2, limit)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = magic.length; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? view.getInt32(at) : -1
    at += 4 + length
    if (length < 0 || at > bytes.length) throw cut()
    decompressBlock(bytes.subarray(at - length, at), output, limit)
  }
  return output.written()
}

const cut = () => new BadBatch("it cannot be decompressed as snappy: it is cut")

function decompressBlock(block: Uint8Array, output: Output, limit: number): void {
  let at = 0
  /** Little-endian. */
  const number = (count: number): number => {
    if (at + count > block.length) throw cut()
    let value = 0
    for (let i = 0; i < count; i++) value += block[at++]! * 2 ** (8 * i)
    return value
  }
  let length = 0
  for (let unit = 1;; unit *= 128) {
    const byte = number(1)
    length += (byte & 127) * unit
    if (byte < 128) break
    if (unit > 2 ** 28) throw new BadBatch("it cannot be decompressed as snappy: it has no length")
  }
  const end = output.at + length
  if (end > limit) throw tooLong(limit)
  while (at < block.length) {
    const tag = number(1)
    const upper = tag >>> 2
    if ((tag & 3) === 0) {
      const count = 1 + (upper < 60 ? upper : number(upper - 59))
      if (at + count > block.length) throw cut()
      output.append(block, at, at + count)
      at += count
    } else if ((tag & 3) === 1) output.repeat((tag >>> 5) * 256 + number(1), 4 + (upper & 7))
    else output.repeat(number((tag & 3) === 2 ? 2 : 4), upper + 1)
    if (output.at > end) break
  }
  if (output.at !== end) throw new BadBatch("it cannot be decompressed as snappy: it has another length than it says")
}
