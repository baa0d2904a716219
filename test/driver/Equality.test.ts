/**
 * What a batch holds is a function of program, settings and plan: whoever computes it, wherever, and whatever was lost meanwhile.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import { cut } from "../../core/rdd/RDD.ts"
import type { BatchPlan } from "../../core/dstream/BatchPlan.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import * as Settings from "../../core/settings/Settings.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { BlockLocations } from "../../runtime/driver/BlockLocations.ts"
import * as TaskScheduler from "../../runtime/driver/TaskScheduler.ts"
import { type Executors, Placement } from "../../runtime/placement/Placement.ts"
import type { Partitions } from "../model/Partitions.ts"
import { batchOf } from "../model/model.ts"
import * as Local from "./local.ts"
import { offset, type Program, program, streamsOf } from "./programs.ts"

const settings = { defaultParallelism: 3, codeGeneration: true }

type Delivered = ReadonlyMap<string, Partitions>

const appOf = (it: Program, delivered: Map<string, Partitions>) =>
  StreamingApp.make({
    name: "random",
    batchDuration: 1000,
    outputs: streamsOf(it).map((stream, index) =>
      stream.pipe(DStream.foreachBatch((batch) =>
        Effect.map(batch.partitions, (partitions) => delivered.set(`${index} at ${batch.time}`, partitions))
      ))
    )
  })

/** What both outputs deliver; `kills`: when executors die, in milliseconds, and which of those alive. */
const deliver = (
  it: Program,
  options: Local.LocalOptions,
  kills: ReadonlyArray<readonly [at: number, which: number]> = []
) => {
  const delivered = new Map<string, Partitions>()
  const kill = new Local.Killer()
  const run = Effect.gen(function* () {
    const context = yield* Local.start(appOf(it, delivered), { settings, kill, ...options })
    const until = (it.batches.length + 1) * 1000
    let now = 0
    for (const [at, which] of kills.filter(([at]) => at <= until)) {
      yield* TestClock.adjust(at - now)
      now = at
      const alive = kill.alive()
      if (alive.length > 0) kill.now(alive[which % alive.length]!)
      yield* Local.settled
    }
    yield* TestClock.adjust(until - now)
    // Lost time of retries.
    yield* TestClock.adjust("500 millis")
    yield* Local.settled
    if (context.state() === "Stopped") yield* context.awaitTermination
    yield* context.stop()
    return delivered as Delivered
  })
  return Effect.runPromise(run.pipe(Effect.scoped, Effect.provide(TestClock.layer())) as Effect.Effect<Delivered>)
}

const wanted = (it: Program): Delivered => {
  const delivered = new Map<string, Partitions>()
  for (let time = 1000; time <= (it.batches.length + 1) * 1000; time += 1000) {
    streamsOf(it).forEach((stream, index) => {
      const partitions = batchOf(stream, time, {
        defaultParallelism: settings.defaultParallelism,
        input: () => cut(it.batches[time / 1000 - 1] ?? [], it.numPartitions),
        sideValue: () => offset(time)
      })
      if (partitions !== undefined) delivered.set(`${index} at ${time}`, partitions)
    })
  }
  return delivered
}

/** Order of batches may differ where jobs run beside each other; partitions and their order may not. */
const bytesOf = (delivered: Delivered): string =>
  JSON.stringify(
    [...delivered].sort(([a], [b]) => a < b ? -1 : 1).map(([key, partitions]) => [
      key,
      partitions.map((part) => Buffer.from(messagePack.encode(part)).toString("base64"))
    ])
  )

const same = (actual: Delivered, expected: Delivered) => {
  if (bytesOf(actual) !== bytesOf(expected)) {
    assert.deepEqual(new Map([...actual].sort()), new Map([...expected].sort()))
  }
}

test("random programs deliver the partitions of the model: by reference, coded, on one, two and three executors", {
  timeout: 60_000
}, async () => {
  await fc.assert(
    fc.asyncProperty(program, async (it) => {
      const model = wanted(it)
      same(await deliver(it, {}), model)
      same(await deliver(it, { executors: 2, coded: true }), model)
      same(
        await deliver(it, { executors: 3, settings: { ...settings, codeGeneration: false, concurrentJobs: 2 } }),
        model
      )
    }),
    { numRuns: 60 }
  )
})

