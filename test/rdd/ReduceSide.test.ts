import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { HashPartitioner } from "../../core/rdd/Partitioner.ts"
import { blockLength, ReduceSide } from "../../core/rdd/ReduceSide.ts"
import type { Combiner, ShuffleBlock, ShuffleDependency } from "../../core/rdd/ShuffleDependency.ts"
import { UserFunctionError } from "../../core/rdd/UserFunctionError.ts"
import { keys, sameKey } from "./keys.ts"

const dependency = (combiner: Combiner | undefined): ShuffleDependency => ({
  kind: "byKey",
  partitioner: HashPartitioner(1),
  combiner
})

const lists = (mapSide: boolean): Combiner => ({
  create: (value) => ["created", value],
  mergeValue: (combined, value) => [...combined, value],
  mergeCombiners: (a, b) => [...a, "merged", ...b],
  mapSide
})

/** Groups all values by key, in the order in which keys first come, then folds each group. */
const naive = (combiner: Combiner, pairs: ReadonlyArray<readonly [unknown, unknown]>) => {
  const groups: Array<[key: unknown, values: Array<unknown>]> = []
  for (const [key, value] of pairs) {
    const group = groups.find(([other]) => sameKey(other, key))
    if (group === undefined) groups.push([key, [value]])
    else group[1].push(value)
  }
  return groups.map(([key, [first, ...rest]]) => [
    key,
    combiner.mapSide
      ? rest.reduce(combiner.mergeCombiners, first)
      : rest.reduce(combiner.mergeValue, combiner.create(first))
  ])
}

const blocks = (value: fc.Arbitrary<unknown>) =>
  fc.array(fc.array(fc.tuple(keys, value), { maxLength: 12 }), { maxLength: 5 })

const pairsBlock = (pairs: ReadonlyArray<readonly [unknown, unknown]>): ShuffleBlock => ({
  kind: "pairs",
  keys: pairs.map(([key]) => key),
  values: pairs.map(([, value]) => value)
})

const pushInSlices = (side: ReduceSide, block: ShuffleBlock, slice: number) => {
  for (let from = 0; from < blockLength(block); from += slice) {
    side.push(block, from, Math.min(blockLength(block), from + slice))
  }
}

test("the reduce side merges, combines or hands on, in the order in which keys first come, however it is fed and read", () => {
  const slices = fc.integer({ min: 1, max: 5 })
  fc.assert(fc.property(blocks(fc.integer()), slices, slices, (parts, slice, read) => {
    for (const combiner of [lists(true), lists(false), undefined]) {
      const values = combiner?.mapSide === true ? parts.map((part) => part.map(([k, v]) => [k, [v]] as const)) : parts
      const expected = combiner === undefined ? values.flat() : naive(combiner, values.flat())
      const [whole, sliced] = [new ReduceSide(dependency(combiner), "o"), new ReduceSide(dependency(combiner), "o")]
      for (const part of values) {
        whole.push(pairsBlock(part))
        pushInSlices(sliced, pairsBlock(part), slice)
      }
      assert.deepEqual(whole.records(), expected)
      assert.equal(sliced.size, expected.length)
      const pieces: Array<unknown> = []
      for (let from = 0; from < sliced.size; from += read) {
        pieces.push(...sliced.records(from, Math.min(sliced.size, from + read)))
      }
      assert.deepEqual(pieces, expected)
    }
  }))
})

test("records that were spread come as the map partitions had them", () => {
  const side = new ReduceSide({ kind: "spread", numPartitions: 2 }, "o")
  for (const records of [[1, 2], [], [3]]) side.push({ kind: "records", records })
  assert.deepEqual([side.size, side.records(), side.records(1, 2)], [3, [1, 2, 3], [2]])
})

test("a combiner that throws fails with its operator and the place of the record in the reduce partition's input", () => {
  const refuse = (_: unknown, value: unknown) => {
    if (value === 13) throw new RangeError("thirteen")
    return value
  }
  const combiners = [true, false].map((mapSide) => ({
    create: (v: unknown) => v,
    mergeValue: refuse,
    mergeCombiners: refuse,
    mapSide
  }))
  for (const combiner of combiners) {
    const side = new ReduceSide(dependency(combiner), "counts")
    side.push(pairsBlock([["a", 1], ["b", 2]]))
    assert.throws(
      () => side.push(pairsBlock([["a", 3], ["b", 13]])),
      (error) =>
        error instanceof UserFunctionError && error.operator === "counts" && error.index === 3 &&
        error.cause instanceof RangeError
    )
  }
})
