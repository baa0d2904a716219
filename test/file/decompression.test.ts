/**
 * Compressed files: their contents against what was compressed, however they are cut, bounded memory, and what is wrong with them.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { gzipSync } from "node:zlib"
import { Effect } from "effect"
import fc from "fast-check"
import { readRecordsOf } from "../../adapters/file/binaryFormat.ts"
import { contentsOf } from "../../adapters/file/decompression.ts"
import { partsOf } from "../../adapters/file/FilePart.ts"
import { memoryFiles } from "../../adapters/file/memoryFiles.ts"
import * as PartReader from "../../adapters/file/PartReader.ts"
import { readLinesOf, type TextFormat } from "../../adapters/file/textFormat.ts"
import type { ChunkReader } from "../../core/dstream/InputDStream.ts"
import { it } from "../kit.ts"

const opened = (bytes: Uint8Array, path = "/in/file.gz") => {
  const files = memoryFiles()
  files.write(path, bytes, 1000)
  const [part] = partsOf({ path, length: bytes.byteLength, modified: 1000 }, Infinity)
  return contentsOf(PartReader.make(files, part!))!
}

const all = Effect.fnUntraced(function* <A, E>(reader: ChunkReader<A, E>) {
  const records: Array<A> = []
  while (true) {
    const chunk = yield* reader.next
    if (chunk === undefined) return records
    for (const record of chunk) records.push(record)
  }
})

const lines = (bytes: Uint8Array, format: Partial<TextFormat> = {}) =>
  all(readLinesOf(opened(bytes), "/in/file.gz", { maxLineBytes: 1024 * 1024, onInvalid: "fail", ...format }))

it("the lines of a gzip file are those of its members one after the other, wherever they are cut", () =>
  Effect.gen(function* () {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom("\n", "\r\n", "a", "ß", "😀\n"),
        fc.integer({ min: 1, max: 300_000 }).map((length) => "xyz".repeat(length / 3))
      ),
      { minLength: 1, maxLength: 12 }
    )
    const cases = fc.sample(pieces, { numRuns: 60, seed: 7 })
    for (const members of cases) {
      const text = members.join("")
      const expected = text.split("\n").map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
      if (expected.at(-1) === "") expected.pop()
      const bytes = Buffer.concat(members.map((member) => gzipSync(member)))
      assert.deepEqual(yield* lines(bytes, { maxLineBytes: 16 * 1024 * 1024 }), expected)
    }
  }))

it("a byte order mark is left out at the beginning, and empty lines and contents are what they are", () =>
  Effect.gen(function* () {
    assert.deepEqual(yield* lines(gzipSync("\uFEFFfirst\n\n\uFEFFlast")), ["first", "", "\uFEFFlast"])
    assert.deepEqual(yield* lines(gzipSync("\uFEFF")), [])
    assert.deepEqual(yield* lines(gzipSync("")), [])
  }))

it("incompressible lines come in order through many pieces of input", () =>
  Effect.gen(function* () {
    const seed = fc.sample(fc.uint8Array({ minLength: 400, maxLength: 400 }), { numRuns: 2000, seed: 3 })
    const expected = seed.map((bytes) => Buffer.from(bytes).toString("base64"))
    const bytes = gzipSync(expected.join("\n"), { level: 1 })
    assert.ok(bytes.byteLength > 5 * 64 * 1024)
    assert.deepEqual(yield* lines(bytes), expected)
  }))

it("a file that grows a thousandfold is read piece by piece, and a line of it that is too long fails with its place", () =>
  Effect.gen(function* () {
    const bytes = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    assert.ok(bytes.byteLength < 100_000)
    const { next } = opened(bytes)
    let read = 0
    while (true) {
      const piece = yield* next
      if (piece === undefined) break
      assert.ok(piece.byteLength <= 1024 * 1024, `${piece.byteLength} bytes at once`)
      read += piece.byteLength
    }
    assert.equal(read, 64 * 1024 * 1024)
    const error = yield* Effect.flip(lines(bytes))
    assert.equal(error.reason, "LineTooLong")
    assert.match(error.message, /more than 1048576 bytes, at byte 0/)
    const second = yield* Effect.flip(lines(gzipSync(`ab\n${"x".repeat(100)}\ncd\n`), { maxLineBytes: 99 }))
    assert.match(second.message, /more than 99 bytes, at byte 3/)
    assert.equal((yield* lines(gzipSync(`ab\n${"x".repeat(100)}\ncd\n`), { maxLineBytes: 100 })).length, 3)
  }))

it(
  "binary records are the contents in pieces of one length; what is left over fails, or is dropped",
  () =>
    Effect.gen(function* () {
      const contents = Buffer.from(Array.from({ length: 1_000_003 }, (_, n) => n % 251))
      const records = (bytes: Uint8Array, recordLength: number, onPartialRecord: "fail" | "drop" = "fail") =>
        all(readRecordsOf(opened(bytes), "/in/file.gz", { recordLength, onPartialRecord }))
      for (const recordLength of [1, 7, 1000, 300_000]) {
        const got = yield* records(gzipSync(contents), recordLength, "drop")
        assert.equal(got.length, Math.floor(contents.byteLength / recordLength))
        assert.ok(Buffer.concat(got).equals(contents.subarray(0, got.length * recordLength)))
      }
      const error = yield* Effect.flip(records(gzipSync(contents), 1000))
      assert.equal(error.reason, "PartialRecord")
      assert.match(error.message, /has 1000003 bytes, .*: its last 3 bytes are no record/)
    }),
  { timeout: 60_000 }
)

it("a file that is cut short, damaged or no gzip fails with what to do", () =>
  Effect.gen(function* () {
    const whole = gzipSync("hello\nworld\n")
    const damaged = Buffer.from(whole)
    damaged[whole.byteLength - 6]! ^= 1
    for (
      const bytes of [whole.subarray(0, 20), damaged, Buffer.from("hello\n"), Buffer.concat([whole, Buffer.from("x")])]
    ) {
      const error = yield* Effect.flip(lines(bytes))
      assert.equal(error.reason, "Damaged")
      assert.match(
        error.message,
        /^The file \/in\/file\.gz cannot be decompressed as gzip \(.*keep it out with a filter$/
      )
    }
  }))

it("other compressions are refused with what to do, and other files are none", () =>
  Effect.gen(function* () {
    for (const extension of [".bz2", ".deflate", ".lz4", ".lzo", ".snappy", ".xz", ".zst", ".BZ2"]) {
      const error = yield* Effect.flip(opened(Buffer.from("any"), `/in/a${extension}`).next)
      assert.equal(error.reason, "UnknownCompression")
      assert.ok(error.message.includes(`/in/a${extension} is compressed as ${extension}, which is not read: compress`))
    }
    for (const path of ["/in/a", "/in/gz", "/in/a.gz.txt", "/in.gz/a"]) {
      assert.equal(opened(Buffer.from("any"), path), undefined)
    }
  }))
