/**
 * Joins, transforms of several streams and sorting against the recorded behaviour of Spark's suites (the names of the vectors are in
 * those of the tests), and against the reference model on random streams.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import * as fc from "fast-check"
import { DStream, HashPartitioner, type Partitioner, RangePartitioner, RDD, StreamingApp } from "../../core/mod.ts"
import { it } from "../kit.ts"
import { keyText } from "../model/Partitions.ts"
import { keys } from "../rdd/keys.ts"
import { lists, modelOfBatches, partitionsOfBatches, recordsOfBatches } from "./lists.ts"

const one = <A>(record: A): [A, number] => [record, 1]
const x = <A>(record: A): [A, string] => [record, "x"]
const add = (n: number) => (record: number) => record + n

/** A batch that failed is a text: compared by the pattern that it has to have. */
const expectBatches = (
  stream: DStream.AnyDStream,
  expected: ReadonlyArray<ReadonlyArray<unknown> | RegExp>,
  ordered = false
) => {
  const actual = recordsOfBatches(stream, expected.length)
  assert.equal(actual.length, expected.length)
  const form = (records: unknown) => ordered ? records : (records as Array<unknown>).toSorted(byText)
  expected.forEach((batch, i) => {
    if (batch instanceof RegExp) assert.match(String(actual[i]), batch)
    else assert.deepEqual(form(actual[i]), form(batch))
  })
}

const byText = (a: unknown, b: unknown) => keyText(a) < keyText(b) ? -1 : 1

const left = lists([["a", "b"], ["a", ""], [""], []]).pipe(DStream.map(one))
const right = lists([["a", "b"], ["b", ""], [], [""]]).pipe(DStream.map(x))

type Team = [state: string, team: string]
const teams = (...batches: ReadonlyArray<ReadonlyArray<Team>>) => lists(batches, 1)
const thousands = lists([[1, 2, 3, 4], [101, 102, 103, 104], [201, 202, 203, 204], null])

test("operations/cogroup-words: keys of either side appear once, with the values of each, possibly none", () => {
  const here = lists([["a", "a", "b"], ["a", ""], [""], []]).pipe(DStream.map(one))
  const there = lists([["a", "a", "b"], ["b", ""], [], []]).pipe(DStream.map(x))
  expectBatches(here.pipe(DStream.cogroup(there)), [
    [["a", [[1, 1], ["x", "x"]]], ["b", [[1], ["x"]]]],
    [["a", [[1], []]], ["b", [[], ["x"]]], ["", [[1], ["x"]]]],
    [["", [[1], []]]],
    []
  ])
})

test("operations/join-words: an inner join keeps the keys of both sides", () =>
  expectBatches(left.pipe(DStream.join(right)), [[["a", [1, "x"]], ["b", [1, "x"]]], [["", [1, "x"]]], [], []]))

test("operations/leftouterjoin-words: the left side stays, a missing right value is null", () =>
  expectBatches(left.pipe(DStream.leftOuterJoin(right)), [
    [["a", [1, "x"]], ["b", [1, "x"]]],
    [["", [1, "x"]], ["a", [1, null]]],
    [["", [1, null]]],
    []
  ]))

test("a right outer join: the right side stays, a missing left value is null", () =>
  expectBatches(left.pipe(DStream.rightOuterJoin(right)), [
    [["a", [1, "x"]], ["b", [1, "x"]]],
    [["", [1, "x"]], ["b", [null, "x"]]],
    [],
    [["", [null, "x"]]]
  ]))

test("a full outer join keeps both sides", () =>
  expectBatches(left.pipe(DStream.fullOuterJoin(right)), [
    [["a", [1, "x"]], ["b", [1, "x"]]],
    [["", [1, "x"]], ["a", [1, null]], ["b", [null, "x"]]],
    [["", [1, null]]],
    [["", [null, "x"]]]
  ]))

test("operations/leftouterjoin-count: as many rows as on the left where right keys are unique", () => {
  const here = teams([["california", "dodgers"], ["new york", "yankees"]], [["california", "sharks"]])
  const there = teams([["california", "giants"]], [["new york", "islanders"]])
  expectBatches(here.pipe(DStream.leftOuterJoin(there), DStream.count), [[2], [1]])
})

