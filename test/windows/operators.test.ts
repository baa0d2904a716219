import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as Memory from "../../adapters/memory/mod.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { Collected } from "../driver/collected.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"
import { type Batches, sorted, windowAt } from "./windowModel.ts"

const concat = (a: string, b: string) => a + b
const add = (a: number, b: number) => a + b
const subtract = (a: number, b: number) => a - b

const keyed: fc.Arbitrary<Batches> = fc.array(
  fc.uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c", "d", "e"), fc.integer({ min: 1, max: 9 })), {
    maxLength: 5,
    selector: ([key]) => key
  }),
  { minLength: 1, maxLength: 9 }
)

type Delivered = Array<{ readonly time: number; readonly records: ReadonlyArray<any> }>

/** What each stream delivers in so many seconds; `kill` ends an executor halfway. */
const deliver = (
  streams: ReadonlyArray<DStream.DStream<any>>,
  seconds: number,
  options: Local.LocalOptions = {},
  isKilled = false
) =>
  Effect.scoped(Effect.gen(function* () {
    const delivered = streams.map((): Delivered => [])
    const kill = new Local.Killer()
    const app = StreamingApp.make({
      name: "windows",
      batchDuration: 1000,
      outputs: streams.map((stream, i) => stream.pipe(DStream.collectTo(delivered[i]!)))
    })
    yield* Local.start(app, { settings: { defaultParallelism: 2 }, kill, ...options })
    for (let second = 1; second <= seconds; second++) {
      yield* TestClock.adjust(1000)
      yield* Local.settled
      if (isKilled && second === seconds >> 1) kill.now(kill.alive()[0]!)
    }
    yield* Local.settled
    return delivered.map((batches) => batches.map(({ records, time }) => [time / 1000, records] as const))
  }))

const windowed = (batches: Batches, window: number, slide: number, f: (a: any, b: any) => any) =>
  Array.from({ length: Math.floor(batches.length / slide) }, (_, i) => (i + 1) * slide)
    .map((time) => [time, windowAt(batches, time, window, f)] as const)

const inOrder = (batches: ReadonlyArray<readonly [number, ReadonlyArray<any>]>) =>
  batches.map(([time, records]) => [time, sorted(records)] as const)

it(
  "each operator delivers what its window holds, whatever window and slide, also when an executor dies",
  () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          keyed,
          fc.integer({ min: 1, max: 5 }),
          fc.integer({ min: 1, max: 3 }),
          fc.boolean(),
          async (batches, window, slide, isKilled) => {
            const [length, step] = [window * 1000, slide * 1000]
            const input = Memory.batches(batches, 2).pipe(DStream.mapToPair(([key, value]) => [key, value as number]))
            const texts = input.pipe(DStream.mapValues(String))
            const filter = ([, sum]: readonly [string, number]) => sum !== 0
            const streams = [
              input.pipe(DStream.window(length, step)),
              texts.pipe(DStream.reduceByKeyAndWindow(concat, length, step)),
              input.pipe(
                DStream.reduceByKeyAndWindow(add, length, step, { inverse: subtract, filter, numPartitions: 3 })
              ),
              input.pipe(DStream.groupByKeyAndWindow(length, step)),
              input.pipe(DStream.map(([key]) => key), DStream.countByValueAndWindow(length, step)),
              texts.pipe(DStream.map(([, text]) => text), DStream.reduceByWindow(concat, length, step)),
              input.pipe(DStream.countByWindow(length, step))
            ]
            const delivered = await Effect.runPromise(
              deliver(streams, batches.length, { executors: 2, coded: true }, isKilled).pipe(
                Effect.provide(TestClock.layer())
              )
            )
            const [all, joined, sums, groups, counts, text, count] = delivered
            const held = (time: number) => batches.slice(Math.max(0, time - window), time).flat()
            const times = windowed(batches, window, slide, add).map(([time]) => time)
            const asTexts = batches.map((batch) => batch.map(([key, value]) => [key, String(value)] as const))
            const ones = batches.map((batch) => batch.map(([key]) => [key, 1] as const))
            const lists = batches.map((batch) => batch.map(([key, value]) => [key, [value]] as const))
            assert.deepEqual(all, times.map((time) => [time, held(time)]))
            assert.deepEqual(inOrder(joined!), windowed(asTexts, window, slide, concat))
            assert.deepEqual(inOrder(sums!), windowed(batches, window, slide, add))
            assert.deepEqual(inOrder(groups!), windowed(lists, window, slide, (a, b) => [...a, ...b]))
            assert.deepEqual(inOrder(counts!), windowed(ones, window, slide, add))
            assert.deepEqual(
              text,
              times.map((time) => [time, held(time).length === 0 ? [] : [held(time).map(([, v]) => v).join("")]])
            )
            let isSeen = false
            assert.deepEqual(
              count,
              times.map((time) => {
                isSeen ||= held(time).length > 0
                return [time, isSeen ? [held(time).length] : []]
              })
            )
          }
        ),
        { numRuns: 12 }
      )
    ),
  { timeout: 120_000 }
)

