/**
 * Chains and stages against a naive walk of the lineage; copies of combined values.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { copyColumn, copyValue } from "../../core/rdd/copyValue.ts"
import type { SealedRDD } from "../../core/dstream/Derivation.ts"
import type { OperatorStep } from "../../core/rdd/NarrowOp.ts"
import * as RDD from "../../core/rdd/RDD.ts"
import { type Chain, chainOf, chainsOf, isShuffled, mapSide, type ShuffledRDD } from "../../core/rdd/Stage.ts"
import { jobGraph, type Surroundings } from "../../core/scheduling/tasks/JobGraph.ts"
import { seal } from "../executor/cluster.ts"

/** The shuffles in all of a lineage, each once, by a naive walk. */
const shufflesIn = (rdd: SealedRDD): ReadonlyArray<ShuffledRDD> => {
  const above = RDD.parentsOf(rdd).flatMap((parent) => shufflesIn(parent as SealedRDD))
  return [...new Set(isShuffled(rdd) ? [...above, rdd] : above)]
}

const show = ({ source, steps }: Chain): string => {
  const from = source.kind === "shuffle"
    ? source.shuffle.identity.id
    : source.kind === "literal"
    ? source.records.join(",")
    : source.kind === "input"
    ? source.stream
    : source.kind
  return [`${from}[${source.partition}]`, ...steps.map(({ op }: OperatorStep) => op.kind)].join(" ")
}

test("a chain goes from its source through unions to the RDD, first operation first", () => {
  const left = RDD.of([1, 2, 3], 3).pipe(RDD.map((n) => n))
  const right = RDD.of([4, 5], 2).pipe(RDD.filter((n) => n > 0), RDD.repartition(2))
  const rdd = seal(left.pipe(RDD.union(right), RDD.flatMap((n) => [n])), "s@odd:name", 7)
  const shuffle = shufflesIn(rdd)[0]!
  const { id } = shuffle.identity
  const expected = ["1[0] map flatMap", "2[1] map flatMap", "3[2] map flatMap", `${id}[0] flatMap`, `${id}[1] flatMap`]
  assert.deepEqual(expected.map((_, partition) => show(chainOf(rdd, partition))), expected)
  assert.deepEqual(chainsOf(mapSide(shuffle)).map(show), ["4[0] filter", "5[1] filter"])
  assert.throws(() => chainOf(rdd, 5), /RDD s@odd:name@7:\d has 5 partitions, and no partition 5/)
})

const lineage: fc.Arbitrary<RDD.RDD<number>> = fc.letrec<{ rdd: RDD.RDD<number> }>((tie) => ({
  rdd: fc.oneof(
    { maxDepth: 5, depthIdentifier: "lineage" },
    fc.integer({ min: 1, max: 3 }).map((n) => RDD.of([1, 2, 3], n)),
    tie("rdd").map(RDD.map((n) => n)),
    tie("rdd").map(RDD.repartition(2)),
    fc.array(tie("rdd"), { maxLength: 3 }).map(RDD.unionAll),
    tie("rdd").map((rdd) => RDD.unionAll([rdd, rdd.pipe(RDD.map((n) => n))]))
  )
})).rdd

const noState: Surroundings = {
  digest: () => "d",
  locations: () => [],
  isKnown: () => false,
  rdd: () => assert.fail("no state here"),
  snapshotDue: () => false,
  snapshotOf: () => undefined,
  reuseMillis: () => 0
}

test("all chains at once are the chains one by one, and a job's graph has each shuffle once, parents first", () => {
  fc.assert(fc.property(lineage, (unsealed) => {
    const rdd = seal(unsealed, "s", 1)
    const chains = chainsOf(rdd)
    assert.deepEqual(
      chains.map(show),
      Array.from({ length: rdd.numPartitions }, (_, partition) => show(chainOf(rdd, partition)))
    )
    const graph = jobGraph(rdd, undefined, noState)
    const ids = graph.stages.map(({ stage }) => stage)
    const shuffles = shufflesIn(rdd).filter((shuffle) => ids.includes(shuffle.identity.id))
    assert.deepEqual(shuffles.map(({ identity }) => identity.id).sort(), [...ids].sort())
    assert.equal(new Set(ids).size, ids.length)
    graph.stages.forEach(({ tasks }, at) =>
      tasks.forEach(({ reads }) => reads.forEach(({ stage }) => assert.ok(ids.indexOf(stage) < at)))
    )
    for (const { reads } of graph.result.tasks) for (const { stage } of reads) assert.ok(ids.includes(stage))
  }))
})

test("a task knows how many records it is given, unless it reads anything else, or what is kept at an executor", () => {
  const input = RDD.fromLineage<number>({
    kind: "input",
    stream: "in",
    partitions: [
      { kind: "inline", data: { kind: "value", value: [1, 2] }, records: 2 },
      { kind: "source", value: 1, records: 3 }
    ]
  }).pipe(RDD.map((n) => n + 1))
  const kept = RDD.fromLineage<number>({ kind: "persisted", parent: input, level: "MEMORY_ONLY" })
  const all = RDD.unionAll([input, RDD.of([1, 2, 3]), kept, RDD.of([1]).pipe(RDD.repartition(1))])
  const { result } = jobGraph(seal(all, "s", 1), undefined, noState)
  assert.deepEqual(result.tasks.map(({ given }) => given), [2, undefined, 3, undefined, undefined, undefined])
})

test("a copy of a value is equal and shares nothing that can be changed, but instances", () => {
  class Instance {}
  const instance = new Instance()
  fc.assert(fc.property(fc.anything({ withMap: true, withSet: true, withTypedArray: true }), (value) => {
    assert.deepEqual(copyValue(value), value)
  }))
  const value = [[1], { a: [2] }, new Map([["k", [3]]]), new Set([4]), new Uint8Array([5]), instance] as const
  const copy = copyValue(value) as typeof value
  for (let i = 0; i < 5; i++) assert.notEqual(copy[i], value[i])
  assert.equal(copy[5], instance)
  assert.notEqual(copy[2].get("k"), value[2].get("k"))
  const numbers = [1, "a", null]
  assert.equal(copyColumn(numbers), numbers)
})
