/**
 * The codec of record batches: both ways, compressions, aborted transactions, and bytes that are none or that lie.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { test } from "node:test"
import { crc32c as native } from "@platformatic/kafka"
import fc from "fast-check"
import { KafkaError } from "../../adapters/kafka/KafkaError.ts"
import type { KafkaRecord } from "../../adapters/kafka/KafkaRecord.ts"
import { crc32c, offerCrc32c } from "../../adapters/kafka/records/crc32c.ts"
import { decode, type DecodeOptions, type Part, type PartFormat } from "../../adapters/kafka/records/decode.ts"
import { encode, encodeMarker, type NewRecord, recordBytesMax } from "../../adapters/kafka/records/encode.ts"
import {
  type Compression,
  compressions,
  headerAt,
  headerBytes,
  placeBatch
} from "../../adapters/kafka/records/RecordBatch.ts"

const everything = { topic: "words", partition: 3, from: 0, until: Infinity, aborted: [] }

const read = <F extends PartFormat>(bytes: Uint8Array, format: F, options: Partial<DecodeOptions<F, F>> = {}) => {
  const records: Array<KafkaRecord<Part<F>, Part<F>>> = []
  const decoded = decode(bytes, { ...everything, key: format, value: format, ...options }, records)
  return { ...decoded, records }
}
const texts = (bytes: Uint8Array, options: Partial<DecodeOptions<"text", "text">> = {}) =>
  read(bytes, "text", options).records.map(({ offset, value }) => `${offset}:${value}`)

const values = (...texts: ReadonlyArray<string>): ReadonlyArray<NewRecord> =>
  texts.map((value, i) => ({ value, timestamp: 1000 + i }))

const bytesOf = fc.uint8Array({ maxLength: 40 })
const part = fc.option(bytesOf)
const timestamps = fc.integer({ min: -1, max: 2 ** 45 })
const header = fc.record({ key: fc.string({ unit: "grapheme", maxLength: 8 }), value: part }, { noNullPrototype: true })
const records = fc.array(
  fc.record({
    key: part,
    value: fc.oneof(part, fc.uint8Array({ minLength: 60, maxLength: 300 })),
    timestamp: timestamps,
    headers: fc.array(header, { maxLength: 3 }),
    gap: fc.nat(3)
  }, { noNullPrototype: true }),
  { minLength: 1, maxLength: 60 }
)

test("CRC-32C is the one of RFC 3720, wherever the bytes lie, with native code and without", () => {
  assert.equal(crc32c(Buffer.from("123456789"), 0, 9), 0xe3069283)
  assert.equal(crc32c(new Uint8Array(32), 0, 32), 0x8a9136aa)
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i), 0, 32), 0x46dd794e)
  const bitwise = (bytes: Uint8Array) => {
    let crc = -1
    for (const byte of bytes) {
      crc ^= byte
      for (let i = 0; i < 8; i++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    }
    return ~crc >>> 0
  }
  const isRight = (maxLength: number) =>
    fc.assert(fc.property(fc.uint8Array({ maxLength, size: "max" }), fc.nat(40), (bytes, from) => {
      const start = Math.min(from, bytes.length)
      assert.equal(crc32c(bytes, start, bytes.length), bitwise(bytes.subarray(start)))
    }))
  isRight(100)
  offerCrc32c((bytes) => native(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)))
  isRight(6000)
})

test("what was encoded is decoded again: parts, headers, times and offsets with gaps, in every compression", () => {
  fc.assert(fc.property(records, fc.constantFrom(...compressions), fc.nat(2 ** 40), (given, compression, base) => {
    let offset = base
    const placed = given.map(({ gap, ...record }) => ({ ...record, offset: offset += 1 + gap }))
    const bytes = encode(placed, { compression, baseOffset: base })
    const got = read(Buffer.concat([new Uint8Array(1), bytes]).subarray(1), "bytes", { from: base })
    assert.deepEqual(
      got.records,
      placed.map((record) => ({ topic: "words", partition: 3, ...record }))
    )
    assert.equal(got.next, offset + 1)
    const size = given.reduce((sum, record) => sum + recordBytesMax(record), headerBytes)
    if (compression === "none") assert.ok(bytes.length <= size)
  }))
})

test("texts are what they were, ASCII or not; what is not UTF-8 is told", () => {
  const parts = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ minLength: 200, maxLength: 900 }))
  fc.assert(
    fc.property(
      fc.array(parts, { minLength: 1, maxLength: 50 }),
      fc.constantFrom(...compressions),
      (given, compression) => {
        const wellFormed = given.map((text) => text.toWellFormed())
        const got = read(
          encode(wellFormed.map((text) => ({ key: text, value: text, timestamp: 1 })), { compression }),
          "text"
        )
        assert.deepEqual(got.records.map(({ value }) => value), wellFormed)
        assert.deepEqual(got.records.map(({ key }) => key), wellFormed)
        assert.deepEqual(got.invalid, [])
      }
    )
  )
  const long = "x".repeat(100_000)
  const batch = encode([...values("a", long), { value: Uint8Array.of(97, 255), timestamp: 1 }, ...values("é", long)])
  const got = read(batch, "text")
  assert.deepEqual(got.records.map(({ value }) => value), ["a", long, "a\ufffd", "é", long])
  assert.deepEqual(got.invalid, [2])
})

test("only the wanted offsets come, from several batches, and the next offset is told where records are missing, too", () => {
  const first = encode(values("a", "b", "c"), { baseOffset: 10, lastOffset: 14 })
  const second = encode(values("d", "e"), { baseOffset: 20 })
  const log = Buffer.concat([first, second])
  assert.deepEqual(texts(log, { from: 11, until: 21 }), ["11:b", "12:c", "20:d"])
  assert.equal(read(log, "text", { from: 11, until: 21 }).next, 21)
  assert.equal(read(first, "text", { from: 11, until: 21 }).next, 15, "behind the gap")
  assert.equal(read(log, "text", { from: 15, until: 18 }).next, 18, "not behind what was asked for")
  assert.deepEqual(texts(log, { from: 15, until: 18 }), [])
  assert.equal(read(log.subarray(0, -1), "text", { from: 10 }).next, 15, "a batch that is cut is left")
  assert.equal(read(new Uint8Array(0), "text", { from: 10 }).next, 10)
})

test("a batch has its log's time where the topic says so", () => {
  const bytes = encode(values("a", "b"))
  assert.deepEqual(read(bytes, "text").records.map(({ timestamp }) => timestamp), [1000, 1001])
  const view = new DataView(bytes.buffer)
  view.setInt16(21, 8)
  reseal(bytes)
  assert.deepEqual(read(bytes, "text").records.map(({ timestamp }) => timestamp), [1001, 1001])
})

test("markers are no records, and records of aborted transactions are left out up to their marker", () => {
  const one = { id: 1n, epoch: 0 }
  const two = { id: 2n, epoch: 0 }
  const transactional = (text: string, producer: { id: bigint; epoch: number }, baseOffset: number) =>
    encode(values(text), { producer: { ...producer, sequence: 0 }, isTransactional: true, baseOffset })
  const at = (baseOffset: number) => ({ baseOffset, timestamp: 0 })
  const log = Buffer.concat([
    transactional("a1", one, 0),
    transactional("b1", two, 1),
    encode(values("c1"), { baseOffset: 2, producer: { ...one, sequence: 0 } }),
    encodeMarker("abort", one, at(3)),
    transactional("a2", one, 4),
    encodeMarker("commit", one, at(5)),
    encodeMarker("commit", two, at(6)),
    transactional("a3", one, 7),
    encodeMarker("abort", one, at(8))
  ])
  const aborted = [{ producerId: 1n, firstOffset: 7 }, { producerId: 1n, firstOffset: 0 }]
  assert.deepEqual(texts(log, { aborted }), ["1:b1", "2:c1", "4:a2"])
  assert.deepEqual(texts(log), ["0:a1", "1:b1", "2:c1", "4:a2", "7:a3"])
  assert.equal(read(log, "text", { aborted }).next, 9)
  assert.deepEqual(texts(log, { aborted: [{ producerId: 1n, firstOffset: 0 }], from: 2 }), ["2:c1", "4:a2", "7:a3"])
})

const failure = (read: () => unknown): KafkaError => {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof KafkaError, String(error))
    return error
  }
  assert.fail("nothing failed")
}

/** Writes the check sum of what the bytes are now. */
const reseal = (bytes: Uint8Array): Uint8Array => {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(17, crc32c(bytes, 21, bytes.length))
  return bytes
}