it("records of a window are combined once per batch, whatever its length, and a batch is read once", () =>
  Effect.gen(function* () {
    const lists = Array.from({ length: 12 }, () => [1, 2, 3, 4])
    for (const options of [{}, { inverse: subtract }]) {
      let mapped = 0
      const stream = Memory.batches(lists).pipe(
        DStream.mapToPair((n): [string, number] => (mapped++, ["k", n])),
        DStream.reduceByKeyAndWindow(add, 5000, 2000, options)
      )
      const [sums] = yield* deliver([stream], 12).pipe(Effect.provide(TestClock.layer()))
      assert.equal(mapped, 12 * 4)
      assert.deepEqual(sums, [2, 4, 6, 8, 10, 12].map((time) => [time, [["k", 10 * Math.min(time, 5)]]]))
    }
  }))

const numbers = Memory.batches([[1, 2, 3]])
const pairs = numbers.pipe(DStream.mapToPair((n) => [`k${n}`, n]))

const graphOf = (stream: DStream.AnyDStream) =>
  DStreamGraph.make(StreamingApp.make({ name: "w", batchDuration: 1000, outputs: [stream.pipe(DStream.print())] }))

test("windows over windows remember longer towards the source", () => {
  const mapped = numbers.pipe(DStream.map((n) => n % 10), DStream.named("mapped"))
  const inner = mapped.pipe(DStream.window("2 seconds", "1 second"), DStream.named("inner"))
  const outer = inner.pipe(DStream.window("4 seconds", "2 seconds"), DStream.named("outer"))
  const graph = graphOf(outer)
  const remembered = ["outer", "inner", "mapped"].map((name) => graph.node(name)!.rememberMillis)
  assert.deepEqual(remembered, [2000, 6000, 8000])
  assert.equal(graph.node("outer")!.slideMillis, 2000)
})

test("a window keeps its parent in memory; persisting the window gives the parent that level, and a parent that is kept stays so", () => {
  const levels = (stream: DStream.AnyDStream): ReadonlyArray<unknown> => [
    ...stream.kind === "persist" ? [stream.params["level"]] : [],
    ...stream.parents.flatMap(levels)
  ]
  const window = numbers.pipe(DStream.window("2 seconds"))
  assert.deepEqual(levels(window), ["MEMORY_ONLY"])
  assert.deepEqual([window.pipe(DStream.persist("DISK_ONLY"))].map((stream) => [stream.kind, levels(stream)]), [
    ["window", ["DISK_ONLY"]]
  ])
  const kept = numbers.pipe(
    DStream.persist("MEMORY_AND_DISK"),
    DStream.window("2 seconds"),
    DStream.window("4 seconds")
  )
  assert.deepEqual(levels(kept), ["MEMORY_AND_DISK"])
})

test("windows over one stream share what they keep", () => {
  const [short, long] = [numbers.pipe(DStream.window("2 seconds")), numbers.pipe(DStream.window("3 seconds"))]
  assert.equal(short.parents[0], long.parents[0])
  assert.notEqual(short.parents[0], numbers.pipe(DStream.map((n) => n), DStream.window("2 seconds")).parents[0])
})

it("a filter without an inverse leaves pairs out of the result, and they are whole when they are shown again", () =>
  Effect.gen(function* () {
    const seen: Collected<readonly [string, number]> = []
    const app = StreamingApp.make({
      name: "w",
      batchDuration: "1 second",
      outputs: [
        Memory.batches<[string, number]>([[["a", 1], ["b", 5]], [["a", 1]], [], [["a", 3]]]).pipe(
          DStream.reduceByKeyAndWindow((a, b) => a + b, "2 seconds", "1 second", { filter: ([, n]) => n > 1 }),
          DStream.collectTo(seen)
        )
      ]
    })
    yield* Local.start(app)
    yield* TestClock.adjust("4 seconds")
    assert.deepEqual(seen.map(({ records }) => records.toSorted()), [[["b", 5]], [["a", 2], ["b", 5]], [], [["a", 3]]])
  }))

