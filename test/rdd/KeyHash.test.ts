import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { canonicalKey, hashKey, hashString, keyDepthMax, UnhashableKey } from "../../core/rdd/KeyHash.ts"
import { KeyedMap } from "../../core/rdd/KeyedMap.ts"
import {
  HashPartitioner,
  InvalidPartitionCount,
  numPartitionsMax,
  partitionOf,
  PartitionOutOfRange
} from "../../core/rdd/Partitioner.ts"
import { keys, sameKey } from "./keys.ts"

test("hashes are what they have always been, on every platform", () => {
  const hashes = [
    "",
    "a",
    "word",
    "\ud800 lone",
    "ünïcödé",
    0,
    1,
    -1,
    2 ** 31,
    0.5,
    -1e300,
    Infinity,
    NaN,
    5n,
    -(2n ** 70n),
    true,
    false,
    null,
    [],
    ["a", 1],
    [["a"], 1],
    {},
    { b: 1, a: [null] }
  ].map(hashKey)
  assert.deepEqual(hashes, [
    -1421968373,
    444641715,
    -338164417,
    -1681075428,
    -1450047861,
    0,
    1364076727,
    -2114883783,
    -942848677,
    113545287,
    -904950811,
    -364780647,
    104869765,
    360173400,
    415113480,
    1540483477,
    461845907,
    228143771,
    -744896000,
    1337639747,
    -989889994,
    -252873390,
    -213815892
  ])
})

test("keys that are the same hash alike and have one text; keys that differ have two", () => {
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      const same = sameKey(a, b)
      assert.equal(canonicalKey(a) === canonicalKey(b), same)
      if (same) assert.equal(hashKey(a), hashKey(b))
    }),
    { numRuns: 2000 }
  )
})

test("a copy of a key is the same key", () => {
  fc.assert(fc.property(keys, (key) => {
    const copy = structuredClone(key)
    assert.equal(hashKey(copy), hashKey(key))
    assert.equal(canonicalKey(copy), canonicalKey(key))
  }))
})

test('0 and -0 are one key, NaN is one key, 1 and 1n and "1" are three', () => {
  assert.equal(hashKey(-0), hashKey(0))
  assert.equal(canonicalKey([-0, NaN]), canonicalKey([0, 0 / 0]))
  assert.equal(new Set([1, 1n, "1", [1], ["1"], true].map(canonicalKey)).size, 6)
  assert.equal(hashKey({ a: 1, b: 2 }), hashKey({ b: 2, a: 1 }))
})

test("what cannot be a key is refused with its type and its place in the key", () => {
  class Point {
    readonly x = 1
  }
  const cyclic: Array<unknown> = []
  cyclic.push(cyclic, cyclic)
  const refused: ReadonlyArray<readonly [key: unknown, type: string, place: string]> = [
    [undefined, "undefined", "The key "],
    [() => 1, "a function", "The key "],
    [Symbol("s"), "a symbol", "The key "],
    [new Date(0), "an instance of Date", "The key "],
    [new Map(), "an instance of Map", "The key "],
    [new Uint8Array(2), "an instance of Uint8Array", "The key "],
    [["a", { when: [new Point()] }], "an instance of Point", "The key[1].when[0] "],
    [new Array(2), "undefined", "The key[0] "],
    [{ [Symbol("s")]: 1 }, "a record with symbols as names", "The key "],
    [cyclic, `nested deeper than ${keyDepthMax} levels`, "The key[0][0]"]
  ]
  for (const [key, type, place] of refused) {
    const check = (error: unknown) =>
      error instanceof UnhashableKey && error._tag === "UnhashableKey" && error.type === type &&
      error.message.startsWith(place)
    assert.throws(() => hashKey(key), check)
    assert.throws(() => new KeyedMap().slotOf(key), check)
  }
})

const spread = (partitions: number, keysToSpread: ReadonlyArray<unknown>) => {
  const counts = new Array<number>(partitions).fill(0)
  const partitioner = HashPartitioner(partitions)
  for (const key of keysToSpread) counts[partitionOf(partitioner, key)]!++
  return counts
}

