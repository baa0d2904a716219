/**
 * The decoders of logs under random bytes, and logs under random damage: no throw, nothing read twice, bounded time and memory, and
 * never a record that was not written.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import fc from "fast-check"
import { crc32 } from "../../core/wal/crc32.ts"
import {
  decodeHeader,
  decodeRecord,
  decodeRecords,
  encodeRecords,
  findMagic,
  type GroupHeader,
  headerBytes,
  isHeader,
  placeGroup
} from "../../core/wal/Group.ts"
import { segmentName, segmentOf } from "../../core/wal/LogPosition.ts"
import * as LogReading from "../../core/wal/LogReading.ts"
import { scanSegment } from "../../core/wal/scanSegment.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { change, changed } from "../damage.ts"
import { prefix, readTexts, writeLog } from "./logs.ts"

const log = "0123456789abcdef"
const count = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const big = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }))

const group = fc.record({
  records: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
  segment: count,
  group: big,
  follows: big,
  durable: big
})

/** A group as a writer, or an enemy with good check sums, makes it. */
const encoded = (one: typeof group extends fc.Arbitrary<infer G> ? G : never, offset: number): Uint8Array => {
  const made = encodeRecords(one.records, crc32)
  placeGroup(
    made,
    { log, offset, segment: one.segment, group: one.group, follows: one.follows, durable: one.durable },
    crc32
  )
  return made.bytes
}

test("a group is decoded as it was encoded, or its numbers make no sense", () => {
  fc.assert(fc.property(group, fc.nat(100), (one, offset) => {
    const bytes = new Uint8Array(offset + encoded(one, offset).length)
    bytes.set(encoded(one, offset), offset)
    const header = decodeHeader(bytes, offset, crc32)
    if (!isHeader(header)) return assert.ok(one.follows >= one.group || one.durable > one.follows)
    const { bytes: _, offset: at, records, ...numbers } = header
    const { records: bodies, ...expected } = one
    assert.deepEqual({ ...numbers, at, records }, { log, ...expected, at: offset, records: bodies.length })
    const places = decodeRecords(bytes, header, crc32)
    assert.ok(Array.isArray(places))
    assert.deepEqual(places.map((place) => bytes.slice(place.offset, place.offset + place.length)), bodies)
  }))
})

test("a record that stands elsewhere is none", () => {
  const bytes = encoded(
    { segment: 1, group: 1, follows: 0, durable: 0, records: [Uint8Array.of(1), Uint8Array.of(2)] },
    0
  )
  const header = decodeHeader(bytes, 0, crc32) as GroupHeader
  bytes.copyWithin(headerBytes, headerBytes + 9, headerBytes + 18)
  assert.deepEqual(decodeRecords(bytes, header, crc32), {
    offset: headerBytes,
    reason: "the check sum of a record is wrong"
  })
})

/** Random bytes, with pieces of what a decoder looks for. */
const nasty = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    group.map((one) => encoded(one, 0)),
    group.map((one) => encoded(one, 0).subarray(0, 30)),
    fc.constant(Uint8Array.of(0xd5, 0x57, 0x41, 0x4c))
  ),
  { maxLength: 8 }
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])))

test("random bytes are refused by every decoder with a reason, and never throw", () => {
  fc.assert(
    fc.property(nasty, fc.nat(100), count, (bytes, offset, length) => {
      const header = decodeHeader(bytes, Math.min(offset, bytes.length), crc32)
      if (!isHeader(header)) assert.ok(header.reason.length > 5)
      const made: GroupHeader = {
        log,
        segment: 1,
        offset: 0,
        records: length,
        bytes: length,
        group: 1,
        follows: 0,
        durable: 0
      }
      const places = decodeRecords(bytes, made, crc32)
      if ("reason" in places) assert.ok(places.reason.length > 5)
      const record = decodeRecord(bytes, offset, crc32)
      if (typeof record !== "string") assert.ok(record.offset + record.length <= bytes.length)
      const magic = findMagic(bytes, 0)
      assert.ok(magic === -1 || magic + headerBytes <= bytes.length)
    }),
    { numRuns: 2000 }
  )
})

