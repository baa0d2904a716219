/**
 * The app's layer: built once in the driver and once in each executor, given to the user's Effects there, released at the end.
 */
import * as assert from "node:assert/strict"
import { Context, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { Receiver } from "../../core/receiving/Receiver.ts"
import { it } from "../kit.ts"
import { type Collected, recordsOf } from "./collected.ts"
import * as Local from "./local.ts"

/** Each build has a number; which one served is what the tests look at. */
class Instance extends Context.Service<Instance, number>()("test/Instance") {}

const instances = () => {
  const live = new Set<number>()
  let built = 0
  const layer = Layer.effect(
    Instance,
    Effect.acquireRelease(
      Effect.sync(() => {
        live.add(++built)
        return built
      }),
      (number) => Effect.sync(() => live.delete(number))
    )
  )
  return { live, layer, built: () => built }
}

const numbers = Memory.stream({ numPartitions: 8, read: ({ partition }) => [partition] })

it("mapEffect, foreachPartition and receivers get the executor's; foreachBatch, side values and planners the driver's", () =>
  Effect.gen(function* () {
    for (const executors of [1, 2]) {
      const { layer, live, built } = instances()
      const mapped: Collected<number> = []
      const received: Collected<number> = []
      const inPartitions = new Set<number>()
      const inBatches = new Set<number>()
      const sides: Collected<number> = []
      const receiver: Receiver<number, never, Instance> = {
        name: "own",
        onStart: (store) => Effect.flatMap(Instance, (number) => Effect.ignore(store.array([number]))),
        onStop: Effect.asVoid(Instance),
        storageLevel: "MEMORY_ONLY",
        preferredHost: undefined
      }
      const side = DStream.sideValue(Instance, Schema.Number)
      const app = StreamingApp.make({
        name: "layered",
        batchDuration: "1 second",
        layer,
        outputs: [
          numbers.pipe(DStream.mapEffect(() => Instance), DStream.collectTo(mapped)),
          numbers.pipe(DStream.foreachPartition(() => Effect.map(Instance, (number) => inPartitions.add(number)))),
          numbers.pipe(DStream.foreachBatch(() => Effect.map(Instance, (number) => inBatches.add(number)))),
          DStream.fromInput<number, never, Instance>("own", { kind: "receiver", receiver, decode: undefined })
            .pipe(DStream.collectTo(received)),
          numbers.pipe(
            DStream.transform((rdd, { sideValues }) => {
              assert.equal(sideValues.side, 1)
              return rdd
            }, { sideValues: { side } }),
            DStream.collectTo(sides)
          )
        ]
      })
      const context = yield* Local.start(app, { executors })
      assert.equal(built(), 1 + executors)
      yield* TestClock.adjust("3 seconds")
      assert.equal(sides.length, 3)
      assert.equal(built(), 1 + executors)
      assert.equal(live.size, 1 + executors)
      // The driver builds first.
      assert.deepEqual([...inBatches], [1])
      const wanted = executors === 1 ? [2] : [2, 3]
      assert.deepEqual([...new Set(recordsOf(mapped))].sort(), wanted)
      assert.deepEqual([...inPartitions].sort(), wanted)
      assert.equal(recordsOf(received).length, 1)
      assert.ok(wanted.includes(recordsOf(received)[0]!))
      yield* executors === 2 ? Local.stopGracefully(context) : context.stop()
      assert.equal(live.size, 0)
    }
  }))

it("a layer that the caller provides elsewhere too is built anew for driver and executor", () =>
  Effect.gen(function* () {
    const { layer, built } = instances()
    const app = StreamingApp.make({
      name: "shared",
      batchDuration: "1 second",
      layer,
      outputs: [numbers.pipe(DStream.mapEffect(() => Instance), DStream.collectTo([]))]
    })
    yield* Effect.provide(
      Effect.gen(function* () {
        assert.equal(yield* Instance, 1)
        const context = yield* Local.start(app)
        yield* TestClock.adjust("1 second")
        yield* context.stop()
      }),
      layer
    )
    assert.equal(built(), 3)
  }))

it("an executor that is replaced builds its own, and the lost one's is released", () =>
  Effect.gen(function* () {
    const { layer, live, built } = instances()
    const out: Collected<number> = []
    const app = StreamingApp.make({
      name: "replaced",
      batchDuration: "1 second",
      layer,
      outputs: [numbers.pipe(DStream.mapEffect(() => Instance), DStream.collectTo(out))]
    })
    const kill = new Local.Killer()
    const context = yield* Local.start(app, { executors: 2, kill })
    yield* TestClock.adjust("1 second")
    kill.now("executor-1")
    yield* TestClock.adjust("1 second")
    assert.equal(built(), 4)
    assert.deepEqual([...live], [1, 3, 4])
    yield* TestClock.adjust("1 second")
    assert.deepEqual([...new Set(out.at(-1)!.records)].sort(), [3, 4])
    yield* context.stop()
    assert.equal(live.size, 0)
  }))