test("a HashPartitioner spreads counters, doubles, short strings, tuples and records evenly", () => {
  const indices = Array.from({ length: 10_000 }, (_, i) => i)
  const letters = indices.map((i) =>
    String.fromCharCode(97 + (i % 26), 97 + (Math.floor(i / 26) % 26), 97 + Math.floor(i / 676))
  )
  const kinds = [
    indices,
    indices.map((i) => i * 64),
    indices.map((i) => i + 0.5),
    indices.map((i) => -i),
    indices.map((i) => BigInt(i)),
    indices.map((i) => `k${i}`),
    letters,
    indices.map((i) => ["k", i]),
    indices.map((i) => ({ id: i }))
  ]
  for (const partitions of [2, 3, 8, 10, 64]) {
    for (const kind of kinds) {
      const expected = kind.length / partitions
      for (const count of spread(partitions, kind)) {
        assert.ok(
          Math.abs(count - expected) < 6 * Math.sqrt(expected),
          `${count} of ${expected}, ${partitions} partitions`
        )
      }
    }
  }
})

test("every key has a partition within the range", () => {
  fc.assert(fc.property(keys, fc.integer({ min: 1, max: 300 }), (key, partitions) => {
    const partition = partitionOf(HashPartitioner(partitions), key)
    assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions)
  }))
})

test("a number of partitions that cannot be is refused", () => {
  for (const count of [0, -1, 1.5, NaN, Infinity, numPartitionsMax + 1]) {
    assert.throws(() => HashPartitioner(count), (error) => error instanceof InvalidPartitionCount)
  }
})

test("a partitioner that answers outside its range is a PartitionOutOfRange that names it", () => {
  for (const answer of [-1, 3, 0.5, NaN, Infinity, "1" as unknown as number, undefined as unknown as number]) {
    const partitioner = { name: "by country", numPartitions: 3, partition: () => answer }
    assert.throws(
      () => partitionOf(partitioner, "key"),
      (error) =>
        error instanceof PartitionOutOfRange && error.message.includes("by country") && error.message.includes("0 to 2")
    )
  }
})

test("a KeyedMap numbers keys in the order in which they first come, whatever their kinds", () => {
  fc.assert(fc.property(fc.array(keys, { maxLength: 200 }), (sequence) => {
    const map = new KeyedMap()
    const known: Array<unknown> = []
    for (const key of sequence) {
      const at = known.findIndex((other) => sameKey(other, key))
      assert.equal(map.slotOf(key), at < 0 ? known.length : at)
      if (at < 0) known.push(key)
    }
    assert.deepEqual(map.keys, known)
    assert.equal(map.size, known.length)
  }))
})

test("a KeyedMap grows, and a record's text is no other key's", () => {
  const map = new KeyedMap()
  const many = Array.from({ length: 5000 }, (_, i) => [`k${i}`, i, `a key of more than twenty-four letters ${i}`, [i]])
    .flat()
  many.push(canonicalKey([1]), canonicalKey("k1"))
  for (let round = 0; round < 2; round++) many.forEach((key, i) => assert.equal(map.slotOf(key), i))
  assert.equal(map.size, many.length)
})

test("strings made to collide in a KeyedMap keep their slots, before and after it grows", () => {
  const colliding: Array<string> = []
  const home = (text: string) => Math.imul(hashString(text), 0x9e3779b1) >>> 20
  for (let i = 0; colliding.length < 100; i++) if (home(`x${i}`) === 17) colliding.push(`x${i}`)
  const map = new KeyedMap()
  const others = Array.from({ length: 3000 }, (_, i) => `o${i}`)
  const all = [...colliding.slice(0, 60), ...others, ...colliding.slice(60)]
  for (let round = 0; round < 2; round++) all.forEach((key, i) => assert.equal(map.slotOf(key), i))
  assert.deepEqual(map.keys, all)
})