test("a damaged or strange batch is an error that names it, after the records of the batches before", () => {
  const good = encode(values("a", "b"), { baseOffset: 40 })
  const changed = (change: (view: DataView) => void) => {
    const bytes = encode(values("c", "d"), { baseOffset: 42 })
    change(new DataView(bytes.buffer))
    return bytes
  }
  const fails = (bad: Uint8Array, reason: KafkaError["reason"], words: RegExp, options = {}) => {
    const records: Array<KafkaRecord<string, string>> = []
    const error = failure(() =>
      decode(Buffer.concat([good, bad]), { ...everything, key: "text", value: "text", ...options }, records)
    )
    assert.deepEqual([error.reason, error.topic, error.partition, error.offset], [reason, "words", 3, 42])
    assert.match(error.message, words)
    assert.match(error.message, /^The record batch at offset 42 of words\/3 cannot be read: .*\. [A-Z]/)
    assert.equal(records.length >= 2, true)
  }
  fails(changed((view) => view.setUint8(70, view.getUint8(70) ^ 1)), "Damaged", /check sum/)
  fails(changed((view) => view.setInt8(16, 1)), "Unsupported", /before its version 0.11/)
  fails(changed((view) => view.setInt8(16, 3)), "Unsupported", /version 3/)
  fails(changed((view) => view.setInt32(8, -1)), "Damaged", /length is given as -1/)
  const resealed = (change: (view: DataView) => void) => reseal(changed(change))
  fails(resealed((view) => view.setInt16(21, 5)), "Unsupported", /way that is not known, number 5/)
  fails(resealed((view) => view.setInt16(21, 1)), "Damaged", /decompressed as gzip/)
  fails(resealed((view) => view.setInt32(57, 2 ** 31 - 1)), "Damaged", /holds 2147483647 records/)
  fails(resealed((view) => view.setInt32(57, -1)), "Damaged", /holds -1 records/)
  fails(resealed((view) => view.setInt32(57, 1)), "Damaged", /left over/)
  fails(resealed((view) => view.setInt32(23, 0)), "Damaged", /record 1 has the offset 43/)
  fails(resealed((view) => view.setInt8(headerBytes, 126)), "Damaged", /record 0 has 63 bytes/)
  // Behind the second record's length, attributes and time: its offset after that of the batch.
  const second = (view: DataView) => headerBytes + 1 + (view.getUint8(headerBytes) >> 1)
  fails(resealed((view) => view.setUint8(second(view) + 3, 0)), "Damaged", /record 1 has the offset 42/)
  const large = encode(values("x".repeat(5000)), { compression: "zstd", baseOffset: 42 })
  fails(large, "TooLarge", /more than 1000 bytes\. Raise maxBatchBytes/, { decompressedMax: 1000 })
})

