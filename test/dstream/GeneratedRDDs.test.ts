import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import * as Memory from "../../adapters/memory/mod.ts"
import type { BatchPlan } from "../../core/dstream/BatchPlan.ts"
import type { SealedRDD } from "../../core/dstream/Derivation.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import { DStream, HashPartitioner, LineageError, RDD, StreamingApp } from "../../core/mod.ts"
import * as RddId from "../../core/rdd/RddId.ts"
import { it } from "../kit.ts"

const graphOf = (...streams: ReadonlyArray<DStream.AnyDStream>) =>
  DStreamGraph.make(StreamingApp.make({
    name: "lineage",
    batchDuration: 1000,
    outputs: streams.map((stream, i) => stream.pipe(DStream.print(10, { name: `out${i}` })))
  }))

const settings = { defaultParallelism: 2 }

/** A plan that gives input `in` of the graph this many partitions. */
const planOf = (time: number, partitions: number, sideValues: BatchPlan["sideValues"] = []): BatchPlan => ({
  time,
  zeroTime: 0,
  inputs: [{
    stream: "in",
    records: 0,
    partitions: Array.from({ length: partitions }, (_, i) => ({ kind: "source", value: i, records: 0 }))
  }],
  sideValues
})

const input = Memory.batches<string>([]).pipe(DStream.named("in"))

/** Steps that a random program is made of. */
const steps: ReadonlyArray<(self: DStream.DStream<any>) => DStream.DStream<any>> = [
  DStream.map((x) => x),
  DStream.filter(() => true),
  DStream.flatMap((x) => [x]),
  DStream.glom,
  DStream.repartition(3),
  DStream.reduce((a) => a),
  DStream.count,
  DStream.countByValue(),
  (self) => self.pipe(DStream.union(self)),
  (self) => self.pipe(DStream.mapToPair((x) => [x, 1]), DStream.groupByKey({ numPartitions: 4 })),
  (self) => self.pipe(DStream.mapToPair((x) => [x, 1]), DStream.partitionBy(HashPartitioner(3))),
  (self) => {
    const pairs = self.pipe(DStream.mapToPair((x) => [x, 1]))
    return pairs.pipe(DStream.reduceByKey((a) => a), DStream.cogroup(pairs))
  },
  (self) => {
    const pairs = self.pipe(DStream.mapToPair((x) => [x, 1]))
    return pairs.pipe(DStream.fullOuterJoin(pairs, { numPartitions: 3 }))
  },
  DStream.cache,
  (self) => self.pipe(DStream.persist("DISK_ONLY")),
  (self) => self.pipe(DStream.transformWith(input, (rdd, that) => rdd.pipe(RDD.union(that), RDD.distinct()))),
  (self) =>
    DStream.transformAll(
      [input, self],
      ([rdd, that]) =>
        rdd.pipe(RDD.keyBy(String), RDD.join(that.pipe(RDD.keyBy(String))), RDD.sortByKey({ bounds: ["1", "2"] }))
    ),
  DStream.transform((rdd, { time }) =>
    time % 2000 === 0 ? rdd : rdd.pipe(RDD.map((x) => x), RDD.union(RDD.of([1, 2], 2)))
  )
]

test("a process that starts from graph and plans alone derives the ids and digests of one that has run all along", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(steps.length - 1), { maxLength: 8 }),
    fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }),
    fc.infiniteStream(fc.nat(100)),
    (chosen, partitions, picks) => {
      const stream = chosen.reduce<DStream.DStream<any>>((self, step) => steps[step]!(self), input)
      const graph = graphOf(stream, input)
      const plans = partitions.map((count, i) => planOf((i + 1) * 1000, count))
      const driver = GeneratedRDDs.make(graph, settings)
      const derived = plans.map((plan) => {
        driver.addPlan(plan)
        return driver.getOrCompute(graph.outputs[0]!.stream, plan.time)!
      })
      // Another process: the plans in another order, and asked by id.
      const fresh = GeneratedRDDs.make(graphOf(stream, input), settings)
      for (const plan of plans.toSorted(() => picks.next().value! - 50)) fresh.addPlan(plan)
      for (const rdd of derived.toReversed()) {
        const again = fresh.rdd(rdd.identity.id)
        assert.equal(again.identity.id, rdd.identity.id)
        assert.equal(again.numPartitions, rdd.numPartitions)
        assert.equal(fresh.digest(again), driver.digest(rdd))
      }
    }
  ))
})

