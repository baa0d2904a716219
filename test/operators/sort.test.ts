import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { HashPartitioner, RangePartitioner, RDD } from "../../core/mod.ts"
import { compareKeys, UnorderedKey } from "../../core/rdd/pairs/KeyOrder.ts"
import { InvalidBounds } from "../../core/rdd/pairs/RangePartitioner.ts"
import { partitionsOf } from "../model/lineage.ts"
import { keyText } from "../model/Partitions.ts"
import { keys, sameKey } from "../rdd/keys.ts"

/** Keys in their order, one of each kind and the edges of each. */
const ascending: ReadonlyArray<unknown> = [
  null,
  false,
  true,
  -Infinity,
  -2n,
  -1,
  0,
  0.5,
  1,
  2n ** 53n + 1n,
  Infinity,
  NaN,
  "",
  "B",
  "a",
  "aa",
  "\u00e9",
  "\ud83d\ude00",
  "\uff5e",
  [],
  [1],
  [1, 2],
  [NaN],
  ["a", 1],
  [[]],
  {},
  { a: 1 },
  { a: 1, b: 0 },
  { a: 2 },
  { b: 0 }
]

test("keys are ordered by kind and then by value, as the table says, however they are given", () => {
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      assert.equal(Math.sign(compareKeys(a, b)), Math.sign(i - j), `${keyText(a)} and ${keyText(b)}`)
    }
  }
  assert.equal(compareKeys(1, 1n), 0)
  assert.equal(compareKeys({ a: 1, b: 2 }, { b: 2, a: 1 }), 0)
})

test("the order of keys is total, and keys that are the same are equal in it", () => {
  fc.assert(fc.property(keys, keys, keys, (a, b, c) => {
    assert.equal(Math.sign(compareKeys(a, b)) + Math.sign(compareKeys(b, a)), 0)
    if (sameKey(a, b)) assert.equal(compareKeys(a, b), 0)
    if (compareKeys(a, b) <= 0 && compareKeys(b, c) <= 0) assert.ok(compareKeys(a, c) <= 0)
  }))
})

test("what is no key, or nested without end, has no place in the order", () => {
  const cyclic: Array<unknown> = []
  cyclic.push(cyclic)
  for (const key of [undefined, new Date(0), [() => 1], new Map(), { a: undefined }, cyclic]) {
    assert.throws(
      () => compareKeys(key, key),
      (error) => error instanceof UnorderedKey && /give `compare`/.test(error.message)
    )
  }
})

type Pair = readonly [key: unknown, place: number]
const pairs = fc.array(keys, { maxLength: 30 }).map((list) => list.map((key, place): Pair => [key, place]))

/** Sorted by insertion, equal keys in the order in which they came. */
const insertionSort = (list: ReadonlyArray<Pair>, before: (a: unknown, b: unknown) => boolean): ReadonlyArray<Pair> => {
  const sorted: Array<Pair> = []
  for (const pair of list) {
    const at = sorted.findIndex(([key]) => before(pair[0], key))
    sorted.splice(at < 0 ? sorted.length : at, 0, pair)
  }
  return sorted
}

test("sortByKey sorts the whole batch in one partition, stably, up and down, whatever its partitions were", () => {
  fc.assert(fc.property(pairs, fc.integer({ min: 1, max: 4 }), fc.boolean(), (list, partitions, up) => {
    const sorted = RDD.of(list, partitions).pipe(RDD.sortByKey({ ascending: up }))
    const before = (a: unknown, b: unknown) => up ? compareKeys(a, b) < 0 : compareKeys(b, a) < 0
    // With one partition records come in the order of map partitions: the list itself.
    assert.deepEqual(partitionsOf(sorted), [insertionSort(list, before)])
  }))
})

test("with bounds each partition holds its range, and one after the other they are the sorted batch", () => {
  const some = fc.uniqueArray(keys, { maxLength: 4, comparator: (a, b) => compareKeys(a, b) === 0 })
  fc.assert(fc.property(pairs, some, fc.boolean(), fc.boolean(), (list, found, up, own) => {
    const bounds = found.toSorted(compareKeys)
    const options = { bounds, ascending: up, ...(own ? { compare: compareKeys } : {}) }
    const sorted = RDD.of(list, 3).pipe(RDD.sortByKey(options))
    const partitions = partitionsOf(sorted) as ReadonlyArray<ReadonlyArray<Pair>>
    assert.equal(partitions.length, bounds.length + 1)
    const before = (a: unknown, b: unknown) => up ? compareKeys(a, b) < 0 : compareKeys(b, a) < 0
    assert.deepEqual(partitions.flat(), insertionSort(list, before))
    const ranges = up ? partitions : partitions.toReversed()
    for (const [i, bound] of bounds.entries()) {
      assert.ok(ranges[i]!.every(([key]) => compareKeys(key, bound) <= 0))
      assert.ok(ranges[i + 1]!.every(([key]) => compareKeys(key, bound) > 0))
    }
    // An order of the user's has no name that another process or program could compare.
    assert.equal(sorted.partitioner?.name, own ? undefined : RangePartitioner(bounds, { ascending: up }).name)
  }))
})