test("operations/cogroup-teams: two streams of pairs are grouped together", () => {
  const here = teams([["california", "dodgers"], ["new york", "yankees"]], [["california", "sharks"], [
    "new york",
    "rangers"
  ]])
  const there = teams([["california", "giants"], ["new york", "mets"]], [["california", "ducks"], [
    "new york",
    "islanders"
  ]])
  expectBatches(here.pipe(DStream.cogroup(there)), [
    [["california", [["dodgers"], ["giants"]]], ["new york", [["yankees"], ["mets"]]]],
    [["california", [["sharks"], ["ducks"]]], ["new york", [["rangers"], ["islanders"]]]]
  ])
})

test("operations/transformwith-join: two streams are combined by a function of their RDDs", () =>
  expectBatches(left.pipe(DStream.transformWith(right, (rdd, that) => rdd.pipe(RDD.join(that)))), [
    [["a", [1, "x"]], ["b", [1, "x"]]],
    [["", [1, "x"]]],
    [],
    []
  ]))

test("operations/transformwith-parent-without-dataset: the batch fails, those before are delivered", () => {
  const words = lists([["a", "b"], ["a", ""], [""], null])
  const more = lists([["a", "b"], ["b", ""], [], null])
  expectBatches(words.pipe(DStream.transformWith(more, (rdd, that) => rdd.pipe(RDD.union(that)))), [
    ["a", "b", "a", "b"],
    ["a", "b", "", ""],
    [""],
    /transformWith needs a data set from each of its parents/
  ])
})

test("operations/context-transform-parent-without-dataset: the batch fails, those before are delivered", () => {
  const streams = [thousands, thousands.pipe(DStream.map(add(4))), thousands.pipe(DStream.map(add(8)))] as const
  const twelve = (first: number) => Array.from({ length: 12 }, (_, i) => first + i)
  expectBatches(
    DStream.transformAll(streams, (rdds) => RDD.unionAll(rdds)),
    [twelve(1), twelve(101), twelve(201), /transformAll needs a data set from each of its parents/],
    true
  )
})

test("operations/context-transform-join-third: three streams, the first two united and joined with the third", () => {
  const third = lists<[number, string]>([[[1, "x"]], [[2, "y"]]], 1)
  const joined = DStream.transformAll(
    [lists([[1], [2]], 1), lists([[3], [4]], 1), third],
    ([a, b, c]) => a.pipe(RDD.union(b), RDD.mapToPair((n) => [n, n]), RDD.join(c))
  )
  expectBatches(joined, [[[1, [1, "x"]]], [[2, [2, "y"]]]])
})

test("operations/union-with-shifted-self, operations/union-two-inputs, and of a stream without data set", () => {
  expectBatches(
    thousands.pipe(DStream.union(thousands.pipe(DStream.map(add(4))))),
    [
      [1, 2, 3, 4, 5, 6, 7, 8],
      [101, 102, 103, 104, 105, 106, 107, 108],
      [201, 202, 203, 204, 205, 206, 207, 208],
      /union/
    ],
    true
  )
  const two = lists([[1, 1], [2, 2]]).pipe(DStream.union(lists([[4, 4], [5, 5]])))
  expectBatches(two, [[1, 1, 4, 4], [2, 2, 5, 5]], true)
})

test("operations/transform-sort-by-key: sorting inside a transform fixes the order of the batch", () => {
  const pairs = lists<[number, number]>([[[3, 5], [1, 5], [4, 5], [2, 5]], [[2, 5], [3, 5], [4, 5], [1, 5]]], 1)
  const sorted = [[1, 5], [2, 5], [3, 5], [4, 5]]
  expectBatches(pairs.pipe(DStream.transform((rdd) => rdd.pipe(RDD.sortByKey()))), [sorted, sorted], true)
})

test("operations/transform-returning-nothing: a function that returns no RDD fails the batch, and the message says what to do", () => {
  const nothing = () => null as any
  expectBatches(thousands.pipe(DStream.transform(nothing)), [/transform returned no RDD; .* return RDD\.of\(\[\]\)/])
  expectBatches(thousands.pipe(DStream.transformWith(left, nothing)), [/transformWith returned no RDD/])
  expectBatches(DStream.transformAll([left], (() => [1]) as any), [/transformAll returned an array, not an RDD/])
})

test("a data set of the program is joined inside transform", () => {
  const names = RDD.of<[string, number]>([["a", 10], ["c", 30]])
  const joined = left.pipe(DStream.transform((rdd) => rdd.pipe(RDD.leftOuterJoin(names))))
  expectBatches(joined, [[["a", [1, 10]], ["b", [1, null]]], [["a", [1, 10]], ["", [1, null]]], [["", [1, null]]]])
})

const byLength: Partitioner = { name: "length", numPartitions: 3, partition: (key) => keyText(key).length % 3 }