test("a stream that two outputs share is computed once per batch, and again after it was forgotten gives the same", () => {
  let calls = 0
  const shared = input.pipe(DStream.transform((rdd) => {
    calls++
    return rdd.pipe(RDD.map((x) => x))
  }))
  const graph = graphOf(shared.pipe(DStream.count), shared)
  const memo = GeneratedRDDs.make(graph, settings)
  memo.addPlan(planOf(1000, 2))
  const first = graph.outputs.map((output) => memo.getOrCompute(output.stream, 1000)!.identity.id)
  assert.equal(calls, 1)
  memo.forgetBefore(2000)
  memo.addPlan(planOf(1000, 2))
  assert.deepEqual(graph.outputs.map((output) => memo.getOrCompute(output.stream, 1000)!.identity.id), first)
  assert.equal(calls, 2)
})

test("that there is no data set at a time is remembered too", () => {
  let calls = 0
  const graph = graphOf(DStream.make<string, never, never>({
    kind: "none",
    parents: [input],
    compute: (context) => {
      calls++
      return context.parent(0)
    }
  }))
  const memo = GeneratedRDDs.make(graph, settings)
  memo.addPlan({ time: 1000, zeroTime: 0, inputs: [], sideValues: [] })
  assert.equal(memo.getOrCompute(graph.outputs[0]!.stream, 1000), undefined)
  assert.equal(memo.getOrCompute(graph.outputs[0]!.stream, 1000), undefined)
  assert.equal(calls, 1)
})

test("a time that is no batch time has no data set: at or before zero time, or between batches", () => {
  const graph = graphOf(input)
  const memo = GeneratedRDDs.make(graph, settings)
  memo.addPlan({ ...planOf(3000, 1), zeroTime: 2000 })
  for (const time of [0, 2000, 2500]) assert.equal(memo.getOrCompute("in", time), undefined)
  assert.equal(memo.getOrCompute("in", 3000)?.numPartitions, 1)
})

test("metadata is cleared behind the batches that are done, by each stream's remember duration", () => {
  const graph = graphOf(input)
  const memo = GeneratedRDDs.make(graph, settings)
  for (let time = 1000; time <= 5000; time += 1000) {
    memo.addPlan(planOf(time, 1))
    memo.getOrCompute("in", time)
  }
  memo.clearMetadata(4000)
  assert.deepEqual(memo.heldTimes("in"), [5000, 4000])
  assert.deepEqual(memo.plans().map((plan) => plan.time), [4000, 5000])
})

test("a forgotten batch is gone: neither its data sets nor those they were made of can be had by id", () => {
  const graph = graphOf(input.pipe(DStream.map((x) => x), DStream.repartition(2), DStream.named("out")))
  const memo = GeneratedRDDs.make(graph, settings)
  const idsOf = (time: number) => {
    memo.addPlan(planOf(time, 1))
    const walk = (rdd: SealedRDD): ReadonlyArray<string> => [
      rdd.identity.id,
      ...RDD.parentsOf(rdd).flatMap((parent) => walk(parent as SealedRDD))
    ]
    return walk(memo.getOrCompute("out", time)!)
  }
  const [first, second, third] = [idsOf(1000), idsOf(2000), idsOf(3000)]
  assert.ok(first!.length >= 3)
  const held = (ids: ReadonlyArray<string>) => ids.forEach((id) => assert.equal(memo.rdd(id).identity.id, id))
  const gone = (ids: ReadonlyArray<string>) => {
    for (const id of ids) {
      assert.throws(
        () => memo.rdd(id),
        (error) => error instanceof LineageError && /the plan of the batch \d+ ms is not known/.test(error.message),
        id
      )
    }
  }
  for (const ids of [first, second, third]) held(ids!)
  memo.clearMetadata(2000)
  gone(first!)
  held(second!)
  held(third!)
  memo.forgetBefore(3000)
  gone(second!)
  held(third!)
})