test("a batch of which only a part came is an error, for the broker sends one whole; offsets beyond 2^53 are one, too", () => {
  const batch = encode(values("abc"), { baseOffset: 7 })
  assert.match(failure(() => read(batch.subarray(0, -1), "text")).message, /offset 7 .*cut after \d+ bytes/)
  assert.equal(failure(() => read(batch.subarray(0, 5), "text", { from: 9 })).offset, 9)
  const view = new DataView(batch.buffer)
  view.setInt32(8, 2 ** 31 - 1)
  assert.equal(failure(() => read(batch, "text")).reason, "Damaged")
  view.setBigInt64(0, 2n ** 60n)
  view.setInt32(8, batch.length - 12)
  assert.equal(failure(() => read(batch, "text")).reason, "Damaged")
})

test("decompression is bounded: many zeros in a small batch are refused early", () => {
  const batch = (compression: Compression, count: number) =>
    encode([{ value: new Uint8Array(count), timestamp: 0 }], { compression })
  for (const compression of ["gzip", "zstd", "lz4", "snappy"] satisfies ReadonlyArray<Compression>) {
    const error = failure(() => read(batch(compression, 5_000_000), "bytes", { decompressedMax: 100_000 }))
    assert.match(error.message, /decompressed it has more than 100000 bytes/)
  }
  assert.match(failure(() => read(batch("zstd", 70_000_000), "bytes")).message, /more than 67108864 bytes/)
})