const pairs = fc.array(fc.tuple(keys, fc.nat(9)), { maxLength: 12 })
const batches = fc.array(fc.option(pairs, { freq: 9 }), { minLength: 1, maxLength: 4 })
const options = fc.constantFrom(undefined, { numPartitions: 1 }, { numPartitions: 3 }, { partitioner: byLength })
const operators = [DStream.cogroup, DStream.join, DStream.leftOuterJoin, DStream.rightOuterJoin, DStream.fullOuterJoin]

test("cogroup and the joins give what the model gives, partition by partition and in the same order, whatever spread the parents", () => {
  fc.assert(fc.property(
    batches,
    batches,
    fc.constantFrom(...operators),
    options,
    fc.constantFrom<(self: DStream.DStream<[unknown, number]>) => DStream.DStream<[unknown, number]>>(
      (self) => self,
      DStream.partitionBy(byLength),
      DStream.partitionBy(HashPartitioner(2)),
      DStream.reduceByKey((a: number, b: number) => a + b, { numPartitions: 3 }),
      DStream.cache
    ),
    (here, there, operator, options, before) => {
      const stream = lists(here, 3).pipe(before, (operator as typeof DStream.cogroup)(lists(there, 2), options))
      const form = (batch: unknown) => typeof batch === "string" ? "failed" : batch
      assert.deepEqual(
        partitionsOfBatches(stream, here.length).map(form),
        modelOfBatches(stream, here.length).map(form)
      )
    }
  ))
})

test("transforms of one, two and many streams give what the model gives", () => {
  fc.assert(fc.property(batches, batches, (here, there) => {
    const [a, b] = [lists(here, 3), lists(there, 2)]
    for (
      const stream of [
        a.pipe(DStream.transform((rdd, { time }) => rdd.pipe(RDD.keys, RDD.distinct(), RDD.keyBy(() => time)))),
        a.pipe(DStream.transformWith(b, (rdd, that, { time }) => time > 1000 ? RDD.values(rdd) : RDD.values(that))),
        DStream.transformAll([a, b, a], ([rdd, that]) => RDD.fullOuterJoin(that, { numPartitions: 4 })(rdd))
      ]
    ) {
      const form = (batch: unknown) => typeof batch === "string" ? "failed" : batch
      assert.deepEqual(
        partitionsOfBatches(stream, here.length).map(form),
        modelOfBatches(stream, here.length).map(form)
      )
    }
  }))
})

it("streams that cannot be brought together, and partitioners that are none, are told with a remedy", () =>
  Effect.gen(function* () {
    const slow = DStream.make<[string, number], never, never>({
      kind: "slow",
      parents: [left],
      slide: (batch) => 2 * batch,
      compute: (context) => context.parent(0)
    })
    const app = StreamingApp.make({
      name: "mistakes",
      batchDuration: 1000,
      outputs: [
        left.pipe(DStream.join(slow), DStream.named("slides"), DStream.print()),
        left.pipe(DStream.join(right, { numPartitions: 0 }), DStream.named("none"), DStream.print()),
        left.pipe(DStream.cogroup(right, { partitioner: 3 as any }), DStream.named("three"), DStream.print()),
        left.pipe(DStream.partitionBy(undefined as any), DStream.named("by nothing"), DStream.print()),
        left.pipe(DStream.transformWith(right, 3 as any), DStream.named("no function"), DStream.print()),
        left.pipe(DStream.join(undefined as any), DStream.named("with nothing"), DStream.print()),
        DStream.transformAll([], () => RDD.of([])).pipe(DStream.named("of nothing"), DStream.print()),
        left.pipe(DStream.persist("DISK" as any), DStream.named("level"), DStream.print())
      ]
    })
    const { mistakes } = yield* Effect.flip(StreamingApp.validate(app))
    assert.deepEqual(Object.fromEntries(mistakes.map(({ where, message }) => [where, message])), {
      "slides": "its parents have different slide durations (1000, 2000 ms)",
      "none": "0 partitions are not possible",
      "three": "its partitioner is 3, which cannot spread keys",
      "by nothing": "its partitioner is undefined, which cannot spread keys",
      "no function": "what transformWith was given as f is 3, not a function",
      "with nothing": "its stream 1 is undefined, not a DStream",
      "of nothing": "transformAll was given no streams",
      "level": `"DISK" is no storage level`
    })
    const good = left.pipe(DStream.join(right, { partitioner: RangePartitioner(["m"]) }), DStream.print())
    yield* StreamingApp.validate(StreamingApp.make({ name: "good", batchDuration: 1000, outputs: [good] }))
  }))