it("windows and slides that do not fit the parent's slide, or are no durations, are all told with a remedy", () =>
  Effect.gen(function* () {
    const mistakesOf = (stream: DStream.AnyDStream) =>
      Effect.map(
        Effect.flip(StreamingApp.validate(StreamingApp.make({
          name: "w",
          batchDuration: 1000,
          outputs: [stream.pipe(DStream.named("w"), DStream.print({ name: "o" } as any))] as any
        }))),
        ({ mistakes }) => mistakes.map(({ message, remedy, where }) => `${where}: ${message}; ${remedy}`)
      )
    const sliding = numbers.pipe(DStream.window(2000, 2000), DStream.named("in"))
    assert.deepEqual(yield* mistakesOf(sliding.pipe(DStream.window(3000, 1000))), [
      `w: its window duration of 3000 ms is no multiple of the slide duration of parent "in", 2000 ms; ` +
      "make the window a whole number of its parent's slides, such as 4000 ms",
      `w: its slide duration of 1000 ms is no multiple of the slide duration of parent "in", 2000 ms; ` +
      "make the slide a whole number of its parent's slides, such as 2000 ms"
    ])
    assert.deepEqual(yield* mistakesOf(numbers.pipe(DStream.window("never" as any, "2 x" as any))), [
      `w: its window duration "never" is no duration; write one such as "5 seconds", "200 ms" or 500 (milliseconds)`,
      `w: its slide duration "2 x" is no duration; write one such as "5 seconds", "200 ms" or 500 (milliseconds)`
    ])
    const [endless] = yield* mistakesOf(numbers.pipe(DStream.window(Infinity)))
    assert.match(endless!, /^w: its window duration of Infinity ms is no multiple .*, such as 1000 ms$/)
    const wrong: ReadonlyArray<DStream.AnyDStream> = [
      numbers.pipe(DStream.window(1500)),
      numbers.pipe(DStream.window("never" as any)),
      numbers.pipe(DStream.window(0)),
      numbers.pipe(DStream.window(-1000)),
      numbers.pipe(DStream.window(Infinity)),
      numbers.pipe(DStream.window(2000, "x" as any)),
      pairs.pipe(DStream.reduceByKeyAndWindow(add, 1500, 1000, { inverse: subtract })),
      pairs.pipe(DStream.reduceByKeyAndWindow(add, 2000, 1500)),
      pairs.pipe(DStream.reduceByKeyAndWindow(add, 2000, 1000, { inverse: 1 as any })),
      pairs.pipe(DStream.groupByKeyAndWindow(2500))
    ]
    for (const stream of wrong) {
      const mistakes = yield* mistakesOf(stream)
      assert.equal(mistakes.length, 1, mistakes.join("\n"))
      assert.match(mistakes[0]!, /^w: /)
    }
  }))

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>) => {}

test("types are inferred through windows, and pair operations type-check on pairs only", () => {
  const sums = pairs.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "2 seconds"))
  same<typeof sums, DStream.DStream<[string, number]>>(true)
  const groups = pairs.pipe(DStream.groupByKeyAndWindow("2 seconds", "1 second", { numPartitions: 4 }))
  same<typeof groups, DStream.DStream<[string, Array<number>]>>(true)
  const counts = numbers.pipe(DStream.countByValueAndWindow("2 seconds"))
  same<typeof counts, DStream.DStream<[number, number]>>(true)
  const total = numbers.pipe(DStream.reduceByWindow((a, b) => a + b, "2 seconds"))
  same<typeof total, DStream.DStream<number>>(true)
  same<ReturnType<typeof numberWindow>, DStream.DStream<number>>(true)
  // @ts-expect-error: numbers are no pairs
  numbers.pipe(DStream.groupByKeyAndWindow("2 seconds"))
  assert.equal(groups.kind, "groupByKeyAndWindow")
})

const numberWindow = () => numbers.pipe(DStream.window("2 seconds"), DStream.countByWindow("4 seconds"))
