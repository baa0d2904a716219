/**
 * Functions of users that return a Promise or an Effect where the value belongs, or what is no list, and records that are no pairs
 * where pairs belong: each is told at the first record, with its remedy, and costs the others nothing.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause, Data, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, StateSpec, StreamingApp } from "../../core/mod.ts"
import { fuse } from "../../core/rdd/Fusion.ts"
import { firstRecordsMax } from "../../core/rdd/fusion/FirstRecords.ts"
import type { RecordStep } from "../../core/rdd/Segment.ts"
import * as Sink from "../../core/rdd/Sink.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"

const numbers = Memory.stream({ numPartitions: 1, read: () => [1, 2, 3] })
const pairs = numbers.pipe(DStream.mapToPair((n) => ["a", n]))
/** Something comes in the first batch only. */
const once = Memory.batches<[string, number]>([[["a", 1]]])

/** What a run of this stream fails with. */
const messageOf = (stream: any) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(0)
    const app = StreamingApp.make({
      name: "fails",
      batchDuration: "1 second",
      outputs: [stream.pipe(DStream.collectTo([]))]
    }) as StreamingApp.StreamingApp<any>
    const fiber = yield* Local.run(app)
    yield* TestClock.adjust("3 seconds")
    const exit = fiber.pollUnsafe()
    assert.ok(exit !== undefined && Exit.isFailure(exit), "the run did not fail")
    return (Cause.squash(exit.cause) as any).message as string
  })

const withoutRecord = (message: string) => message.replace(/; the record: .*$/, "")

/** What a function is given to, what it is called, and where `mapEffect` belongs. */
type Case = readonly [stream: (f: any) => any, what: string, where: string]

const promise: any = () => Promise.resolve(1)
const effect: any = () => Effect.sync(() => 1)

it("a function that returns a Promise or an Effect is told what to use", () =>
  Effect.gen(function* () {
    const by = " before it"
    const reducing = "the function that brings values together"
    const cases: ReadonlyArray<Case> = [
      [(f) => numbers.pipe(DStream.map(f)), "map's function", ""],
      [(f) => numbers.pipe(DStream.filter(f)), "filter's function", ""],
      [(f) => numbers.pipe(DStream.flatMap(f)), "flatMap's function", ""],
      [(f) => pairs.pipe(DStream.mapValues(f)), "mapValues's function", ""],
      [(f) => pairs.pipe(DStream.flatMapValues(f)), "flatMapValues's function", ""],
      [(f) => numbers.pipe(DStream.mapPartitions(f)), "mapPartitions's function", ""],
      [(f) => numbers.pipe(DStream.reduce(f)), reducing, by],
      [(f) => pairs.pipe(DStream.reduceByKey(f)), reducing, by],
      [(f) => pairs.pipe(DStream.combineByKey(f, (a) => a, (a) => a)), reducing, by],
      [(f) => pairs.pipe(DStream.combineByKey(f, text, text)), reducing, by],
      [(f) => pairs.pipe(DStream.combineByKey(f, text, text, { mapSideCombine: false })), reducing, by],
      [(f) => pairs.pipe(DStream.partitionBy(onePartition), DStream.combineByKey(f, text, text, spread)), reducing, by],
      [(f) => pairs.pipe(DStream.partitionBy(onePartition), DStream.reduceByKey(f, spread)), reducing, by],
      [(f) => numbers.pipe(DStream.reduceByWindow(f, "2 seconds")), reducing, by],
      [(f) => numbers.pipe(DStream.count, DStream.reduceByWindow(f, "2 seconds")), reducing, by],
      ...[pairs, once].map((of): Case => [
        (f) => of.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "1 second", "1 second", { inverse: f })),
        "the inverse of reduceByKeyAndWindow",
        by
      ]),
      [
        (f) => pairs.pipe(DStream.reduceByKeyAndWindow(add, "1 second", "1 second", { inverse: add, filter: f })),
        "the filter of reduceByKeyAndWindow",
        by
      ],
      [(f) => pairs.pipe(DStream.updateStateByKey(f)), "updateStateByKey's function", by],
      [(f) => pairs.pipe(DStream.updateStateByPartition(f)), "updateStateByPartition's function", by],
      [(f) => pairs.pipe(DStream.mapWithState(StateSpec.make(f))), "mapWithState's function", " before or after it"]
    ]
    for (const [stream, what, where] of cases) {
      const ofPromise = withoutRecord(yield* messageOf(stream(promise)))
      assert.ok(ofPromise.endsWith(`${what} returned a Promise; use mapEffect with Effect.promise${where}`), ofPromise)
      const ofEffect = withoutRecord(yield* messageOf(stream(effect)))
      assert.ok(ofEffect.endsWith(`${what} returned an Effect; use mapEffect${where}`), ofEffect)
    }
  }))