test("sortBy sorts records by what the function gives, asked once per record", () => {
  let asked = 0
  const sorted = RDD.of(["ccc", "a", "bb", "d"], 2).pipe(
    RDD.sortBy((word) => (asked++, word.length), { ascending: false })
  )
  assert.deepEqual(partitionsOf(sorted), [["ccc", "bb", "a", "d"]])
  assert.equal(asked, 4)
})

test("range partitioners are the same when bounds and direction are; bounds have to ascend", () => {
  assert.equal(RangePartitioner([1, 2]).name, RangePartitioner([1, 2], { ascending: true }).name)
  const names = [[1, 2], [1, 3], ["1", "2"], [[1, 2]]].flatMap((bounds) => [
    RangePartitioner(bounds).name,
    RangePartitioner(bounds, { ascending: false }).name
  ])
  assert.equal(new Set(names).size, names.length)
  assert.equal(RangePartitioner([]).numPartitions, 1)
  for (const bounds of [[2, 1], [1, 1], [1, 1n]]) {
    assert.throws(
      () => RangePartitioner(bounds),
      (error) => error instanceof InvalidBounds && /Bound 1/.test(error.message)
    )
  }
  assert.throws(() => RangePartitioner(Array.from({ length: 65_536 }, (_, i) => i)), /give fewer/)
})

test("several RDDs are brought together by what is asked for, else by the widest partitioner of a parent, else by hash", () => {
  const list = RDD.of<[string, number]>([["a", 1], ["b", 2]], 5)
  const spread = (numPartitions: number) => list.pipe(RDD.partitionBy(HashPartitioner(numPartitions)))
  const many = RDD.of<[string, number]>([], 40)
  const partitionsOfJoin = (a: typeof list, b: typeof list, options?: RDD.ShuffleOptions) =>
    a.pipe(RDD.join(b, options)).partitioner?.numPartitions
  assert.equal(partitionsOfJoin(list, list), 5)
  assert.equal(partitionsOfJoin(spread(2), list), 2)
  assert.equal(partitionsOfJoin(spread(2), spread(3)), 3)
  assert.equal(partitionsOfJoin(spread(4), many), 40)
  assert.equal(partitionsOfJoin(spread(5), many), 5)
  assert.equal(partitionsOfJoin(spread(3), list, { numPartitions: 7 }), 7)
  assert.equal(partitionsOfJoin(spread(3), list, { numPartitions: 7, partitioner: RangePartitioner(["b"]) }), 2)
})

test("a parent that is spread as wanted is read where it is; the others are shuffled", () => {
  const list = RDD.of<[string, number]>([["a", 1]], 2)
  const here = list.pipe(RDD.reduceByKey((a, b) => a + b, { numPartitions: 3 }), RDD.mapValues((n) => n))
  const grouped = here.pipe(RDD.cogroup(list))
  const [left, right] = RDD.parentsOf(grouped)
  assert.equal(left, here)
  assert.equal(right!.lineage.kind, "shuffled")
  assert.equal(grouped.partitioner, here.partitioner)
  // A map may change keys: its result is spread by nobody knows what.
  const moved = here.pipe(RDD.mapToPair(([word, n]) => [word, n]), RDD.cogroup(list, { partitioner: here.partitioner }))
  assert.deepEqual(RDD.parentsOf(moved).map((parent) => parent.lineage.kind), ["shuffled", "shuffled"])
})

test("a join of one key with many values on both sides makes its pairs as they are asked for", () => {
  const side = Array.from({ length: 100_000 }, (_, i): [string, number] => ["hot", i])
  const { lineage } = RDD.of(side).pipe(RDD.join(RDD.of(side)))
  assert.ok(lineage.kind === "narrow" && lineage.op.kind === "flatMapValues")
  const values = side.map(([, value]) => value)
  const first = lineage.op.f([values, values])[Symbol.iterator]().next().value
  assert.deepEqual(first, [0, 0])
})

test("keys, values, keyBy and distinct", () => {
  const words = RDD.of([["b", 1], ["a", 2], ["b", 1]] as ReadonlyArray<[string, number]>, 2)
  assert.deepEqual(partitionsOf(RDD.keys(words)), [["b"], ["a", "b"]])
  assert.deepEqual(partitionsOf(RDD.values(words)), [[1], [2, 1]])
  assert.deepEqual(partitionsOf(words.pipe(RDD.keyBy(([, n]) => n))), [[[1, ["b", 1]]], [[2, ["a", 2]], [1, ["b", 1]]]])
  assert.deepEqual(partitionsOf(words.pipe(RDD.distinct({ numPartitions: 1 }))), [[["b", 1], ["a", 2]]])
})
