/**
 * LineFramer: cuts what a connection delivers into chunks of complete lines, as bytes, copied once; and `decodeLines`, which
 * makes strings of a chunk when its block is read.
 *
 * A line ends with "\n"; a "\r" before it is taken off when it is decoded. A line longer than `maxLineBytes` is dropped up to
 * its end and counted; no more of it than that is ever kept. Lines that are not UTF-8 are counted; decoded, what is invalid
 * becomes U+FFFD. A chunk holds whole lines, so no character is cut in two. One framer per connection.
 */
import { Buffer, isUtf8 } from "node:buffer"

export interface Framed {
  /** Complete lines, each with its "\n"; undefined: none. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined
  readonly lines: number
  readonly dropped: number
  readonly invalid: number
}

export interface LineFramer {
  /** `data` may be reused afterwards. */
  readonly push: (data: Uint8Array) => Framed
  /** The connection is over: a last line without its end is a line. */
  readonly end: () => Framed
}

const newline = 10
const nothing: Framed = { bytes: undefined, lines: 0, dropped: 0, invalid: 0 }

export const make = (maxLineBytes: number): LineFramer => {
  /** The beginning of a line whose end has not come. */
  let rest = Buffer.alloc(0)
  let restLength = 0
  /** The line that goes on is too long: what comes of it is dropped. */
  let skipping = false

  /** Keeps the beginning of a line; answers how many lines were dropped. */
  const keep = (data: Uint8Array): number => {
    if (data.byteLength === 0 || skipping) return 0
    if (restLength + data.byteLength > maxLineBytes) {
      skipping = true
      restLength = 0
      return 1
    }
    if (restLength + data.byteLength > rest.byteLength) {
      const larger = Buffer.alloc(Math.max(256, 2 * (restLength + data.byteLength)))
      larger.set(rest.subarray(0, restLength))
      rest = larger
    }
    rest.set(data, restLength)
    restLength += data.byteLength
    return 0
  }

  const push = (data: Uint8Array): Framed => {
    const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    let begin = 0
    let lines = 0
    let dropped = 0
    const pieces: Array<Uint8Array> = []
    let pieceBegin = 0
    for (let end = buffer.indexOf(newline); end !== -1; end = buffer.indexOf(newline, begin)) {
      const tooLong = restLength + end - begin > maxLineBytes
      if (skipping || tooLong) {
        if (!skipping) dropped++
        skipping = false
        pieces.push(buffer.subarray(pieceBegin, begin))
        pieceBegin = end + 1
        restLength = 0
      } else {
        if (restLength > 0) {
          pieces.push(rest.subarray(0, restLength))
          restLength = 0
        }
        lines++
      }
      begin = end + 1
    }
    pieces.push(buffer.subarray(pieceBegin, begin))
    const bytes = lines === 0 ? undefined : joined(pieces)
    dropped += keep(buffer.subarray(begin))
    return { bytes, lines, dropped, invalid: bytes === undefined ? 0 : countInvalid(bytes) }
  }

  const end = (): Framed => {
    const length = restLength
    restLength = 0
    if (length === 0) return nothing
    const bytes = joined([rest.subarray(0, length), Buffer.from("\n")])
    return { bytes, lines: 1, dropped: 0, invalid: countInvalid(bytes) }
  }

  return { push, end }
}

/** A copy of its own: what a socket hands out is a view into a pool. */
const joined = (pieces: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return bytes
}

const countInvalid = (bytes: Uint8Array): number => {
  if (isUtf8(bytes)) return 0
  let invalid = 0
  let begin = 0
  while (begin < bytes.byteLength) {
    const end = bytes.indexOf(newline, begin)
    if (!isUtf8(bytes.subarray(begin, end))) invalid++
    begin = end + 1
  }
  return invalid
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** The lines of a chunk, without their ends. */
export const decodeLines = (bytes: Uint8Array): ReadonlyArray<string> => {
  const text = decoder.decode(bytes)
  const lines = text.split("\n")
  if (lines[lines.length - 1] === "") lines.pop()
  return text.includes("\r") ? lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line) : lines
}