test("random programs deliver the same when executors are killed, also in the middle of tasks", {
  timeout: 60_000
}, async () => {
  // Batches start at whole seconds; a mapEffect sleeps for 0 to 2 ms.
  const time = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(5)).map(([second, millis]) => second * 1000 + millis)
  const kills = fc.array(fc.tuple(time, fc.nat(3)), { minLength: 1, maxLength: 4 })
  let struck = 0
  await fc.assert(
    fc.asyncProperty(program, kills, fc.boolean(), async (it, kills, coded) => {
      let open = 0
      const observe = (event: StreamingEvent) => {
        if (event.kind === "BatchStarted") open++
        if (event.kind === "BatchCompleted") open--
        if (event.kind === "ExecutorRemoved" && open > 0) struck++
      }
      const sleepy = { ...it, chain: [4, ...it.chain] }
      const options = { executors: 2, coded, observers: [observe] }
      same(await deliver(sleepy, options, kills.toSorted(([a], [b]) => a - b)), wanted(sleepy))
    }),
    { numRuns: 80 }
  )
  assert.ok(struck > 20, `only ${struck} executors died during a batch`)
})

/** What another driver with other executors computes that knows nothing but app, settings and plans; the latest batch first. */
const fromPlans = (it: Program, plans: ReadonlyArray<BatchPlan>, times: ReadonlyArray<number>, executors: number) => {
  const app = appOf(it, new Map())
  const graph = DStreamGraph.make(app)
  const resolved = Settings.resolve([settings], { batchMillis: 1000, executors })
  const memo = GeneratedRDDs.make(graph, resolved)
  for (const plan of plans) memo.addPlan(plan)
  const run = Effect.gen(function* () {
    const border = yield* Border
    const placement = yield* Placement
    const parts = {
      send: (...to: Parameters<Executors["send"]>) => started.send(...to),
      planLog: memo,
      digest: memo.digest.bind(memo),
      rdd: memo.rdd.bind(memo),
      snapshotDue: () => false,
      snapshotOf: () => undefined,
      reuseMillis: () => 0
    }
    const tasks = TaskScheduler.make({ ...parts, blockLocations: new BlockLocations(), settings: resolved })
    const { manifest } = graph
    const handshake = {
      appName: "",
      epoch: 1,
      batchMillis: 1000,
      settings: resolved,
      config: {},
      manifest,
      codeFingerprint: ""
    }
    const started: Executors = yield* placement.start(handshake, tasks.executorEvent.bind(tasks))
    const delivered = new Map<string, Partitions>()
    for (const time of times.toReversed()) {
      for (const [index, { id, stream }] of graph.outputs.entries()) {
        const rdd = memo.getOrCompute(stream, time)!
        const values = yield* tasks.runJob({ rdd, action: { kind: "collect" }, time, output: id })
        delivered.set(`${index} at ${time}`, values.map((value) => border.unpack(value!) as ReadonlyArray<unknown>))
      }
    }
    return delivered
  })
  return Effect.runPromise(run.pipe(Effect.provide(Local.layerOf(app, { executors, coded: true })), Effect.scoped))
}

test("a driver and executors that start from app, settings and plans alone make the same partitions, byte for byte", {
  timeout: 60_000
}, async () => {
  await fc.assert(
    fc.asyncProperty(program, fc.integer({ min: 1, max: 3 }), async (it, executors) => {
      const plans = new Map<number, BatchPlan>()
      const heard = (message: ToExecutor) => {
        if (message.kind === "RunTasks") { for (const plan of message.plans) plans.set(plan.time, plan) }
      }
      const delivered = await deliver(it, { coded: true, heard })
      // Plans are data: they survive what a log or a wire does to them.
      const recorded = messagePack.decode(messagePack.encode([...plans.values()])) as ReadonlyArray<BatchPlan>
      const times = [...plans.keys()]
      const again = await fromPlans(it, recorded, times, executors)
      const last = new Map([...delivered].filter(([key]) => times.includes(Number(key.split(" at ")[1]))))
      assert.equal(last.size, delivered.size)
      same(again, last)
    }),
    { numRuns: 60 }
  )
})
