/**
 * The record codec: what goes in comes out, what cannot travel is refused by name, damage is told.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { test } from "node:test"
import fc from "fast-check"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import { viewKinds } from "../../adapters/codec/plainData.ts"

const trip = (value: unknown) => messagePack.decode(messagePack.encode(value))

const texts = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.string({ unit: codeUnit(), maxLength: 12 }))
const keys = fc.oneof(
  texts,
  fc.constantFrom("__proto__", "constructor", "__keys__", "toString", "hasOwnProperty", "toJSON", "then", "length", "0")
)

/** Any single UTF-16 unit, with lone surrogates among them. */
function codeUnit() {
  return fc.oneof(fc.integer({ min: 0xd7f0, max: 0xe010 }), fc.integer({ min: 0, max: 0xffff })).map((unit) =>
    String.fromCharCode(unit)
  )
}

const record = (values: fc.Arbitrary<unknown>) =>
  fc.uniqueArray(fc.tuple(keys, values), { selector: ([key]) => key, maxLength: 6 }).map(recordOf)

/** A record with these own keys, whatever their names. */
function recordOf(entries: ReadonlyArray<readonly [string, unknown]>) {
  const made = {}
  for (const [key, value] of entries) {
    Object.defineProperty(made, key, { value, configurable: true, enumerable: true, writable: true })
  }
  return made
}

const leaf = fc.oneof(
  texts,
  fc.integer(),
  fc.double(),
  fc.constantFrom(NaN, -0, Infinity, -Infinity, 2 ** 53, 2 ** 31, -(2 ** 31), 4294967296),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.date(),
  fc.uint8Array({ maxLength: 20 }),
  fc.float64Array({ maxLength: 5 }),
  fc.int16Array({ maxLength: 5 })
)

const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 5 }),
    record(tie("value")),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => new Set(items))
  )
}))

test("any plain value comes back equal, to the sign of zero and the type of each array", () => {
  fc.assert(fc.property(anyValue, (value) => assert.deepStrictEqual(trip(value), value)), { numRuns: 600 })
})

const column = fc.oneof(
  fc.array(texts, { minLength: 16, maxLength: 60 }),
  fc.array(fc.integer(), { minLength: 16, maxLength: 60 }),
  fc.array(fc.double(), { minLength: 16, maxLength: 60 }),
  fc.array(fc.oneof(texts, fc.integer()), { minLength: 16, maxLength: 30 }),
  fc.array(leaf, { minLength: 16, maxLength: 30 }),
  fc.array(fc.tuple(texts, fc.integer()), { minLength: 16, maxLength: 30 }),
  fc.array(fc.tuple(texts, leaf, fc.tuple(fc.integer(), texts)), { minLength: 16, maxLength: 20 }),
  fc.array(recordOfShape({ id: fc.integer(), name: texts, inner: recordOfShape({ x: fc.double() }) }), {
    minLength: 16,
    maxLength: 20
  }),
  fc.array(fc.record({ id: fc.integer(), name: texts }, { requiredKeys: [], noNullPrototype: true }), {
    minLength: 16,
    maxLength: 20
  }),
  fc.array(fc.array(fc.integer(), { maxLength: 3 }), { minLength: 16, maxLength: 20 })
)

function recordOfShape(shape: Record<string, fc.Arbitrary<unknown>>) {
  return fc.record(shape, { noNullPrototype: true })
}

test("columns come back equal, wherever they stand", () => {
  fc.assert(
    fc.property(column, column, (keys, values) => {
      const blocks = [[0, { kind: "pairs", keys, values }], [1, { kind: "records", records: values }]]
      assert.deepStrictEqual(trip(keys), keys)
      assert.deepStrictEqual(trip(blocks), blocks)
    }),
    { numRuns: 200 }
  )
})

