/**
 * Functions of users that return no Effect where one belongs, throw before there is one, or need what no layer gives: their error,
 * told with its remedy, and never an executor's death. So are layers that cannot be built.
 */
import * as assert from "node:assert/strict"
import { Cause, Context, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { buildLayer, LayerFailed } from "../../runtime/appLayer.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"

const numbers = Memory.stream({ numPartitions: 2, read: ({ partition }) => [partition, partition] })

class Names extends Context.Service<Names, string>()("test/Names") {}

/** How a run of this output ends, and what was told before. */
const failureOf = (output: any, layer?: Layer.Layer<any, any>) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(0)
    const events: Array<StreamingEvent> = []
    const app = StreamingApp.make({
      name: "fails",
      batchDuration: "1 second",
      outputs: [output],
      settings: { maxTaskFailures: 2 },
      ...(layer && { layer })
    }) as StreamingApp.StreamingApp<any>
    const fiber = yield* Local.run(app, { observers: [(event) => void events.push(event)] })
    yield* TestClock.adjust("2 seconds")
    const exit = fiber.pollUnsafe()
    assert.ok(exit !== undefined && Exit.isFailure(exit), "the run did not fail")
    assert.deepEqual(events.filter(({ kind }) => kind === "ExecutorRemoved"), [])
    return Cause.squash(exit.cause) as any
  })

const mapped = (f: (n: number) => unknown, concurrency = 1) =>
  numbers.pipe(DStream.mapEffect(f as any, { concurrency }), DStream.named("asks"), DStream.collectTo([]))
const sunk = (f: () => unknown) => numbers.pipe(DStream.foreachPartition(f as any, { name: "sink" }))
const each = (f: () => unknown) => numbers.pipe(DStream.foreachBatch(f as any, { name: "batch" }))

it("a function that returns no Effect fails its task with what it returned and what to use", () =>
  Effect.gen(function* () {
    const wrong: ReadonlyArray<readonly [unknown, string, string]> = [
      [Promise.resolve(1), "a Promise", "Effect.promise"],
      [undefined, "undefined", "Effect.sync"],
      ["A", `"A"`, "Effect.sync"],
      [[1], "an array", "Effect.sync"],
      [(function* () {})(), "a Generator", "Effect.gen"]
    ]
    for (const [returned, what, instead] of wrong) {
      const orMap = instead === "Effect.gen" ? "" : ", or map"
      for (const concurrency of [1, 3]) {
        const error = yield* failureOf(mapped(() => returned, concurrency))
        assert.deepEqual([error._tag, error.operator], ["JobFailed", "asks"])
        assert.ok(
          error.message.endsWith(
            `mapEffect's function has to return an Effect, and returned ${what}; use ${instead}${orMap}`
          ),
          error.message
        )
      }
      const inPartition = yield* failureOf(sunk(() => returned))
      assert.deepEqual([inPartition._tag, inPartition.operator], ["JobFailed", "sink"])
      assert.ok(
        inPartition.message.endsWith(
          `failed in partition 0, and would again: foreachPartition's function ` +
            `has to return an Effect, and returned ${what}; use ${instead}`
        ),
        inPartition.message
      )
      const inBatch = yield* failureOf(each(() => returned))
      assert.equal(
        inBatch.message,
        `foreachBatch's function has to return an Effect, and returned ${what}; use ${instead}`
      )
    }
  }))

it("the function of mapEffect is given the record alone", () =>
  Effect.gen(function* () {
    const error = yield* failureOf(mapped((...given: Array<unknown>) => Effect.fail(`given ${given.length}`)))
    assert.match(error.message, /the last cause: given 1$/)
  }))

it("a throw before there is any Effect is the error of the operator", () =>
  Effect.gen(function* () {
    const boom = () => {
      throw new RangeError("too much")
    }
    for (const concurrency of [1, 3]) {
      const error = yield* failureOf(mapped(boom, concurrency))
      assert.deepEqual([error._tag, error.operator], ["JobFailed", "asks"])
      assert.match(error.message, /failed 2 times.*too much/)
      assert.match(error.stack, /userMistakes.test/)
    }
    const error = yield* failureOf(sunk(boom))
    assert.deepEqual([error._tag, error.operator], ["JobFailed", "sink"])
    assert.match(error.message, /failed 2 times.*too much/)
  }))

it("a service that no layer gives is told with its remedy", () =>
  Effect.gen(function* () {
    const remedy = /Service not found: test\/Names; give it in StreamingApp.make\(\{ layer \}\)$/
    for (const output of [mapped(() => Names), mapped(() => Names, 3), sunk(() => Names)]) {
      const error = yield* failureOf(output)
      assert.equal(error._tag, "JobFailed")
      assert.match(error.message, remedy)
    }
    const error = yield* failureOf(each(() => Names))
    assert.equal(error._tag, "MissingService")
    assert.match(error.message, remedy)
    const given = yield* failureOf(mapped(() => Effect.flatMap(Names, Effect.fail)), Layer.succeed(Names, "no remedy"))
    assert.match(given.message, /the last cause: no remedy$/)
  }))

it("a layer that cannot be built says whose it is, where, and why", () =>
  Effect.gen(function* () {
    for (const [what, text] of [[Effect.fail, "no database"], [Effect.die, "Error: no database"]] as const) {
      const cause = what === Effect.fail ? "no database" : new Error("no database")
      const layer = Layer.effect(Names, what(cause) as Effect.Effect<string, unknown>)
      const app = StreamingApp.make({ name: "A", batchDuration: 500, outputs: [numbers.pipe(DStream.print())], layer })
      for (const place of ["driver", "executor"] as const) {
        const error = yield* Effect.flip(buildLayer(app, place))
        assert.ok(error instanceof LayerFailed)
        assert.equal(error.cause, cause)
        assert.equal(error.message, `The layer of app "A" could not be built in the ${place}: ${text}`)
      }
    }
  }))

it("an executor whose layer fails says so to the driver", () =>
  Effect.gen(function* () {
    let builds = 0
    const once = Layer.effect(
      Names,
      Effect.suspend(() => builds++ === 0 ? Effect.succeed("first") : Effect.fail(new Error("one connection only")))
    )
    const error = yield* failureOf(numbers.pipe(DStream.collectTo([])), once)
    assert.equal(error._tag, "PlacementError")
    assert.match(
      error.message,
      /The layer of app "fails" could not be built in the executor: Error: one connection only/
    )
  }))
