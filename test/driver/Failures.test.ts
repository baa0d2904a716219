/**
 * What users' functions and the world do wrong, and how a run ends by it: the error names what failed, where, and why.
 */
import * as assert from "node:assert/strict"
import { Cause, Context, Data, Effect, Exit, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import { DStream, RDD, StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { it } from "../kit.ts"
import { type Collected, timesOf } from "./collected.ts"
import * as Local from "./local.ts"

const numbers = Memory.stream({
  numPartitions: 2,
  read: ({ batch, partition }) => [batch * 10 + partition, batch * 10 + partition]
})

/** Throws at the second record of partition 1 of every batch. */
const boom = (times?: { count: number }) => {
  return (n: number) => {
    if (n % 10 === 1) {
      if (times !== undefined) times.count++
      throw new RangeError(`${n} is too much`)
    }
    return n
  }
}

type Outputs = Parameters<typeof StreamingApp.make>[0]["outputs"]

/** The error that ends a run of these outputs. */
const failureOf = (outputs: Outputs, options: Local.LocalOptions & { layer?: Layer.Layer<any, any> } = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(0)
    const { layer = Layer.empty, ...run } = options
    const app = StreamingApp.make({
      name: "fails",
      batchDuration: "1 second",
      outputs,
      layer
    }) as StreamingApp.StreamingApp<any>
    const fiber = yield* Local.run(app, run)
    yield* TestClock.adjust("3 seconds")
    const exit = fiber.pollUnsafe()
    assert.ok(exit !== undefined, "the run goes on")
    assert.ok(Exit.isFailure(exit), "the run ended well")
    return Cause.squash(exit.cause) as any
  })

it("a user's function that throws fails the batch after four attempts, by operator, partition, record and cause", () =>
  Effect.gen(function* () {
    const programs: ReadonlyArray<readonly [string, (f: (n: number) => number) => DStream.DStream<any>]> = [
      ["map", (f) => numbers.pipe(DStream.map(f), DStream.named("bad"))],
      ["filter", (f) => numbers.pipe(DStream.filter((n) => f(n) >= 0), DStream.named("bad"))],
      ["flatMap", (f) => numbers.pipe(DStream.flatMap((n) => [f(n)]), DStream.named("bad"), DStream.map((n) => n))],
      ["mapPartitions", (f) => numbers.pipe(DStream.mapPartitions((all) => all.map(f)), DStream.named("bad"))],
      [
        "mapToPair before a shuffle",
        (f) => numbers.pipe(DStream.mapToPair((n) => [f(n), 1]), DStream.named("bad"), DStream.groupByKey())
      ],
      ["mapEffect", (f) => numbers.pipe(DStream.mapEffect((n) => Effect.sync(() => f(n))), DStream.named("bad"))]
    ]
    for (const [what, program] of programs) {
      for (const settings of [{}, { codeGeneration: false }]) {
        const times = { count: 0 }
        const error: JobFailed = yield* failureOf([program(boom(times)).pipe(DStream.collectTo([], { name: "out" }))], {
          settings
        })
        assert.equal(error._tag, "JobFailed", what)
        assert.deepEqual([error.output, error.operator, error.partition, error.time], ["out", "bad", 1, 1000], what)
        assert.match(
          error.message,
          /failed 4 times in partition 1 .*RangeError: 1 is too much|failed 4 times.*1 is too much/,
          what
        )
        if (/^(map|filter|flatMap|mapToPair.*)$/.test(what)) {
          assert.match(error.message, /record 0 of a partition/, what)
        }
        assert.match(String(error.stack), /Failures.test/, what)
        assert.equal(times.count, 4, what)
      }
    }
  }))

it("the function of reduceByKey fails on the map side, or on the reduce side, with its operator", () =>
  Effect.gen(function* () {
    for (const same of [true, false]) {
      const error: JobFailed = yield* failureOf([
        numbers.pipe(
          DStream.mapToPair((n) => ["key", n]),
          DStream.reduceByKey((a, b): number => {
            if ((a === b) === same) throw new Error("no sum")
            return a
          }),
          DStream.named("sums"),
          DStream.collectTo([], { name: "out" })
        )
      ])
      assert.deepEqual([error._tag, error.output, error.operator], ["JobFailed", "out", "sums"])
      assert.match(error.message, /no sum/)
    }
  }))

it("a transform that throws, or gives no data set, fails the generation with its operator", () =>
  Effect.gen(function* () {
    const bad: ReadonlyArray<readonly [RegExp, (rdd: RDD.RDD<number>) => RDD.RDD<number>]> = [
      [/no plan today/, () => {
        throw new Error("no plan today")
      }],
      [/returned no RDD/, () => undefined as any]
    ]
    for (const [message, f] of bad) {
      const error = yield* failureOf([
        numbers.pipe(DStream.transform(f), DStream.named("planned"), DStream.collectTo([]))
      ])
      assert.deepEqual([error._tag, error.operator, error.time], ["LineageError", "planned", 1000])
      assert.match(error.message, message)
    }
  }))

class Refused extends Data.TaggedError("Refused")<{ readonly why: string }> {}

it("the typed error of a mapEffect, of a foreachPartition and of a foreachBatch is told", () =>
  Effect.gen(function* () {
    const fail = () => Effect.fail(new Refused({ why: "closed" }))
    const mapped: JobFailed = yield* failureOf([
      numbers.pipe(DStream.mapEffect(fail), DStream.named("asks"), DStream.collectTo([]))
    ])
    assert.deepEqual([mapped._tag, mapped.operator], ["JobFailed", "asks"])
    assert.match(mapped.message, /Refused/)
    const sunk: JobFailed = yield* failureOf([numbers.pipe(DStream.foreachPartition(fail, { name: "sink" }))])
    assert.deepEqual([sunk._tag, sunk.output, sunk.operator], ["JobFailed", "sink", "sink"])
    assert.match(sunk.message, /failed 4 times.*Refused/)
    const batch = yield* failureOf([numbers.pipe(DStream.foreachBatch(fail))])
    assert.deepEqual(batch, new Refused({ why: "closed" }))
  }))

it("a defect of a foreachBatch, and one of print's console, end the run with themselves", () =>
  Effect.gen(function* () {
    const died = yield* failureOf([numbers.pipe(DStream.foreachBatch(() => Effect.die(new Error("a defect"))))])
    assert.equal(died.message, "a defect")
    const threw = yield* failureOf([
      numbers.pipe(DStream.foreachBatch(() => {
        throw new Error("before any Effect")
      }))
    ])
    assert.equal(threw.message, "before any Effect")
    const printed: JobFailed = yield* failureOf([
      numbers.pipe(DStream.map(boom()), DStream.print(10, { name: "shown" }))
    ])
    assert.deepEqual([printed._tag, printed.output, printed.partition], ["JobFailed", "shown", 1])
  }))

it("a side value that fails, and one that its schema cannot hold, fail the generation with the operator", () =>
  Effect.gen(function* () {
    const sides = [
      [/Refused/, DStream.sideValue(Effect.fail(new Refused({ why: "down" })), Schema.Number)],
      [/SchemaError|Expected/, DStream.sideValue(Effect.succeed(1.5), Schema.Int)]
    ] as const
    for (const [message, side] of sides) {
      const error = yield* failureOf([
        numbers.pipe(
          DStream.transform((rdd) => rdd, { sideValues: { side } }),
          DStream.named("asks"),
          DStream.collectTo([])
        )
      ])
      assert.deepEqual([error._tag, error.operator, error.time], ["PlanningFailed", "asks", 1000])
      assert.match(error.message, message)
    }
  }))

const direct = (
  planner: Effect.Effect<{ plan: () => Effect.Effect<any, any> }, any>,
  reader: Effect.Effect<any, any> = Effect.never
) => DStream.fromInput<number, any, never>("own", { kind: "direct", planner, reader }).pipe(DStream.named("own"))

it("a planner that cannot be made, that fails or dies, and a reader that fails, each say which input it was", () =>
  Effect.gen(function* () {
    const down = Effect.fail(new Refused({ why: "no broker" }))
    const never = yield* failureOf([direct(down).pipe(DStream.collectTo([]))])
    assert.deepEqual([never._tag, never.operator], ["PlanningFailed", "own"])
    const fails = yield* failureOf([direct(Effect.succeed({ plan: () => down })).pipe(DStream.collectTo([]))])
    assert.deepEqual([fails._tag, fails.operator, fails.time], ["PlanningFailed", "own", 1000])
    const dies = yield* failureOf([
      direct(Effect.succeed({
        plan: () => {
          throw new Error("a bug")
        }
      })).pipe(DStream.collectTo([]))
    ])
    assert.deepEqual([dies._tag, dies.operator, dies.time], ["PlanningFailed", "own", 1000])
    assert.match(dies.message, /a bug/)
    const plan = Effect.succeed({ records: 1, partitions: [{ kind: "source", value: 0, records: 1 }] })
    for (
      const reader of [
        down,
        Effect.succeed({ read: () => down }),
        Effect.succeed({ read: () => Effect.die(new Error("no broker")) })
      ]
    ) {
      const read: JobFailed = yield* failureOf([
        direct(Effect.succeed({ plan: () => plan }), reader).pipe(DStream.collectTo([]))
      ])
      assert.deepEqual([read._tag, read.operator, read.partition], ["JobFailed", "own", 0])
      assert.match(read.message, /failed 4 times.*(Refused|no broker)/)
    }
  }))

class Database extends Context.Service<Database, string>()("test/Database") {}

it("a layer that does not build in the driver fails the start with its own error; in executors, with that of the placement", () =>
  Effect.gen(function* () {
    const inDriver = yield* failureOf([numbers.pipe(DStream.collectTo([]))], {
      layer: Layer.effect(Database, Effect.fail(new Refused({ why: "no database" })))
    })
    assert.deepEqual(inDriver, new Refused({ why: "no database" }))
    let builds = 0
    const onlyOnce = Layer.effect(
      Database,
      Effect.suspend(() => builds++ === 0 ? Effect.succeed("db") : Effect.die(new Error("one connection only")))
    )
    const inExecutor = yield* failureOf([numbers.pipe(DStream.collectTo([]))], { layer: onlyOnce, executors: 2 })
    assert.equal(inExecutor._tag, "PlacementError")
    assert.match(inExecutor.message, /one connection only/)
  }))

it("an executor whose graph differs is refused with the difference", () =>
  Effect.gen(function* () {
    const appOf = (bad: boolean) =>
      StreamingApp.make({
        name: "two faces",
        batchDuration: "1 second",
        outputs: [(bad ? numbers.pipe(DStream.map((n) => n)) : numbers).pipe(DStream.collectTo([]))]
      })
    const fiber = yield* Local.run(appOf(false), { executorApp: appOf(true) })
    yield* TestClock.adjust("1 second")
    const error = yield* Effect.flip(Effect.flatten(Effect.sync(() => fiber.pollUnsafe()!)))
    assert.ok(error._tag === "PlacementError" || error._tag === "ExecutorRefused")
    assert.match(error.message, /program/)
    assert.match(error.message, /map|collectTo/)
  }))

it("with onBatchFailure skip a failed batch is told and left, whether its jobs or its generation failed", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const events: Array<StreamingEvent> = []
    const app = StreamingApp.make({
      name: "skips",
      batchDuration: "1 second",
      settings: { onBatchFailure: "skip", maxTaskFailures: 2 },
      outputs: [
        numbers.pipe(
          DStream.transform((rdd, { time }) => {
            if (time === 2000) throw new Error("no plan at 2000")
            return rdd
          }),
          DStream.map((n) => {
            if (n === 20) throw new Error("no records at 3000")
            return n
          }),
          DStream.collectTo(out, { name: "out" })
        ),
        numbers.pipe(DStream.collectTo([], { name: "other" }))
      ]
    })
    const context = yield* Local.start(app, { observers: [(event) => void events.push(event)] })
    yield* TestClock.adjust("5 seconds")
    assert.deepEqual(timesOf(out), [1000, 4000, 5000])
    const generation = events.flatMap((event) => event.kind === "GenerationFailed" ? [event] : [])
    assert.deepEqual(generation.map(({ time }) => time), [2000])
    assert.match(generation[0]!.reason, /no plan at 2000/)
    const failed = events.flatMap((event) => event.kind === "BatchCompleted" ? [event.batch] : [])
      .filter(({ outputs }) => outputs.some(({ failureReason }) => failureReason !== undefined))
    assert.deepEqual(failed.map(({ time }) => time), [3000])
    assert.deepEqual(failed[0]!.outputs.map(({ output, failureReason }) => [output, failureReason === undefined]), [[
      "out",
      false
    ], ["other", true]])
    assert.match(failed[0]!.outputs[0]!.failureReason!, /no records at 3000/)
    assert.equal((yield* Local.stopGracefully(context)).graceful, true)
    yield* context.awaitTermination
  }))