const add = (a: number, b: number) => a + b
/** Hides what it is given. */
const text = (a: any, b: any): any => `${a}${b}`
const onePartition = { name: "one", numPartitions: 1, partition: () => 0 }
const spread = { partitioner: onePartition }

it("what is no list, and what is no pair, is told by the operator", () =>
  Effect.gen(function* () {
    const cases: ReadonlyArray<readonly [any, string]> = [
      [numbers.pipe(DStream.flatMap((n) => n as any)), "flatMap's function returned 1, which is not iterable"],
      [numbers.pipe(DStream.flatMap(() => undefined as any)), "flatMap's function returned undefined, which"],
      [numbers.pipe(DStream.mapPartitions(() => 5 as any)), "mapPartitions's function returned 5, which"],
      [pairs.pipe(DStream.flatMapValues(() => null as any)), "flatMapValues's function returned null, which"],
      [numbers.pipe(DStream.reduceByKey(add) as any), "needs pairs [key, value], and was given 1; make pairs with"],
      [numbers.pipe(DStream.map(String), DStream.groupByKey() as any), `needs pairs [key, value], and was given "1"`],
      [numbers.pipe(DStream.map((n) => [n]), DStream.mapValues(String) as any), "mapValues needs pairs [key, value]"],
      [numbers.pipe(DStream.updateStateByKey(() => 1) as any), "needs pairs [key, value], and was given 1"]
    ]
    for (const [stream, text] of cases) {
      const message = yield* messageOf(stream)
      assert.ok(message.includes(text), message)
    }
  }))

class Refused extends Data.TaggedError("Refused") {}

for (const codeGeneration of [true, false]) {
  const step = (kind: string, f: (value: any) => unknown): RecordStep => ({ op: { kind, f } as any, operator: kind })
  const through = (steps: ReadonlyArray<RecordStep>, records: ReadonlyArray<unknown>) => {
    const run = fuse(steps, Sink.collect, { codeGeneration }).start()
    run.push(records, 0, records.length)
    return run.finish()
  }
  const how = codeGeneration ? "generated loops" : "closures"

  test(`a step that the first records do not reach is looked at later, ${how}`, () => {
    const steps = [step("filter", (n) => n === 100), step("map", promise)]
    const run = fuse(steps, Sink.collect, { codeGeneration }).start()
    const few = Array.from({ length: firstRecordsMax }, (_, n) => n)
    assert.equal(run.push(few, 0, few.length), true)
    assert.throws(() => run.push([100, 101], 0, 2), /"map" failed on record 16 of .*map's function returned a Promise/)
  })

  test(`a run over which nothing was pushed leaves the next one to be looked at, ${how}`, () => {
    const steps = [step("map", (n) => n === 0 ? 0 : Promise.resolve(n))]
    assert.deepEqual(through(steps, []), [])
    assert.throws(() => through(steps, [1]), /map's function returned a Promise/)
    assert.throws(() => through(steps, [1]), /map's function returned a Promise/)
  })

  test(`errors and exits are records like others, ${how}`, () => {
    const values = [new Refused(), Exit.succeed(1), Exit.fail("no"), new Error("a record")]
    assert.deepEqual(through([step("map", (value) => value)], values), values)
  })

  test(`each record goes through each step once, ${how}`, () => {
    const seen: Array<number> = []
    const steps = [step("flatMap", (n) => [n, n]), step("map", (n) => (seen.push(n), n))]
    const records = Array.from({ length: 40 }, (_, n) => n)
    const expected = records.flatMap((n) => [n, n])
    assert.deepEqual(through(steps, records), expected)
    assert.deepEqual(seen, expected)
  })
}