test("long texts with lone surrogates on their edges come back equal", () => {
  const lines = Array.from({ length: 200 }, (_, i) => `${"漢字".repeat(i)}\ud83d\ude00`)
  assert.deepStrictEqual(trip(lines), lines)
  const torn = [...lines, "\ud83d", "\ude00"]
  assert.deepStrictEqual(trip(torn), torn)
})

test("the bytes of a value are the same whatever was encoded before, in a buffer of their own and of exact size", () => {
  const first = new Uint8Array(messagePack.encode([{ a: 1 }, ["x", 2.5]]))
  fc.assert(
    fc.property(anyValue, (other) => {
      messagePack.encode(other)
      const bytes = messagePack.encode([{ a: 1 }, ["x", 2.5]])
      assert.ok(bytes instanceof ArrayBuffer)
      assert.deepStrictEqual(new Uint8Array(bytes), first)
    }),
    { numRuns: 50 }
  )
})

test("holes of arrays become undefined", () => {
  // deno-lint-ignore no-sparse-arrays
  assert.deepStrictEqual(trip([1, , 3]), [1, undefined, 3])
  assert.deepStrictEqual(trip(new Array(20)), new Array(20).fill(undefined))
})

test("keys like __proto__ and constructor stay own keys and reach no prototype", () => {
  const evil = JSON.parse(`{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}`)
  for (const value of [evil, [evil, [evil]], new Array(20).fill(evil), { kind: "pairs", keys: [evil] }]) {
    assert.deepStrictEqual(trip(value), value)
  }
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined)
  assert.ok(Object.hasOwn(trip(evil) as object, "__proto__"))
})

test("a record with thousands of keys, and a thousand records of different keys, come back equal", () => {
  const wide = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`key${i}`, i]))
  const many = Array.from({ length: 1000 }, (_, i) => ({ [`key${i}`]: i }))
  assert.deepStrictEqual(trip(wide), wide)
  assert.deepStrictEqual(trip(many), many)
})

test("views come back as arrays of their own, not of the buffer that they look at", () => {
  const bytes = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7])
  const part = trip({ part: bytes.subarray(2, 4) }) as { part: Uint8Array }
  assert.deepStrictEqual([...part.part], [2, 3])
})

class User {
  readonly name = "ann"
}
class Words extends Array<string> {}
class Counts extends Map<string, number> {}
class Tags extends Set<string> {}
class Bytes extends Uint8Array {}
class Moment extends Date {}

const refused: ReadonlyArray<readonly [value: unknown, path: string, type: string]> = [
  [new User(), "the value", "an instance of the class User"],
  [[["a", 1], ["b", new User()]], "the value[1][1]", "an instance of the class User"],
  [{ kind: "pairs", keys: [{ user: new User() }] }, "the value.keys[0].user", "an instance of the class User"],
  [Array.from({ length: 30 }, (_, i) => i === 20 ? { id: new User() } : { id: i }), "the value[20].id", "class User"],
  [Array.from({ length: 30 }, (_, i) => [i, i === 7 ? () => 1 : i]), "the value[7][1]", "a function"],
  [new Map([["ann", new User()]]), 'the value.get("ann")', "an instance of the class User"],
  [new Set([Symbol("s")]), "the value.values[0]", "a symbol"],
  [{ at: /x/ }, "the value.at", "an instance of the class RegExp"],
  [{ error: new Error("no") }, "the value.error", "an instance of the class Error"],
  [{ counts: new Counts([["a", 1]]) }, "the value.counts", "an instance of the class Counts"],
  [[-0, new Tags(["a"])], "the value[1]", "an instance of the class Tags"],
  [[["k", new Bytes(2)]], "the value[0][1]", "an instance of the class Bytes"],
  [{ at: new Moment(0) }, "the value.at", "an instance of the class Moment"],
  [[new Promise(() => {})], "the value[0]", "an instance of the class Promise"]
]

