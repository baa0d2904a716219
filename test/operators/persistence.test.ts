import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import { DStream, HashPartitioner, RDD, StreamingApp } from "../../core/mod.ts"
import type { Millis } from "../../core/time/Time.ts"
import { batchMillis, graphOf, lists, modelOfBatches, partitionsOfBatches } from "./lists.ts"

const numbers = lists([[1, 2, 3], null, [4]])

const rddAt = (stream: DStream.AnyDStream, time: number) => {
  const graph = graphOf(stream)
  const memo = GeneratedRDDs.make(graph, { defaultParallelism: 2 })
  memo.addPlan({ time, zeroTime: 0, inputs: [], sideValues: [] })
  return memo.getOrCompute(graph.outputs[0]!.stream, time)
}

/** The levels that an RDD is wrapped in, outermost first. */
const levelsOf = (rdd: RDD.AnyRDD | undefined): ReadonlyArray<string> =>
  rdd?.lineage.kind === "persisted" ? [rdd.lineage.level, ...levelsOf(rdd.lineage.parent)] : []

test("a persisted stream has the records of the stream, and no data set where that has none", () => {
  const kept = numbers.pipe(DStream.map((n) => n + 1), DStream.persist("MEMORY_AND_DISK_2"))
  assert.deepEqual(partitionsOfBatches(kept, 4), [[[2], [3, 4]], undefined, [[], [5]], [[], []]])
  assert.deepEqual(partitionsOfBatches(kept, 4), modelOfBatches(kept, 4))
  assert.deepEqual(levelsOf(rddAt(kept, 1000)), ["MEMORY_AND_DISK_2"])
})

test("persist and cache keep in memory unless told otherwise", () => {
  assert.deepEqual(levelsOf(rddAt(numbers.pipe(DStream.persist()), 1000)), ["MEMORY_ONLY"])
  assert.deepEqual(levelsOf(rddAt(DStream.cache(numbers), 1000)), ["MEMORY_ONLY"])
})

test("how records are spread is known through a persisted stream", () => {
  const spread = numbers.pipe(DStream.mapToPair((n) => [n, n]), DStream.partitionBy(HashPartitioner(3)), DStream.cache)
  assert.equal(rddAt(spread, 1000)!.partitioner?.numPartitions, 3)
  const grouped = rddAt(spread.pipe(DStream.cogroup(spread, { numPartitions: 3 })), 1000)!
  assert.deepEqual(RDD.parentsOf(grouped).map((parent) => parent.lineage.kind), ["persisted", "persisted"])
})

test("persisting again with the same level is the same stream; with another the level is replaced, as in Spark", () => {
  const kept = numbers.pipe(DStream.persist("DISK_ONLY"), DStream.named("kept"))
  assert.equal(kept.pipe(DStream.persist("DISK_ONLY")), kept)
  const other = kept.pipe(DStream.cache)
  assert.equal(other.name, "kept")
  assert.deepEqual(levelsOf(rddAt(other, 1000)), ["MEMORY_ONLY"])
  assert.deepEqual(levelsOf(rddAt(kept, 1000)), ["DISK_ONLY"])
})

test("unpersist gives back the stream underneath, and a stream that was not persisted as it is", () => {
  assert.equal(numbers.pipe(DStream.cache, DStream.persist("DISK_ONLY"), DStream.unpersist), numbers)
  assert.equal(DStream.unpersist(numbers), numbers)
})

/** As long as a window needs of its parent. */
const windowed = (parent: DStream.AnyDStream, windowMillis: Millis, slideMillis: Millis) =>
  DStream.make<number, never, never>({
    kind: "window",
    parents: [parent],
    slide: () => slideMillis,
    parentRemember: () => windowMillis,
    compute: ({ parent, parentSlide, time }) => {
      const times = Array.from({ length: windowMillis / parentSlide(0) }, (_, i) => time - i * parentSlide(0)).reverse()
      return RDD.unionAll(times.flatMap((at) => parent(0, at) ?? []))
    }
  })

test("windows/window-persistence-level: a window is never persisted itself, its parent is, and a level given later replaces", () => {
  const window = windowed(numbers.pipe(DStream.cache), 2000, 1000).pipe(DStream.persist("DISK_ONLY"))
  assert.equal(window.kind, "window")
  assert.deepEqual(window.parents.map((parent) => [parent.kind, parent.params["level"]]), [["persist", "DISK_ONLY"]])
  assert.deepEqual(window.parents[0]!.parents, [numbers])
  assert.deepEqual(levelsOf(rddAt(window, 1000)), [])
  assert.deepEqual(DStream.unpersist(window).parents, [numbers])
  assert.equal(window.parentRemember(1000), 2000)
  const wider = windowed(window, 4000, 2000).pipe(DStream.cache)
  assert.deepEqual([wider, wider.parents[0]!, wider.parents[0]!.parents[0]!].map(({ kind }) => kind), [
    "window",
    "window",
    "persist"
  ])
})

test("operations/cleanup-map-and-two-windows: how long streams remember grows towards the source, and so do the times they hold", () => {
  const mapped = lists(Array.from({ length: 10 }, (_, i) => [i, i + 1])).pipe(
    DStream.map((n) => n),
    DStream.named("mapped")
  )
  const inner = windowed(mapped, 2000, 1000).pipe(DStream.named("inner"))
  const outer = windowed(inner, 4000, 2000).pipe(DStream.named("outer"))
  const graph = DStreamGraph.make(StreamingApp.make({
    name: "remember",
    batchDuration: batchMillis,
    outputs: [outer.pipe(DStream.print())],
    settings: { remember: 3000 }
  }))
  const remembered = (id: string) => graph.node(id)!.rememberMillis
  assert.deepEqual(["outer", "inner", "mapped"].map(remembered), [3000, 7000, 9000])
  const memo = GeneratedRDDs.make(graph, { defaultParallelism: 2 })
  let outputBatches = 0
  for (let time = 1000; time <= 10_000; time += 1000) {
    memo.addPlan({ time, zeroTime: 0, inputs: [], sideValues: [] })
    if (memo.getOrCompute("outer", time) !== undefined) outputBatches++
    memo.clearMetadata(time)
  }
  assert.equal(outputBatches, 5)
  assert.deepEqual(memo.heldTimes("outer"), [10_000, 8000])
  assert.deepEqual(memo.heldTimes("inner"), [10_000, 9000, 8000, 7000, 6000, 5000, 4000])
  assert.deepEqual(memo.heldTimes("mapped"), [10_000, 9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000])
})
