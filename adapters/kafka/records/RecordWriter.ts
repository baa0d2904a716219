/**
 * RecordWriter: the records of one batch, one after the other in a buffer that grows. A record's length stands before it, so its parts are
 * measured first.
 */
import { Buffer } from "node:buffer"
import type { NewRecord } from "./encode.ts"

const firstBytes = 16 * 1024
type Part = Uint8Array | string | null | undefined

export class RecordWriter {
  private buffer = Buffer.allocUnsafe(firstBytes)
  private at = 0

  record({ headers, key, value }: NewRecord, timestampDelta: number, offsetDelta: number): void {
    const keyLength = lengthOf(key)
    const valueLength = lengthOf(value)
    let length = 1 + longBytes(timestampDelta) + longBytes(offsetDelta) + partBytes(keyLength) +
      partBytes(valueLength) +
      longBytes(headers?.length ?? 0)
    if (headers !== undefined) {
      for (const header of headers) length += partBytes(lengthOf(header.key)) + partBytes(lengthOf(header.value))
    }
    this.room(length + 10)
    this.varlong(length)
    this.buffer[this.at++] = 0
    this.varlong(timestampDelta)
    this.varlong(offsetDelta)
    this.part(key, keyLength)
    this.part(value, valueLength)
    this.varlong(headers?.length ?? 0)
    if (headers === undefined) return
    for (const header of headers) {
      this.part(header.key, lengthOf(header.key))
      this.part(header.value, lengthOf(header.value))
    }
  }

  /** All so far; of this writer. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.at)
  }

  private part(part: Part, length: number): void {
    this.varlong(length)
    if (part === null || part === undefined) return
    if (typeof part === "string") this.buffer.write(part, this.at, length)
    else this.buffer.set(part, this.at)
    this.at += length
  }

  /** Zigzag, seven bits a byte; also for numbers of 32 bits. */
  private varlong(value: number): void {
    let rest = value < 0 ? -2 * value - 1 : 2 * value
    while (rest > 127) {
      this.buffer[this.at++] = rest % 128 | 128
      rest = Math.floor(rest / 128)
    }
    this.buffer[this.at++] = rest
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.at + bytes, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.at)
    this.buffer = grown
  }
}

/** -1: there is none. */
const lengthOf = (part: Part): number =>
  part === null || part === undefined ? -1 : typeof part === "string" ? Buffer.byteLength(part) : part.length

const partBytes = (length: number): number => longBytes(length) + Math.max(0, length)

const longBytes = (value: number): number => {
  let bytes = 1
  for (let rest = value < 0 ? -2 * value - 1 : 2 * value; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