test("what would lose its nature is refused with its path, its type and the remedy", () => {
  for (const [value, path, type] of refused) {
    assert.throws(() => messagePack.encode(value), (error: Error) => {
      assert.ok(error.message.includes(`Cannot send ${path} to another executor`), error.message)
      assert.ok(error.message.includes(type), error.message)
      assert.match(error.message, /map it to such before the shuffle/)
      return true
    })
  }
  assert.deepStrictEqual(trip(["after", "an error"]), ["after", "an error"])
})

test("a value that refers to itself is refused, not followed for ever", () => {
  const loop: Array<unknown> = []
  loop.push([loop])
  assert.throws(() => messagePack.encode(loop), /refers to itself/)
})

test("an array of a subclass comes back as an array", () => {
  assert.deepStrictEqual(trip(Words.from(["a"])), ["a"])
})

test("every view comes back as what it was, a Buffer as a Uint8Array", () => {
  assert.equal(viewKinds.length, 12)
  for (const Kind of viewKinds) {
    const value = new Kind(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer)
    assert.deepStrictEqual(trip([value]), [value], Kind.name)
    assert.deepStrictEqual(trip([-0, value]), [-0, value], Kind.name)
  }
  assert.deepStrictEqual(trip([Buffer.from([1, 2])]), [new Uint8Array([1, 2])])
  assert.deepStrictEqual(trip({ zero: -0, bytes: Buffer.from([1, 2]) }), { zero: -0, bytes: new Uint8Array([1, 2]) })
})

test("damaged messages are told, whatever is damaged", () => {
  const whole = new Uint8Array(
    messagePack.encode({ kind: "pairs", keys: ["a", { b: 1 }], values: Array(40).fill("xyz") })
  )
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => messagePack.decode(whole.slice(0, length).buffer), /the data is damaged at byte \d+ of \d+: ./)
  }
  const any = fc.uint8Array({ maxLength: 60 })
  fc.assert(fc.property(any, (bytes) => {
    try {
      messagePack.decode(new Uint8Array(bytes).buffer)
    } catch (error) {
      assert.match((error as Error).message, /the data is damaged at byte \d+ of \d+: ./)
    }
  }))
})

/** A frame of MessagePack. */
const plain = (...packed: ReadonlyArray<number>) =>
  messagePack.decode(Uint8Array.of(1, packed.length, 0, 0, 0, ...packed).buffer)

test("counts that are larger than the message make nothing: arrays, maps, texts, records, tuples and tables", () => {
  const million = [0x00, 0xff, 0xff, 0xff]
  const nested = Array.from({ length: 60 }, () => [0xdd, ...million]).flat()
  for (
    const packed of [[0xdd, ...million], [0xdf, ...million], [0xdb, ...million], nested, [0xdc, 0xff, 0xff], [
      0xde,
      0xff,
      0xff
    ]]
  ) {
    assert.throws(
      () => plain(...packed),
      /the data is damaged at byte \d+ of \d+: it (announces more than it holds|ends before it should)/
    )
  }
  for (const form of [6, 7]) {
    const bytes = new Uint8Array(2000)
    bytes.set([form, 0xd0, 0x07, 0, 0, 0, 0, 0, 0])
    assert.throws(() => messagePack.decode(bytes.slice(0, 9).buffer), /the data is damaged at byte \d+ of \d+: ./)
    assert.throws(() => messagePack.decode(bytes.buffer), /no places|no columns/)
  }
})

test("whatever a message says, its arrays together have no more places than it has bytes", () => {
  const token = fc.constantFrom(0xdc, 0xdd, 0xde, 0xdf, 0x9f, 0x8f, 0xc4, 0xc7, 0xd4, 0x72, 0x40, 0xc0)
  const bytes = fc.array(fc.oneof(token, fc.nat(255)), { maxLength: 40, size: "max" })
  fc.assert(
    fc.property(bytes, (packed) => {
      let value: unknown
      try {
        value = plain(...packed)
      } catch (error) {
        return assert.match((error as Error).message, /the data is damaged at byte \d+ of \d+: ./)
      }
      if (Array.isArray(value)) assert.ok(value.length <= packed.length)
    }),
    { numRuns: 2000 }
  )
})
