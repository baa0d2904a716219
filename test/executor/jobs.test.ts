/**
 * Jobs on executors that share nothing but a link: results against naive evaluation, whatever the border, the number of
 * executors and of partitions, and the way loops are made.
 */
import * as assert from "node:assert/strict"
import { Context, Effect } from "effect"
import * as fc from "fast-check"
import { Border } from "../../core/protocol/RecordCodec.ts"
import * as RDD from "../../core/rdd/RDD.ts"
import { it } from "../kit.ts"
import { cluster, failureOf, type Program } from "./cluster.ts"

const lines = ["to be or not", "to be", "", "that is the question", "not to be"]

const words = (numPartitions: number) =>
  RDD.of(lines, numPartitions).pipe(RDD.flatMap((line) => line.split(" ").filter((w) => w !== "")))

const counts = (options?: RDD.ShuffleOptions) =>
  words(2).pipe(RDD.mapToPair((word) => [word, 1]), RDD.reduceByKey((a, b) => a + b, options))

const counted = (partitions: ReadonlyArray<unknown>) =>
  Object.fromEntries((partitions.flat() as Array<[string, number]>).sort(([a], [b]) => a < b ? -1 : 1))

const expected = { be: 3, is: 1, not: 2, or: 1, question: 1, that: 1, the: 1, to: 3 }

it("words are counted on two executors, across a border of bytes", () =>
  Effect.gen(function* () {
    const two = yield* cluster({ program: { counts: () => counts() } })
    two.plan({ time: 1 })
    const partitions = yield* two.collect("counts")
    assert.equal(partitions.length, 2)
    assert.deepEqual(counted(partitions), expected)
    const fetches = two.peerMessages.filter(([, , message]) => message.kind === "FetchShuffle")
    assert.equal(fetches.length, 2, "each asks the other once")
  }))

it("a batch of two stages costs each executor two messages", () =>
  Effect.gen(function* () {
    const two = yield* cluster({ program: { counts: () => counts() } })
    two.plan({ time: 1 })
    yield* two.collect("counts")
    const kinds = two.sent.map(([executor, message]) =>
      `${executor} ${message.kind === "RunTasks" ? message.work.kind : message.kind}`
    )
    assert.deepEqual(kinds.sort(), ["executor-1 map", "executor-1 result", "executor-2 map", "executor-2 result"])
  }))

type Pair = [key: string, value: number]

const naive = (partitions: ReadonlyArray<ReadonlyArray<Pair>>): Record<string, Array<number>> => {
  const groups: Record<string, Array<number>> = {}
  for (const [key, value] of partitions.flat()) (groups[key] ??= []).push(value)
  return groups
}

const sorted = (records: ReadonlyArray<unknown>) => JSON.stringify(records.map((one) => JSON.stringify(one)).sort())

const pairs = fc.array(fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "dd"), fc.nat(9)), { maxLength: 6 }), {
  minLength: 1,
  maxLength: 4
})

it("shuffles with and without map-side combine do as a list would, in an order that is a function of the plan", () =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(
        pairs,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        fc.boolean(),
        async (data, n, executors, coded, codeGeneration) => {
          const literal = () => RDD.fromLineage<Pair>({ kind: "literal", partitions: data })
          const push = (all: Array<number>, value: number) => (all.push(value), all)
          const append = (a: Array<number>, b: Array<number>) => (a.push(...b), a)
          const program: Program = {
            sums: () => literal().pipe(RDD.reduceByKey((a, b) => a + b, { numPartitions: n })),
            groups: () => literal().pipe(RDD.groupByKey({ numPartitions: n })),
            lists: () =>
              literal().pipe(RDD.combineByKey((value: number) => [value], push, append, { numPartitions: n })),
            chained: () =>
              RDD.unionAll<Pair>([
                literal().pipe(RDD.reduceByKey((a, b) => a + b, { numPartitions: n })),
                literal()
              ]).pipe(RDD.repartition(3), RDD.filter(([, value]) => value > 2))
          }
          const groups = naive(data)
          const sums = Object.entries(groups).map(([key, values]) => [key, values.reduce((a, b) => a + b)] as Pair)
          const run = (executors: number) =>
            Effect.gen(function* () {
              const border = coded ? {} : { border: Border.local }
              const made = yield* cluster({ program, executors, settings: { codeGeneration }, ...border })
              made.plan({ time: 1 })
              const results: Record<string, ReadonlyArray<unknown>> = {}
              for (const name of [...Object.keys(program), "lists", "groups"]) results[name] = yield* made.collect(name)
              return results
            }).pipe(Effect.scoped, Effect.runPromise)
          const results = await run(executors)
          assert.equal(sorted(results["sums"]!.flat()), sorted(sums))
          assert.equal(sorted(results["groups"]!.flat()), sorted(Object.entries(groups)))
          assert.equal(sorted(results["lists"]!.flat()), sorted(Object.entries(groups)))
          assert.equal(
            sorted(results["chained"]!.flat()),
            sorted([...sums, ...data.flat()].filter(([, value]) => value > 2))
          )
          assert.deepEqual(await run(1), results)
        }
      ),
      { numRuns: 40 }
    )
  ))

