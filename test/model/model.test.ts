/**
 * The reference model against cases worked out by hand: if the model is wrong, whatever is compared with it is worth nothing.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect, Schema } from "effect"
import * as DStream from "../../core/operators/mod.ts"
import type { Partitioner } from "../../core/rdd/Partitioner.ts"
import * as RDD from "../../core/rdd/RDD.ts"
import { batchOf, recordsOf } from "./model.ts"
import { keyText, type Partitions } from "./Partitions.ts"

const source = <A>(name: string): DStream.DStream<A> =>
  DStream.named(name)(DStream.fromInput<A, never, never>("test", {
    kind: "direct",
    planner: Effect.die("the model plans nothing"),
    reader: Effect.die("the model reads nothing")
  }))

const numbers = source<number>("numbers")
const others = source<number>("others")
const pairs = source<readonly [string, number]>("pairs")
const byLength: Partitioner = { name: "length", numPartitions: 2, partition: (key) => String(key).length % 2 }
const toOneSide: Partitioner = { name: "all in 0", numPartitions: 2, partition: () => 0 }

const inputs: Record<string, Record<number, Partitions>> = {
  numbers: { 1000: [[1, 2, 3], [4]], 2000: [[], []] },
  others: { 1000: [[10]], 2000: [[20]], 3000: [[30]] },
  pairs: { 1000: [[["a", 1], ["bb", 2], ["a", 3]], [["bb", 4], ["c", 5]]] }
}

const world = {
  input: (stream: DStream.AnyDStream, time: number) => inputs[stream.name!]![time],
  sideValue: (_: unknown, key: string, time: number) => `${key} at ${time}`,
  defaultParallelism: 1
}

const cases: ReadonlyArray<readonly [name: string, stream: DStream.AnyDStream, time: number, expected: unknown]> = [
  ["map", numbers.pipe(DStream.map((n) => n * 2)), 1000, [[2, 4, 6], [8]]],
  ["map of a batch without records", numbers.pipe(DStream.map((n) => n * 2)), 2000, [[], []]],
  ["map of a time without data set", numbers.pipe(DStream.map((n) => n * 2)), 3000, undefined],
  ["mapToPair", numbers.pipe(DStream.mapToPair((n) => [n % 2, n])), 1000, [[[1, 1], [0, 2], [1, 3]], [[0, 4]]]],
  ["flatMap", numbers.pipe(DStream.flatMap((n) => n === 2 ? [] : [n, n])), 1000, [[1, 1, 3, 3], [4, 4]]],
  ["filter", numbers.pipe(DStream.filter((n) => n > 2)), 1000, [[3], [4]]],
  ["mapValues", pairs.pipe(DStream.mapValues((n) => -n)), 1000, [
    [["a", -1], ["bb", -2], ["a", -3]],
    [["bb", -4], ["c", -5]]
  ]],
  ["flatMapValues", pairs.pipe(DStream.flatMapValues((n) => n < 4 ? [] : [n, 0])), 1000, [[], [
    ["bb", 4],
    ["bb", 0],
    ["c", 5],
    ["c", 0]
  ]]],
  ["mapPartitions", numbers.pipe(DStream.mapPartitions((list) => [list.length])), 2000, [[0], [0]]],
  ["glom", DStream.glom(numbers), 1000, [[[1, 2, 3]], [[4]]]],
  ["union", numbers.pipe(DStream.union(others)), 1000, [[1, 2, 3], [4], [10]]],
  ["repartition", numbers.pipe(DStream.repartition(3)), 1000, [[1], [2, 4], [3]]],
  ["mapEffect", numbers.pipe(DStream.mapEffect((n) => Effect.as(Effect.sleep(1000), n + 1))), 1000, [[2, 3, 4], [5]]],
  ["reduceByKey", pairs.pipe(DStream.reduceByKey((a, b) => a + b)), 1000, [[["a", 4], ["bb", 6], ["c", 5]]]],
  ["reduceByKey by a partitioner", pairs.pipe(DStream.reduceByKey((a, b) => a + b, { partitioner: byLength })), 1000, [
    [["bb", 6]],
    [["a", 4], ["c", 5]]
  ]],
  ["groupByKey", pairs.pipe(DStream.groupByKey({ partitioner: toOneSide })), 1000, [
    [["a", [1, 3]], ["bb", [2, 4]], ["c", [5]]],
    []
  ]],
  ["countByValue", numbers.pipe(DStream.map((n) => n > 1), DStream.countByValue()), 1000, [[[false, 1], [true, 3]]]],
  ["count", DStream.count(numbers), 1000, [[4]]],
  ["count of a batch without records", DStream.count(numbers), 2000, [[0]]],
  ["reduce", numbers.pipe(DStream.reduce((a, b) => a + b)), 1000, [[10]]],
  ["reduce of a batch without records", numbers.pipe(DStream.reduce((a, b) => a + b)), 2000, [[]]],
  [
    "transform",
    numbers.pipe(DStream.transform((rdd, { time }) => rdd.pipe(RDD.map((n) => n + time), RDD.count))),
    1000,
    [[4]]
  ]
]

for (const [name, stream, time, expected] of cases) {
  test(`the model of ${name} is as worked out by hand`, () => assert.deepEqual(batchOf(stream, time, world), expected))
}

test("combineByKey combines in partitions first, unless told not to", () => {
  const combine = (mapSideCombine: boolean) =>
    DStream.combineByKey(
      (n: number) => `${n}`,
      (all, n) => `${all}+${n}`,
      (a, b) => `(${a})(${b})`,
      { mapSideCombine }
    )
  assert.deepEqual(recordsOf(pairs.pipe(combine(true)), 1000, world), [["a", "1+3"], ["bb", "(2)(4)"], ["c", "5"]])
  assert.deepEqual(recordsOf(pairs.pipe(combine(false)), 1000, world), [["a", "1+3"], ["bb", "2+4"], ["c", "5"]])
})

test("a transformed batch sees its side values and any lineage the function makes", () => {
  const mood = DStream.sideValue(Effect.succeed("unused"), Schema.String)
  const stream = numbers.pipe(DStream.transform((rdd, { sideValues }) =>
    rdd.pipe(
      RDD.filter((n) => n > 1),
      RDD.union(RDD.of([9, 9], 2)),
      RDD.mapToPair((n): [string, number] => [sideValues.mood, n]),
      RDD.flatMapValues((n) => [n, n]),
      RDD.mapValues((n) => n + 1),
      RDD.reduceByKey((a, b) => a + b, { numPartitions: 1 })
    ), { sideValues: { mood } }))
  assert.deepEqual(batchOf(stream, 1000, world), [[["mood at 1000", 2 * (3 + 4 + 5 + 10 + 10)]]])
})

test("union and transform of a stream without data set are refused, as the engine does", () => {
  assert.throws(() => batchOf(numbers.pipe(DStream.union(others)), 3000, world), /union needs a data set/)
  assert.throws(() => batchOf(numbers.pipe(DStream.transform((rdd) => rdd)), 3000, world), /transform needs a data set/)
})

test("keys are the same by structure and type", () => {
  const texts = [1, "1", 1n, true, "true", null, "null", [1], ["1"], [[1], 2], [1, [2]], { a: 1 }, { b: 1 }, NaN].map(
    keyText
  )
  assert.equal(new Set(texts).size, texts.length)
  assert.equal(keyText({ a: 1, b: -0 }), keyText({ b: 0, a: 1 }))
})
