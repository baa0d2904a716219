/**
 * The formats of files over files in memory: parts against the whole, windows and pieces against split, and what is wrong with a file.
 */
import * as assert from "node:assert/strict"
import { Effect, Logger } from "effect"
import fc from "fast-check"
import { readRecords, recordsIn } from "../../adapters/file/binaryFormat.ts"
import { type FilePart, partsOf } from "../../adapters/file/FilePart.ts"
import { memoryFiles } from "../../adapters/file/memoryFiles.ts"
import { type FileDecoder, readDecoded, readWhole } from "../../adapters/file/ownFormat.ts"
import * as PartReader from "../../adapters/file/PartReader.ts"
import { boundary, readLines, type TextFormat } from "../../adapters/file/textFormat.ts"
import type { ChunkReader } from "../../core/dstream/InputDStream.ts"
import { it } from "../kit.ts"

const path = "/in/file"

/** Files with one file, and its parts. */
const written = (contents: string | Uint8Array, partBytes = Infinity, unit = 1) => {
  const files = memoryFiles()
  files.write(path, contents, 1000)
  const length = typeof contents === "string" ? new TextEncoder().encode(contents).byteLength : contents.byteLength
  return { files, parts: partsOf({ path, length, modified: 1000 }, partBytes, unit) }
}

const all = Effect.fnUntraced(function* <A, E>(reader: ChunkReader<A, E>) {
  const records: Array<A> = []
  while (true) {
    const chunk = yield* reader.next
    if (chunk === undefined) return records
    records.push(...chunk)
  }
})

const textFormat: TextFormat = { maxLineBytes: 1024 * 1024, onInvalid: "replace" }

const lines = Effect.fnUntraced(function* (
  contents: string | Uint8Array,
  partBytes?: number,
  format: Partial<TextFormat> = {}
) {
  const { files, parts } = written(contents, partBytes)
  const lists = yield* Effect.forEach(
    parts,
    (part) => all(readLines(PartReader.make(files, part), { ...textFormat, ...format }))
  )
  return lists.flat()
})

/** What is said in the log while it runs. */
const told = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const messages: Array<string> = []
  const logger = Logger.make(({ message }) => void messages.push(String(message)))
  return Effect.map(Effect.provide(effect, Logger.layer([logger])), (value) => ({ value, messages }))
}

const naive = (text: string): ReadonlyArray<string> => {
  const all = text.split("\n")
  if (all.at(-1) === "") all.pop()
  return all.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
}

it("lines end with a newline, with both, or with the file; empty ones count", () =>
  Effect.gen(function* () {
    assert.deepEqual(yield* lines("a\n\nb\r\n\r\nc"), ["a", "", "b", "", "c"])
    assert.deepEqual(yield* lines("a\n"), ["a"])
    assert.deepEqual(yield* lines("\n"), [""])
    assert.deepEqual(yield* lines(""), [])
    assert.deepEqual(yield* lines("\uFEFFfirst\n\uFEFFsecond"), ["first", "\uFEFFsecond"])
    assert.deepEqual(yield* lines("häuser\n😀\n"), ["häuser", "😀"])
  }))

const text = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("\n", "\r\n", "a", "word ", "ß", "😀") },
    fc.string({ maxLength: 12 }).map((part) => part.replaceAll("\uFEFF", "")),
    fc.integer({ min: 1, max: 300 }).map((length) => "x".repeat(length))
  ),
  { maxLength: 60 }
).map((parts) => parts.join("").toWellFormed())

it("the parts of a file together give its lines in order, whatever their size and however long lines are", () =>
  Effect.promise(() =>
    fc.assert(fc.asyncProperty(text, fc.integer({ min: 1, max: 500 }), async (contents, partBytes) => {
      assert.deepEqual(await Effect.runPromise(lines(contents, partBytes)), naive(contents))
    }))
  ))

