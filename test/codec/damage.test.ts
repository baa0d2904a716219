/**
 * Messages that are damaged or an enemy's: each is told as damage, in words and with its byte, or is plain data; in time, and in no more
 * memory than the message is worth.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { DamagedData } from "../../adapters/codec/DamagedData.ts"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import { change, changed } from "../damage.ts"

const decode = (bytes: Uint8Array) => messagePack.decode(bytes.slice().buffer)

/** What it decodes to, or the damage that is told; anything else is thrown. */
const attempt = (bytes: Uint8Array): { readonly value: unknown } | DamagedData => {
  try {
    return { value: decode(bytes) }
  } catch (error) {
    if (!(error instanceof DamagedData)) throw error
    assert.match(error.message, /^the data is damaged at byte \d+ of \d+: [a-z][a-zA-Z0-9_ ]+$/)
    assert.doesNotMatch(error.message, /MessagePack|buffer|DataView|stack|undefined|token/i)
    return error
  }
}

const refused = (bytes: Uint8Array, words: RegExp): void => {
  const outcome = attempt(bytes)
  assert.ok(outcome instanceof DamagedData, "it was decoded")
  assert.match(outcome.message, words)
}

/** A frame of MessagePack, as plain data or in its escaped form. */
const frame = (packed: ReadonlyArray<number> | Uint8Array, form = 1): Uint8Array => {
  const bytes = new Uint8Array(5 + packed.length)
  bytes[0] = form
  new DataView(bytes.buffer).setUint32(1, packed.length, true)
  bytes.set(packed, 5)
  return bytes
}

const messages = [
  [["word", 1], ["other", -0]],
  Array.from({ length: 20 }, (_, i) => [`word${i}`, i / 2]),
  Array.from({ length: 20 }, (_, i) => ({ id: i, tags: new Set([`t${i}`]), when: new Date(i), big: 10n ** 30n })),
  { parts: [{ kind: "records", records: Array(40).fill("a line") }], none: undefined },
  new Map<unknown, unknown>([["key", { deep: [[[1, "\ud800"]]] }], [3, new Float64Array(3)]]),
  JSON.parse('{"__proto__": {"admin": true}, "constructor": {"prototype": {}}}')
].map((value) => new Uint8Array(messagePack.encode(value)))

test("messages cut, flipped, spliced or with a huge number are damage that is told, or plain data", () => {
  const any = fc.constantFrom(...messages)
  let damaged = 0
  fc.assert(
    fc.property(any, any, fc.array(change, { maxLength: 4 }), fc.nat(300), (one, other, changes, cut) => {
      const spliced = changes.length > 0 ? one : Uint8Array.from([...one.subarray(0, cut), ...other.subarray(cut)])
      const outcome = attempt(changes.reduce(changed, spliced))
      assert.equal(({} as { readonly admin?: unknown }).admin, undefined)
      if (outcome instanceof DamagedData) damaged++
      else isPlain(outcome.value)
    }),
    { numRuns: 3000 }
  )
  assert.ok(damaged > 1000, `${damaged}`)
})

/** What can be encoded is plain data of bounded depth. */
const isPlain = (value: unknown): void => {
  try {
    messagePack.encode(value)
  } catch (error) {
    assert.match((error as Error).message, /nested deeper than/)
  }
}

test("random tokens, also of what is no plain data, are damage or plain data", () => {
  const token = fc.constantFrom(
    0xd4,
    0xd5,
    0xd6,
    0xc7,
    0xc1,
    0x72,
    0x73,
    0x65,
    0x78,
    0x69,
    0x70,
    0x62,
    0x40,
    0x91,
    0x92
  )
  const packed = fc.array(fc.oneof(token, fc.nat(255)), { maxLength: 40, size: "max" })
  fc.assert(
    fc.property(packed, fc.constantFrom(1, 2), (bytes, form) => {
      const outcome = attempt(frame(bytes, form))
      if (!(outcome instanceof DamagedData)) isPlain(outcome.value)
    }),
    { numRuns: 5000 }
  )
})

const repeated = (tokens: ReadonlyArray<number>, times: number): ReadonlyArray<number> =>
  Array.from({ length: times }, () => tokens).flat()

test("lists, maps, sets and records that lie 100,000 deep in one another are refused before anything goes into them", () => {
  const kinds = {
    lists: [0x91],
    maps: [0x81, 0xc0],
    sets: [0xd4, 0x73, 0x00, 0x91],
    records: [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61],
    "records of one shape": [0x40]
  }
  for (const [kind, tokens] of Object.entries(kinds)) {
    const shape = kind === "records of one shape" ? kinds.records : []
    for (const form of [1, 2]) {
      refused(frame([...shape, ...repeated(tokens, 100_000), 0xc0], form), /nested deeper than \d+ levels/)
    }
  }
  refused(frame([...repeated([0xd4, 0x73, 0x00], 100_000), 0x90]), /no plain data/)
  const frames = repeated([8, 1, 0, 0, 0], 100_000)
  refused(Uint8Array.from(frames), /its parts are nested too deeply/)
  let deepest: unknown = 1
  for (let level = 0; level < 500; level++) deepest = [deepest]
  assert.deepEqual(decode(new Uint8Array(messagePack.encode(deepest))), deepest)
  let sets: unknown = -0
  for (let level = 0; level < 499; level++) sets = new Set([sets])
  assert.deepEqual(decode(new Uint8Array(messagePack.encode(sets))), sets)
})

test("values that refer to one another, of which a few bytes would make endless ones, and instances of classes are refused", () => {
  const ids = Array.from({ length: 100 }, (_, i) => [
    [0xd6, 0x69, 0, 0, 0, i + 1, 0x92],
    i === 0 ? [0xc0, 0xc0] : [0xd6, 0x70, 0, 0, 0, i, 0xd6, 0x70, 0, 0, 0, i]
  ]).flat(2)
  refused(frame([0xdc, 0, 100, ...ids]), /no plain data/)
  refused(frame([0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1]), /no plain data/)
  refused(frame([0xd4, 0x65, 0x00, 0x92, 0xa5, ...Buffer.from("Error"), 0xa1, 0x61]), /no plain data/)
  refused(frame([0xd4, 0x78, 0x00, 0x92, 0xa6, ...Buffer.from("(a+)+$"), 0xa0]), /no plain data/)
  refused(frame([0xc1]), /no plain data/)
})

test("a count of 2^32 - 1 in any part of a message makes nothing", () => {
  const integer = 11
  for (let form = 0; form <= 255; form++) {
    for (const rest of [0, 8, 2000]) {
      // The number -1.
      if (form === integer && rest === 0) continue
      const bytes = new Uint8Array(5 + rest)
      bytes.set([form, 255, 255, 255, 255])
      refused(bytes, /announces more|no form|ends before it should|goes on after its end/)
    }
  }
  for (const token of [0xc6, 0xc9, 0xdb, 0xdd, 0xdf]) {
    refused(frame([token, 255, 255, 255, 255, 0x42, 0, 0]), /announces more than it holds|ends before it should/)
  }
})
