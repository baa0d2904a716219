/**
 * matching: what snappy and LZ4 have in common: when writing, where in a block something was before, found by a table of hashes of four bytes;
 * when reading, an output that is longer than a limit never.
 */
import { BadBatch } from "./RecordBatch.ts"

/** Four bytes at `from` are there again at `at`, and maybe more. */
export interface Match {
  readonly from: number
  readonly at: number
  readonly length: number
}

const hashBits = 14
const minimum = 4
/** After so many steps without a match two at a time, and so on: what cannot be compressed costs little. */
const patienceBits = 5

/**
 * Calls `found` for one match after the other, none of which overlap. Matches begin before `until` - `tail`, end at most at `until` - `rest`,
 * and reach back `distanceMax` at most.
 */
export const eachMatch = (
  bytes: Uint8Array,
  from: number,
  until: number,
  { distanceMax, rest, tail }: { readonly distanceMax: number; readonly rest: number; readonly tail: number },
  found: (match: Match) => void
): void => {
  const table = new Int32Array(1 << hashBits).fill(-1)
  const last = until - Math.max(tail, minimum)
  const end = until - rest
  let misses = 0
  for (let at = from; at < last;) {
    const word = wordAt(bytes, at)
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - hashBits)
    const candidate = table[slot]!
    table[slot] = at
    if (candidate < 0 || at - candidate > distanceMax || wordAt(bytes, candidate) !== word) {
      at += 1 + (misses++ >>> patienceBits)
      continue
    }
    let length = minimum
    while (at + length < end && bytes[candidate + length] === bytes[at + length]) length++
    found({ from: candidate, at, length })
    at += length
    misses = 0
  }
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24

/** Bytes that grow as they are written. */
export class Output {
  private bytes: Uint8Array
  private readonly limit: number
  at = 0

  constructor(expected: number, limit: number) {
    this.limit = limit
    this.bytes = new Uint8Array(Math.min(expected, limit))
  }

  byte(value: number): void {
    this.room(1)
    this.bytes[this.at++] = value
  }

  /** Of another array. */
  append(from: Uint8Array, start: number, end: number): void {
    this.room(end - start)
    this.bytes.set(from.subarray(start, end), this.at)
    this.at += end - start
  }

  /** What was written `distance` bytes ago, again; it may overlap itself. */
  repeat(distance: number, length: number): void {
    if (distance <= 0 || distance > this.at) throw new BadBatch("compressed data refers to what is not there")
    this.room(length)
    const { bytes } = this
    const end = this.at + length
    for (let at = this.at, from = at - distance; at < end; at++, from++) bytes[at] = bytes[from]!
    this.at = end
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }

  private room(more: number): void {
    const needed = this.at + more
    if (needed <= this.bytes.length) return
    if (needed > this.limit) throw tooLong(this.limit)
    const grown = new Uint8Array(Math.min(this.limit, Math.max(needed, this.bytes.length * 2)))
    grown.set(this.bytes.subarray(0, this.at))
    this.bytes = grown
  }
}

export const tooLong = (limit: number): BadBatch =>
  new BadBatch(`decompressed it has more than ${limit} bytes`, "TooLarge")
