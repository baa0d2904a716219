/**
 * lz4: the frame format, as Java's producer writes it: a magic number, flags, then blocks each with its length, and a zero. Check sums of its own
 * that others write are passed over: a record batch has one.
 *
 * A block is sequences: a token of two lengths of four bits (15: more bytes follow), literals, the distance of a copy in 16 bits. The last
 * sequence has literals only, and at least five.
 */
import { Buffer } from "node:buffer"
import { eachMatch, Output } from "./matching.ts"
import { BadBatch } from "./RecordBatch.ts"

const magic = 0x184d2204
/** Version 1, independent blocks of 64 KiB, and what the header's own check sum comes to. */
const header = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82)
const blockBytes = 64 * 1024
const flag = { version: 0xc0, blockCheckSum: 0x10, contentSize: 0x08, contentCheckSum: 0x04, dictionary: 0x01 } as const
const isStored = 0x80000000

export const compress = (bytes: Uint8Array): Uint8Array => {
  const output = new Output(32 + bytes.length, Infinity)
  output.append(header, 0, header.length)
  const length = Buffer.alloc(4)
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes)
    const compressed = compressBlock(block)
    const isSmaller = compressed.length < block.length
    const written = isSmaller ? compressed : block
    length.writeUInt32LE(isSmaller ? written.length : written.length + isStored)
    output.append(length, 0, 4)
    output.append(written, 0, written.length)
  }
  length.writeUInt32LE(0)
  output.append(length, 0, 4)
  return output.written()
}

const compressBlock = (block: Uint8Array): Uint8Array => {
  const output = new Output(32 + block.length, Infinity)
  let done = 0
  const more = (length: number) => {
    for (let rest = length - 15; rest >= 0; rest -= 255) output.byte(Math.min(rest, 255))
  }
  /** A copy of no length is the end. */
  const sequence = (until: number, copy: number) => {
    output.byte(Math.min(until - done, 15) << 4 | Math.min(Math.max(0, copy - 4), 15))
    more(until - done)
    output.append(block, done, until)
  }
  eachMatch(block, 0, block.length, { distanceMax: 65_535, tail: 12, rest: 5 }, ({ at, from, length }) => {
    sequence(at, length)
    output.byte(at - from & 255)
    output.byte(at - from >>> 8)
    more(length - 4)
    done = at + length
  })
  sequence(block.length, 0)
  return output.written()
}

export const decompress = (bytes: Uint8Array, limit: number): Uint8Array => {
  const output = new Output(bytes.length * 3, limit)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const take = (count: number): number => {
    at += count
    if (at > bytes.length) throw damaged("it is cut")
    return at - count
  }
  if (view.getUint32(take(4), true) !== magic) throw damaged("it begins with another number")
  const flags = bytes[take(2)]!
  if ((flags & flag.version) !== 0x40) throw damaged("its version is unknown")
  if ((flags & flag.dictionary) !== 0) throw new BadBatch("it is compressed as lz4 with a dictionary", "Unsupported")
  take((flags & flag.contentSize) === 0 ? 1 : 9)
  while (true) {
    const size = view.getUint32(take(4), true)
    if (size === 0) break
    const length = size & 0x7fffffff
    const from = take(length)
    if (size >= isStored) output.append(bytes, from, at)
    else decompressBlock(bytes.subarray(from, at), output)
    if ((flags & flag.blockCheckSum) !== 0) take(4)
  }
  if ((flags & flag.contentCheckSum) !== 0) take(4)
  if (at !== bytes.length) throw damaged("bytes are left over behind it")
  return output.written()
}

const damaged = (what: string) => new BadBatch(`it cannot be decompressed as lz4: ${what}`)

function decompressBlock(block: Uint8Array, output: Output): void {
  let at = 0
  const byte = (): number => {
    if (at >= block.length) throw damaged("it is cut")
    return block[at++]!
  }
  const lengthOf = (bits: number): number => {
    let length = bits
    if (bits === 15) {
      let more
      do length += more = byte()
      while (more === 255)
    }
    return length
  }
  while (at < block.length) {
    const token = byte()
    const literals = lengthOf(token >>> 4)
    if (at + literals > block.length) throw damaged("it is cut")
    output.append(block, at, at + literals)
    at += literals
    if (at === block.length) return
    const distance = byte() + byte() * 256
    output.repeat(distance, 4 + lengthOf(token & 15))
  }
}