test("lineages that differ in one thing alone have different digests, and those that differ in none have the same", () => {
  const blocks = (...names: ReadonlyArray<string>): BatchPlan => ({
    ...planOf(1000, 0),
    inputs: [{
      stream: "in",
      records: 0,
      partitions: names.map((block) => ({ kind: "block" as const, block, records: 1 }))
    }]
  })
  const digestOf = (change: (self: DStream.DStream<any>) => DStream.DStream<any>, plan: BatchPlan) => {
    const memo = GeneratedRDDs.make(graphOf(change(input).pipe(DStream.named("out"))), settings)
    memo.addPlan(plan)
    return memo.digest(memo.getOrCompute("out", 1000)!)
  }
  const by = (name: string, numPartitions: number) => (self: DStream.DStream<any>) =>
    self.pipe(
      DStream.mapToPair((x) => [x, 1]),
      DStream.groupByKey({ partitioner: { name, numPartitions, partition: () => 0 } })
    )
  const same: DStream.DStream<any> = input
  const one = blocks("in/1/1/0")
  const digests: Record<string, string> = {
    map: digestOf(DStream.map((x) => x), one),
    filter: digestOf(DStream.filter(() => true), one),
    "another block": digestOf(DStream.map((x) => x), blocks("in/1/1/1")),
    "one block more": digestOf(DStream.map((x) => x), blocks("in/1/1/0", "in/1/1/1")),
    "the blocks in another order": digestOf(DStream.map((x) => x), blocks("in/1/1/1", "in/1/1/0")),
    "no block, but a part of a source": digestOf(DStream.map((x) => x), planOf(1000, 1)),
    "a map more": digestOf((self) => self.pipe(DStream.map((x) => x), DStream.map((x) => x)), one),
    "a parent more": digestOf((self) => self.pipe(DStream.map((x) => x), DStream.union(same)), one),
    "by hash into 2": digestOf(by("hash", 2), one),
    "by range into 2": digestOf(by("range", 2), one),
    "by hash into 3": digestOf(by("hash", 3), one),
    "spread over 2": digestOf(DStream.repartition(2), one),
    "spread over 3": digestOf(DStream.repartition(3), one)
  }
  assert.equal(new Set(Object.values(digests)).size, Object.keys(digests).length, JSON.stringify(digests, undefined, 1))
  // What a function does no digest can tell.
  assert.equal(digestOf(DStream.map((x) => [x]), one), digests["map"])
  assert.equal(digestOf(by("hash", 2), blocks("in/1/1/0")), digests["by hash into 2"])
})

test("a plan that is not there, and a user function that throws, name the operator", () => {
  const graph = graphOf(input.pipe(
    DStream.transform((): RDD.RDD<string> => {
      throw new Error("no luck")
    }),
    DStream.named("mine")
  ))
  const memo = GeneratedRDDs.make(graph, settings)
  memo.addPlan(planOf(1000, 1))
  assert.throws(
    () => memo.getOrCompute("mine", 1000),
    (error) => error instanceof LineageError && error.operator === "mine" && /no luck/.test(error.message)
  )
  assert.throws(
    () => memo.rdd("in@2000:0"),
    (error) =>
      error instanceof LineageError && error.operator === "in" && /plan of the batch 2000 ms/.test(error.message)
  )
})

test("a side value is what the plan recorded", () => {
  const seen: Array<unknown> = []
  const at = DStream.sideValue(Effect.succeed(new Date(0)), Schema.DateFromString)
  const graph = graphOf(input.pipe(
    DStream.transform((rdd, batch) => {
      seen.push(batch.sideValues.at)
      return rdd
    }, { sideValues: { at } }),
    DStream.named("side")
  ))
  const memo = GeneratedRDDs.make(graph, settings)
  memo.addPlan(planOf(1000, 1, [["side#at", "1970-01-01T00:00:05.000Z"]]))
  memo.getOrCompute("side", 1000)
  assert.deepEqual(seen, [new Date(5000)])
})

it("getOrCompute is an Effect over the memo of the process", () =>
  Effect.gen(function* () {
    const graph = graphOf(input)
    const memo = GeneratedRDDs.make(graph, settings)
    memo.addPlan(planOf(1000, 2))
    const rdd = yield* GeneratedRDDs.getOrCompute("in", 1000).pipe(Effect.provideService(GeneratedRDDs.Memo, memo))
    assert.deepEqual(RddId.parse((rdd as SealedRDD).identity.id), { stream: "in", time: 1000, position: 0 })
  }))

test("a stretch without batches is known for as long as a batch behind it is, also when its beginning is forgotten", () => {
  const graph = graphOf(input)
  const memo = GeneratedRDDs.make(graph, settings)
  memo.addPlan(planOf(1000, 1))
  memo.addPlan({ ...planOf(6000, 1), missedSince: 1000 })
  memo.forgetBefore(4000)
  for (const time of [4000, 5000]) assert.equal(memo.getOrCompute("in", time), undefined)
  assert.equal(memo.getOrCompute("in", 6000)?.numPartitions, 1)
})