test("a scan looks at all bytes once, and its pieces lie end to end", () => {
  fc.assert(
    fc.property(nasty, fc.constantFrom(undefined, log, "fedcba9876543210"), fc.nat(3), (bytes, known, segment) => {
      const { pieces } = scanSegment({ bytes, segment, log: known }, crc32)
      let end = 0
      let reading = LogReading.initial(false)
      for (const piece of pieces) {
        assert.equal(piece.offset, end)
        assert.ok(piece.end > piece.offset)
        end = piece.end
        reading = LogReading.step(reading, segment, piece)[0]
      }
      assert.equal(end, bytes.length)
    }),
    { numRuns: 2000 }
  )
})

test("a segment of forged headers, each of which claims all that follows, is scanned in time", () => {
  const bytes = new Uint8Array(4_000_000)
  for (let offset = 0; offset + headerBytes <= bytes.length; offset += headerBytes) {
    const head = bytes.subarray(offset, offset + headerBytes)
    const empty = { bytes: head, records: 1, places: [], sums: [] }
    placeGroup(empty, { log, segment: 1, offset, group: 1, follows: 0, durable: 0 }, crc32)
    const view = new DataView(head.buffer, head.byteOffset)
    view.setUint32(28, bytes.length - offset - headerBytes, true)
    view.setUint32(headerBytes - 4, crc32(head.subarray(0, headerBytes - 4)), true)
  }
  const started = performance.now()
  const { pieces } = scanSegment({ bytes, segment: 1, log }, crc32)
  assert.ok(pieces.every(({ kind }) => kind === "Bad"))
  assert.ok(performance.now() - started < 2000)
})

test("a log under any damage gives a beginning of what was written, or LogDamaged", async () => {
  const written = Array.from({ length: 12 }, (_, i) => Array.from({ length: 1 + i % 3 }, (_, k) => `record ${i}.${k}`))
  const storage = memoryStorage()
  await Effect.runPromise(writeLog(storage, written, { rollBytes: 200 }))
  const names = await Effect.runPromise(storage.list(prefix))
  assert.equal(names.length, 4)
  const files = new Map<string, Uint8Array>()
  for (const name of names) files.set(name, (await Effect.runPromise(storage.read(name)))!)
  const outcomes = { damaged: 0, torn: 0, unharmed: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(3), change), { minLength: 1, maxLength: 4 }), async (changes) => {
      const hurt = memoryStorage()
      const bytes = new Map(files)
      for (const [which, one] of changes) bytes.set(names[which]!, changed(bytes.get(names[which]!)!, one))
      for (const [name, content] of bytes) hurt.put(name, content)
      const result = await Effect.runPromise(Effect.result(readTexts(hurt)))
      if (result._tag === "Failure") {
        assert.equal(result.failure._tag, "LogDamaged")
        outcomes.damaged++
        return
      }
      const { texts, torn } = result.success
      assert.deepEqual(texts, written.flat().slice(0, texts.length))
      if (torn.length > 0) outcomes.torn++
      else outcomes.unharmed++
    }),
    { numRuns: 3000 }
  )
  assert.ok(outcomes.damaged > 500 && outcomes.torn > 50, JSON.stringify(outcomes))
})

test("random bytes as a log are read as nothing, or refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(nasty, { minLength: 1, maxLength: 3 }), async (segments) => {
      const storage = memoryStorage()
      for (const [i, bytes] of segments.entries()) storage.put(segmentName(prefix, i + 1), bytes)
      const result = await Effect.runPromise(Effect.result(readTexts(storage)))
      if (result._tag === "Failure") assert.equal(result.failure._tag, "LogDamaged")
    }),
    { numRuns: 1000 }
  )
})

test("a name is a segment's if it is just what a writer calls it", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 10 ** 12 }), (segment) => {
    assert.equal(segmentOf(prefix, segmentName(prefix, segment)), segment)
  }))
  const names = fc.stringMatching(/^[0-9a-z./_-]{0,18}$/)
  fc.assert(fc.property(names, (name) => {
    const segment = segmentOf(prefix, `${prefix}/${name}`)
    if (segment !== undefined) assert.equal(segmentName(prefix, segment), `${prefix}/${name}`)
    assert.equal(segmentOf(prefix, name), undefined)
  }))
})
