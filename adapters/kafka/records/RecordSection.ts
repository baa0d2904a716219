/**
 * RecordSection: a cursor over the decompressed records of one batch. Made for speed: numbers are read in place, and texts are cut
 * out of a window that is made into a string once for some hundred records, which is right for ASCII only: so each text is looked at first, in
 * words of four bytes.
 *
 * Reading past the end gives zeros, never an exception: whoever reads compares where the cursor is with where the record ends.
 */
import { Buffer, isUtf8 } from "node:buffer"

/** What is cut out of a window keeps it in memory: so it is small. */
const windowBytes = 32 * 1024
const highBits = 0x80808080 | 0
const none = new Uint8Array(0)

export class RecordSection {
  at: number
  readonly end: number
  private readonly bytes: Uint8Array
  private readonly buffer: Buffer
  private readonly words: Int32Array
  /** A text was not UTF-8, and has U+FFFD for what was not. */
  hasReplaced = false
  private textWindow = ""
  private textFrom = 0
  private textUntil = 0
  private bytesWindow = none
  private bytesFrom = 0
  private bytesUntil = 0

  constructor(bytes: Uint8Array, from: number, until: number) {
    // Not a Buffer: parts of it are what users get.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.words = new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >>> 2)
    this.at = from
    this.end = until
  }

  /** A signed number of 32 bits. */
  varint(): number {
    const first = this.bytes[this.at++]!
    if (first < 128) return (first >>> 1) ^ -(first & 1)
    let value = first & 127
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.bytes[this.at++]!
      value |= (byte & 127) << shift
      if (!(byte > 127)) break
    }
    return (value >>> 1) ^ -(value & 1)
  }

  /** A signed number of 64 bits; inexact, and then refused later, where it is beyond 2^53. */
  varlong(): number {
    const first = this.bytes[this.at++]!
    if (first < 128) return (first >>> 1) ^ -(first & 1)
    let value = first & 127
    let unit = 128
    for (let count = 1; count < 10; count++, unit *= 128) {
      const byte = this.bytes[this.at++]!
      value += (byte & 127) * unit
      if (!(byte > 127)) break
    }
    return (value % 2 === 0) ? value / 2 : -(value + 1) / 2
  }

  /** A copy, several to a buffer. */
  take(length: number): Uint8Array {
    const from = this.at
    const until = from + length
    this.at = until
    if (until > this.bytesUntil) {
      this.bytesFrom = from
      this.bytesUntil = this.windowEnd(from, until)
      this.bytesWindow = this.bytes.slice(from, this.bytesUntil)
    }
    return this.bytesWindow.subarray(from - this.bytesFrom, until - this.bytesFrom)
  }

  text(length: number): string {
    const from = this.at
    const until = from + length
    this.at = until
    if (!this.isAscii(from, until)) return this.unicode(from, until)
    if (until > this.textUntil) {
      this.textFrom = from
      this.textUntil = this.windowEnd(from, until)
      this.textWindow = this.buffer.toString("latin1", from, this.textUntil)
    }
    return this.textWindow.substring(from - this.textFrom, until - this.textFrom)
  }

  private unicode(from: number, until: number): string {
    if (!isUtf8(this.buffer.subarray(from, until))) this.hasReplaced = true
    return this.buffer.toString("utf8", from, until)
  }

  private windowEnd(from: number, until: number): number {
    return Math.max(until, Math.min(this.end, from + windowBytes))
  }

  private isAscii(from: number, until: number): boolean {
    const base = this.bytes.byteOffset
    let seen = 0
    let i = from
    for (; i < until && ((base + i) & 3) !== 0; i++) seen |= this.bytes[i]!
    if ((seen & 128) !== 0) return false
    const last = (base + until) >>> 2
    for (let word = (base + i) >>> 2; word < last; word++) seen |= this.words[word]!
    if ((seen & highBits) !== 0) return false
    for (i = Math.max(i, last * 4 - base); i < until; i++) seen |= this.bytes[i]!
    return (seen & 128) === 0
  }
}