it("count, take and a choice of partitions", () =>
  Effect.gen(function* () {
    const two = yield* cluster({
      program: { numbers: () => RDD.of([1, 2, 3, 4, 5, 6], 3), none: () => RDD.unionAll([]) }
    })
    two.plan({ time: 1 })
    assert.deepEqual(yield* two.run("numbers", 1, { kind: "count" }), [2, 2, 2])
    assert.deepEqual(yield* two.run("numbers", 1, { kind: "take", count: 1 }), [[1], [3], [5]])
    assert.deepEqual(yield* two.run("numbers", 1, { kind: "collect" }, [2, 0]), [[5, 6], [1, 2]])
    assert.deepEqual(yield* two.collect("none"), [])
  }))

it("partition-wise operations and a reduction to one record", () =>
  Effect.gen(function* () {
    const numbers = () => RDD.of([1, 2, 3, 4, 5], 2)
    const two = yield* cluster({
      program: {
        glom: () => RDD.glom(numbers()),
        reduce: () => numbers().pipe(RDD.map((n) => n * 2), RDD.reduce((a, b) => a + b)),
        count: () => RDD.count(numbers())
      }
    })
    two.plan({ time: 1 })
    assert.deepEqual(yield* two.collect("glom"), [[[1, 2]], [[3, 4, 5]]])
    assert.deepEqual(yield* two.collect("reduce"), [[30]])
    assert.deepEqual(yield* two.collect("count"), [[5]])
  }))

class Rate extends Context.Service<Rate, { readonly factor: number }>()("test/Rate") {}

const effectful = (f: (n: number) => Effect.Effect<unknown, any, any>, concurrency = 2) =>
  RDD.fromLineage<number>({
    kind: "narrow",
    parent: RDD.of([1, 2, 3, 4], 2),
    op: { kind: "mapEffect", f, concurrency }
  }).pipe(RDD.map((n) => n + 1))

it("mapEffect has the app's services, keeps the order, and goes on into the next loop", () =>
  Effect.gen(function* () {
    const times = (n: number) =>
      Effect.map(Effect.andThen(n % 2 === 0 ? Effect.void : Effect.yieldNow, Rate), ({ factor }) => n * factor)
    const two = yield* cluster({
      program: { scaled: () => effectful(times) },
      context: Context.make(Rate, { factor: 10 })
    })
    two.plan({ time: 1 })
    assert.deepEqual(yield* two.collect("scaled"), [[11, 21], [31, 41]])
  }))