it("windows and pieces do not cut lines: a file of 9 MiB in one part, with lines from empty to longer than a piece", () =>
  Effect.gen(function* () {
    const made = Array.from(
      { length: 400 },
      (_, i) => i % 50 === 49 ? "y".repeat(300_000 + i) : "ab é".repeat(i * 13 % 8000)
    )
    const contents = made.join("\n")
    assert.ok(contents.length > 5 * 1024 * 1024)
    assert.deepEqual(yield* lines(contents), made)
    assert.deepEqual(yield* lines(contents, 1_000_000), made)
  }))

it("a part ends where the next begins: after the first line end at or after its edge", () =>
  Effect.gen(function* () {
    const { files, parts } = written("ab\ncd\n\nef")
    const reader = PartReader.make(files, parts[0]!)
    const at = yield* Effect.forEach([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], (position) => boundary(reader, position))
    assert.deepEqual(at, [0, 3, 3, 3, 6, 6, 6, 7, 9, 9])
  }))

it("a line longer than the maximum fails with its place, one just as long does not", () =>
  Effect.gen(function* () {
    const exact = "z".repeat(100)
    assert.deepEqual(yield* lines(`a\n${exact}\nb\n${exact}`, 30, { maxLineBytes: 100 }), ["a", exact, "b", exact])
    for (const contents of [`a\n${exact}z\nb`, `a\n${exact}z`]) {
      for (const partBytes of [30, 1000]) {
        const error = yield* Effect.flip(lines(contents, partBytes, { maxLineBytes: 100 }))
        assert.equal(error.reason, "LineTooLong")
        assert.match(
          error.message,
          /^The file \/in\/file has a line of more than 100 bytes, at byte 2: raise maxLineBytes/
        )
      }
    }
    const long = yield* Effect.flip(lines("q".repeat(9 * 1024 * 1024), undefined, { maxLineBytes: 5 * 1024 * 1024 }))
    assert.equal(long.reason, "LineTooLong")
    assert.equal(
      (yield* lines("q".repeat(9 * 1024 * 1024), undefined, { maxLineBytes: 9 * 1024 * 1024 }))[0]?.length,
      9_437_184
    )
  }))

const notText = Uint8Array.of(111, 107, 10, 255, 254, 98, 10)

it("what is not UTF-8 is replaced and told once, or fails by option", () =>
  Effect.gen(function* () {
    const { messages, value } = yield* told(lines(notText))
    assert.deepEqual(value, ["ok", "\uFFFD\uFFFDb"])
    assert.deepEqual(messages, [
      `The file /in/file is not text in UTF-8, first at the line "\uFFFD\uFFFDb"; what is invalid is read as U+FFFD`
    ])
    const error = yield* Effect.flip(lines(notText, undefined, { onInvalid: "fail" }))
    assert.equal(error.reason, "NotText")
    assert.match(error.message, /set onInvalid: "replace"$/)
  }))

const records = Effect.fnUntraced(function* (bytes: Uint8Array, recordLength: number, partBytes: number, drop = false) {
  const { files, parts } = written(bytes, partBytes, recordLength)
  const format = { recordLength, onPartialRecord: drop ? "drop" as const : "fail" as const }
  const lists = yield* Effect.forEach(parts, (part) => all(readRecords(PartReader.make(files, part), format)))
  parts.forEach((part, index) => assert.equal(recordsIn(part, format), lists[index]!.length))
  return lists.flat().map((record) => Array.from(record))
})

it("binary records are the file in pieces of one length, whatever the parts", () =>
  Effect.promise(() =>
    fc.assert(fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 80 }),
      async (bytes, recordLength, partBytes) => {
        const whole = Array.from(
          { length: Math.floor(bytes.length / recordLength) },
          (_, i) => Array.from(bytes.subarray(i * recordLength, (i + 1) * recordLength))
        )
        assert.deepEqual(
          await Effect.runPromise(records(bytes, recordLength, partBytes, true).pipe(Effect.provide(Logger.layer([])))),
          whole
        )
      }
    ))
  ))