it("two outputs that fail in one batch have each its own reason", () =>
  Effect.gen(function* () {
    const reasons: Array<readonly [string, string | undefined]> = []
    const observe = (event: StreamingEvent) => {
      if (event.kind === "OutputOperationCompleted") {
        reasons.push([event.operation.output, event.operation.failureReason])
      }
    }
    const throws = (message: string) =>
      DStream.map((n: number): number => {
        throw new Error(message + n)
      })
    yield* failureOf([
      numbers.pipe(throws("first "), DStream.collectTo([], { name: "a" })),
      numbers.pipe(throws("second "), DStream.collectTo([], { name: "b" })),
      numbers.pipe(DStream.collectTo([], { name: "c" }))
    ], { observers: [observe] })
    assert.deepEqual(reasons.map(([output]) => output), ["a", "b", "c"])
    assert.match(reasons[0]![1]!, /first/)
    assert.match(reasons[1]![1]!, /second/)
    assert.equal(reasons[2]![1], undefined)
  }))

it("the failure of the last batch that was wanted is a failure of the run", () =>
  Effect.gen(function* () {
    const error: JobFailed = yield* failureOf([numbers.pipe(DStream.map(boom()), DStream.collectTo([]))], {
      batches: 1
    })
    assert.equal(error._tag, "JobFailed")
  }))

it("an app with mistakes does not start, and is told all of them", () =>
  Effect.gen(function* () {
    const error = yield* failureOf([])
    assert.equal(error._tag, "InvalidApp")
    assert.match(error.message, /output/)
  }))