it("a mapEffect that fails, dies or throws fails the job with its operator, and no executor", () =>
  Effect.gen(function* () {
    const two = yield* cluster({
      program: {
        fails: () => effectful((n) => n === 3 ? Effect.fail({ _tag: "TooBig", message: "three" }) : Effect.succeed(n)),
        dies: () => effectful(() => Effect.die(new Error("dead"))),
        throws: () =>
          effectful(() => {
            throw new Error("thrown")
          }),
        fine: () => effectful(Effect.succeed)
      }
    })
    two.plan({ time: 1 })
    const error = yield* failureOf(two.collect("fails"))
    assert.deepEqual([error.operator, error.partition, error.time, error.output], ["fails", 1, 1, "fails"])
    assert.match(error.message, /failed 4 times in partition 1.*TooBig: three/)
    assert.match((yield* failureOf(two.collect("dies"))).message, /dead/)
    assert.match((yield* failureOf(two.collect("throws"))).message, /thrown/)
    assert.deepEqual(yield* two.collect("fine"), [[2, 3], [4, 5]])
  }))

it("a function that throws is named with operator, record and cause, also in a map task", () =>
  Effect.gen(function* () {
    const bad = () =>
      words(1).pipe(RDD.mapToPair((word) => {
        if (word === "or") throw new TypeError("no or")
        return [word, 1]
      }))
    const two = yield* cluster({
      program: { bad: () => bad().pipe(RDD.reduceByKey((a, b) => a + b)), fine: () => counts() }
    })
    two.plan({ time: 1 })
    const error = yield* failureOf(two.collect("bad"))
    assert.deepEqual([error.operator, error.partition], ["bad", 0])
    assert.match(error.message, /failed 4 times in partition 0.*on record 0.*TypeError: no or/)
    assert.match(error.stack ?? "", /jobs\.test\.ts/)
    assert.deepEqual(counted(yield* two.collect("fine")), expected)
  }))

it("foreachPartition runs on the executors, with the app's services, batch time and partition", () =>
  Effect.gen(function* () {
    const seen: Array<unknown> = []
    const two = yield* cluster({
      program: { numbers: () => RDD.of([1, 2, 3], 2) },
      context: Context.make(Rate, { factor: 7 }),
      outputs: (output) =>
        output === "sink"
          ? (records, { partition, time }) =>
            Effect.map(Rate, ({ factor }) => seen.push([time, partition, factor, records]))
          : undefined
    })
    two.plan({ time: 1 })
    assert.deepEqual(yield* two.run("numbers", 1, { kind: "foreachPartition", output: "sink" }), [undefined, undefined])
    assert.deepEqual(seen.sort(), [[1, 0, 7, [1]], [1, 1, 7, [2, 3]]])
    const error = yield* failureOf(two.run("numbers", 1, { kind: "foreachPartition", output: "other" }))
    assert.match(error.message, /no output "other"/)
  }))

it("records that cannot leave their executor fail the job with what they are", () =>
  Effect.gen(function* () {
    const functions = () => RDD.of([1, 2, 3, 4], 2).pipe(RDD.map((n) => () => n))
    const two = yield* cluster({ program: { functions, spread: () => functions().pipe(RDD.repartition(2)) } })
    two.plan({ time: 1 })
    assert.match((yield* failureOf(two.collect("functions"))).message, /cannot leave their executor.*function/)
    assert.match(
      (yield* failureOf(two.run("spread", 1, { kind: "count" }))).message,
      /cannot leave their executor.*function/
    )
  }))

it("an executor whose program differs says which operator", () =>
  Effect.gen(function* () {
    const two = yield* cluster({
      program: { counts: () => counts() },
      executorProgram: { counts: () => counts({ numPartitions: 3 }) }
    })
    two.plan({ time: 1 })
    const error = yield* failureOf(two.collect("counts"))
    assert.equal(error.operator, "counts")
    assert.match(error.message, /the lineage of RDD counts@1:\d differs between driver .* and executor/)
  }))

it("a shuffle is run once for all jobs that ask for it", () =>
  Effect.gen(function* () {
    const two = yield* cluster({ program: { counts: () => counts() } })
    two.plan({ time: 1 })
    const both = yield* Effect.all([two.collect("counts"), two.run("counts", 1, { kind: "count" })], { concurrency: 2 })
    assert.deepEqual(both[1], [3, 5])
    yield* two.collect("counts")
    const maps = two.sent.flatMap(([, message]) =>
      message.kind === "RunTasks" && message.work.kind === "map" ? message.tasks : []
    )
    assert.equal(maps.length, 2)
  }))
