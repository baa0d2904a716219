/**
 * LineFramer: whatever way the bytes are cut, the lines are those of the whole text.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { test } from "node:test"
import fc from "fast-check"
import * as LineFramer from "../../adapters/socket/LineFramer.ts"

/** Pushes the bytes in pieces of these lengths, in a buffer that is reused. */
const framed = (bytes: Uint8Array, cuts: ReadonlyArray<number>, maxLineBytes: number) => {
  const framer = LineFramer.make(maxLineBytes)
  const lines: Array<string> = []
  const total = { dropped: 0, invalid: 0 }
  const note = (result: LineFramer.Framed) => {
    const decoded = result.bytes === undefined ? [] : LineFramer.decodeLines(result.bytes)
    assert.equal(decoded.length, result.lines)
    lines.push(...decoded)
    total.dropped += result.dropped
    total.invalid += result.invalid
  }
  const pool = Buffer.alloc(Math.max(1, bytes.byteLength))
  let at = 0
  for (let i = 0; at < bytes.byteLength; i++) {
    const piece = bytes.subarray(at, at + Math.max(1, cuts[i % Math.max(1, cuts.length)] ?? 7))
    pool.set(piece)
    note(framer.push(pool.subarray(0, piece.byteLength)))
    pool.fill(0xee)
    at += piece.byteLength
  }
  note(framer.end())
  return { lines, ...total }
}

/** The reference: the whole at once. */
const reference = (bytes: Uint8Array, maxLineBytes: number) => {
  const pieces: Array<Buffer> = []
  let begin = 0
  for (let i = 0; i < bytes.byteLength; i++) {
    if (bytes[i] !== 10) continue
    pieces.push(Buffer.from(bytes.subarray(begin, i)))
    begin = i + 1
  }
  if (begin < bytes.byteLength) pieces.push(Buffer.from(bytes.subarray(begin)))
  const kept = pieces.filter((piece) => piece.byteLength <= maxLineBytes)
  const lines = kept.map((piece) => piece.toString("utf8").replace(/\r$/, ""))
  return {
    lines,
    dropped: pieces.length - kept.length,
    invalid: kept.filter((piece) => !Buffer.from(piece.toString("utf8")).equals(piece)).length
  }
}

test("however the bytes are cut, the lines, the dropped and the invalid are those of the whole", () => {
  const piece = fc.oneof(
    fc.constantFrom("\n", "\r\n", "\r", "a", "lines of text", "\u00e9", "\u20ac\ud83d\ude00", "\ufeff", "").map((
      text
    ) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes))
  )
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 60, size: "max" }),
      fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 8 }),
      fc.constantFrom(1, 5, 12, 1000),
      (pieces, cuts, maxLineBytes) => {
        const bytes = Buffer.concat(pieces)
        const { lines, dropped, invalid } = framed(bytes, cuts, maxLineBytes)
        assert.deepEqual({ lines, dropped, invalid }, reference(bytes, maxLineBytes))
      }
    ),
    { numRuns: 500 }
  )
})

test("a line without end is dropped once it is too long, and no more of it is kept", () => {
  const framer = LineFramer.make(1024)
  const piece = new Uint8Array(1000).fill(120)
  let dropped = 0
  for (let i = 0; i < 1000; i++) dropped += framer.push(piece).dropped
  assert.equal(dropped, 1)
  const after = framer.push(Buffer.from("still\nnext\n"))
  assert.deepEqual([after.lines, after.dropped, LineFramer.decodeLines(after.bytes!)], [1, 0, ["next"]])
  assert.deepEqual(framer.end(), { bytes: undefined, lines: 0, dropped: 0, invalid: 0 })
})

test("a chunk has memory of its own and nothing else in it", () => {
  const pool = Buffer.alloc(1000)
  pool.write("ab\ncd")
  const { bytes } = LineFramer.make(100).push(pool.subarray(0, 5))
  assert.equal(bytes!.buffer.byteLength, 3)
})