test("whatever happened to a batch's bytes, the end is a KafkaError or a whole batch", () => {
  const changes = fc.array(fc.record({ at: fc.nat(400), to: fc.nat(255) }), { minLength: 1, maxLength: 4 })
  const compression = fc.constantFrom(...compressions)
  fc.assert(
    fc.property(
      records,
      compression,
      changes,
      fc.boolean(),
      fc.boolean(),
      (given, compression, changes, sealed, cut) => {
        const batch = encode(given.map(({ gap: _, ...record }) => record), { compression })
        for (const { at, to } of changes) if (at < batch.length) batch[at] = to
        if (sealed) reseal(batch)
        const bytes = cut ? batch.subarray(0, changes[0]!.at) : batch
        try {
          const got = read(bytes, "text", { decompressedMax: 1_000_000 })
          assert.ok(got.records.length <= given.length || sealed)
          assert.ok(Number.isSafeInteger(got.next))
        } catch (error) {
          if (!(error instanceof KafkaError)) throw error
        }
      }
    ),
    { numRuns: 3000 }
  )
})

test("compressed bytes that lie are refused or come to something, within the limit", () => {
  const kinds = ["snappy", "lz4", "gzip", "zstd"] satisfies ReadonlyArray<Compression>
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 60 }), fc.nat(80), (compression, noise, from) => {
      const batch = encode(values("abcabcabcabc".repeat(20), "abcabc"), { compression })
      batch.set(
        noise.subarray(0, Math.max(0, batch.length - headerBytes - from)),
        Math.min(headerBytes + from, batch.length)
      )
      reseal(batch)
      try {
        read(batch, "bytes", { decompressedMax: 100_000 })
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
      }
    }),
    { numRuns: 3000 }
  )
})

test("compression makes it smaller, and texts without repetitions hardly larger", () => {
  const repeated = values(...Array(500).fill("the quick brown fox jumps over the lazy dog"))
  const plain = encode(repeated).length
  for (const compression of compressions.slice(1)) {
    assert.ok(encode(repeated, { compression }).length < plain / 5, compression)
  }
  let seed = 1
  const noise = Uint8Array.from({ length: 100_000 }, () => (seed = Math.imul(seed, 48_271) >>> 0) >>> 13)
  for (const compression of compressions) {
    assert.ok(encode([{ value: noise, timestamp: 0 }], { compression }).length < 101_000, compression)
  }
})

test("a broker gives a batch its place without touching what the check sum covers", () => {
  const batch = encode(values("a", "b"), { producer: { id: 77n, epoch: 3, sequence: 9 }, isTransactional: true })
  placeBatch(batch, 2 ** 33, 12)
  assert.deepEqual(texts(batch), [`${2 ** 33}:a`, `${2 ** 33 + 1}:b`])
  const header = headerAt(batch, 0)!
  assert.deepEqual(
    [header.leaderEpoch, header.producerId, header.producerEpoch, header.baseSequence, header.lastOffset, header.end],
    [12, 77n, 3, 9, 2 ** 33 + 1, batch.length]
  )
})

test("where aborted transactions overlap, the marker of one does not end another", () => {
  const one = { id: 1n, epoch: 0 }
  const two = { id: 2n, epoch: 0 }
  const transactional = (text: string, producer: { id: bigint; epoch: number }, baseOffset: number) =>
    encode(values(text), { producer: { ...producer, sequence: 0 }, isTransactional: true, baseOffset })
  const log = Buffer.concat([
    transactional("a1", one, 0),
    transactional("b1", two, 1),
    encodeMarker("abort", one, { baseOffset: 2, timestamp: 0 }),
    transactional("b2", two, 3),
    encodeMarker("abort", two, { baseOffset: 4, timestamp: 0 }),
    encode(values("c1"), { baseOffset: 5 })
  ])
  const aborted = [{ producerId: 1n, firstOffset: 0 }, { producerId: 2n, firstOffset: 1 }]
  assert.deepEqual(texts(log, { aborted }), ["5:c1"])
})

test("batches whose offsets do not go on are refused, and not read twice", () => {
  const at = (baseOffset: number) => encode(values("a", "b"), { baseOffset })
  assert.deepEqual(texts(Buffer.concat([at(5), at(9)])), ["5:a", "6:b", "9:a", "10:b"])
  for (const next of [5, 6, 2]) {
    assert.throws(
      () => texts(Buffer.concat([at(5), at(next)])),
      new RegExp(`batch at offset ${next} .*begins at offset ${next}, and the batch before it ends at 6`)
    )
  }
})