it("a file whose length is no multiple of the record's fails, or its last bytes are dropped and told", () =>
  Effect.gen(function* () {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5)
    const error = yield* Effect.flip(records(bytes, 2, Infinity))
    assert.equal(error.reason, "PartialRecord")
    assert.match(
      error.message,
      /^The file \/in\/file has 5 bytes, which is no multiple of the record length of 2: its last 1 bytes/
    )
    const { messages, value } = yield* told(records(bytes, 2, Infinity, true))
    assert.deepEqual(value, [[1, 2], [3, 4]])
    assert.match(messages.join(), /are no record, and are dropped$/)
  }))

const planned = (partial: Partial<FilePart> = {}): FilePart => ({
  path,
  from: 0,
  to: 4,
  length: 4,
  modified: 1000,
  ...partial
})

it("a file that grew gives the planned bytes, and the rest is told; one that shrank or vanished fails", () =>
  Effect.gen(function* () {
    const { files } = written("a\nb\nc\n")
    const read = (part: FilePart) => all(readLines(PartReader.make(files, part), textFormat))
    const grown = yield* told(read(planned()))
    assert.deepEqual(grown.value, ["a", "b"])
    assert.deepEqual(grown.messages, [
      "2 bytes were written to /in/file after it was taken, and are not read: write files elsewhere and move them in"
    ])
    assert.equal((yield* Effect.flip(read(planned({ length: 9, to: 9 })))).reason, "Changed")
    const touched = yield* told(read(planned({ length: 6, to: 6, modified: 999 })))
    assert.match(touched.messages.join(), /^\/in\/file was written to after it was taken, and is read as it is now/)
    files.remove(path)
    assert.equal((yield* Effect.flip(read(planned()))).reason, "Missing")
  }))

it("another file of the same name in the middle of reading is not taken for the rest of the first", () =>
  Effect.gen(function* () {
    const bytes = new Uint8Array(600_000)
    const { files, parts } = written(bytes)
    const reader = readRecords(PartReader.make(files, parts[0]!), { recordLength: 1000, onPartialRecord: "fail" })
    yield* reader.next
    files.write(path, bytes, 1000)
    assert.equal((yield* Effect.flip(reader.next)).reason, "Changed")
  }))

it("a format of one's own gets the whole file, or piece after piece; what it throws names the file", () =>
  Effect.gen(function* () {
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251)
    const { files, parts } = written(bytes)
    const reader = PartReader.make(files, parts[0]!)
    const whole = readWhole(reader, function* (found, file) {
      assert.deepEqual(file, { path, length: bytes.length, modified: 1000 })
      for (let i = 0; i < found.length; i += 300) yield found[i]
    }, bytes.length)
    assert.deepEqual(yield* all(whole), Array.from({ length: 10_000 }, (_, i) => i * 300 % 251))
    const sizes = readDecoded(reader, (): FileDecoder<number> => {
      let sum = 0
      return { push: (piece) => (sum += piece.length, [piece.length]), end: () => [sum] }
    })
    assert.deepEqual(yield* all(sizes), [1_048_576, 1_048_576, 902_848, 3_000_000])
    const large = yield* Effect.flip(all(readWhole(reader, () => [], 100)))
    assert.equal(large.reason, "TooLarge")
    const threw = yield* Effect.flip(all(readWhole(reader, () => {
      throw new Error("no header")
    }, bytes.length)))
    assert.match(
      threw.message,
      /^The function that makes records of \/in\/file threw \(Error: no header\): correct the function/
    )
  }))

it("parts are of about one size, follow each other, and begin at whole units", () =>
  Effect.sync(() => {
    fc.assert(
      fc.property(
        fc.nat(5000),
        fc.integer({ min: 1, max: 900 }),
        fc.integer({ min: 1, max: 40 }),
        (length, max, unit) => {
          const parts = partsOf({ path, length, modified: 0 }, max, unit)
          assert.equal(parts.length > 0, length > 0)
          assert.equal(parts.at(-1)?.to ?? 0, length)
          parts.forEach(({ from, to }, i) => {
            assert.equal(from, parts[i - 1]?.to ?? 0)
            assert.equal(from % unit, 0)
            assert.ok(to > from && to - from <= Math.max(max, unit))
          })
        }
      )
    )
  }))
