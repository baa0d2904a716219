/**
 * States after a driver is lost: one that starts from nothing but the app, its settings, the plans that were recorded, and the references
 * of complete snapshots has the same partitions as the one that ran all along.
 */
import assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { messagePack } from "../../../adapters/codec/MessagePack.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import type { BatchPlan } from "../../../core/dstream/BatchPlan.ts"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../../core/dstream/GeneratedRDDs.ts"
import { DStream, JobFailed, type State, StateSpec, StreamingApp } from "../../../core/mod.ts"
import { Border } from "../../../core/protocol/RecordCodec.ts"
import * as Settings from "../../../core/settings/Settings.ts"
import { type CompleteSnapshot, SnapshotTracker } from "../../../core/state/SnapshotTracker.ts"
import { BlockLocations } from "../../../runtime/driver/BlockLocations.ts"
import * as TaskScheduler from "../../../runtime/driver/TaskScheduler.ts"
import { type Executors, Placement } from "../../../runtime/placement/Placement.ts"
import * as BlockStorage from "../../../runtime/storage/BlockStorage.ts"
import { ofBlocks } from "../../../runtime/storage/snapshots/snapshotStorage.ts"
import { it } from "../../kit.ts"
import * as Local from "../local.ts"

type Pair = readonly [string, number]
type Partitions = ReadonlyArray<ReadonlyArray<unknown>>
type Delivered = ReadonlyMap<string, Partitions>

const settings = { defaultParallelism: 3 }
const batches = 17

/** The first batch brings many keys; then come some, always others. */
const pairs = Memory.stream<Pair>({
  numPartitions: 2,
  read: ({ batch, partition }) =>
    Array.from(
      { length: batch === 0 ? 300 : 12 },
      (_, i): Pair => [`k${batch === 0 ? i : (batch * 5 + i * i) % 37}`, batch + i]
    )
      .filter((_, i) => i % 2 === partition)
})

const sum = (values: ReadonlyArray<number>, state = 0) => values.reduce((a, b) => a + b, state)
const running = StateSpec.make((key: string, value: number | undefined, state: State<number>) => {
  state.update((state.getOrUndefined() ?? 0) + (value ?? 0))
  return [key, state.get()] as const
})

/** Four states, one of them over another. */
const streamsOf = (options: DStream.UpdateStateOptions<string, any> = {}) => {
  const sums = pairs.pipe(
    DStream.updateStateByKey(sum, options),
    DStream.named("sums"),
    DStream.checkpoint("3 seconds")
  )
  const seconds = DStream.checkpoint("2 seconds")
  return [
    sums,
    sums.pipe(DStream.mapWithState(running), seconds, DStream.named("over")),
    pairs.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "4 seconds"), seconds),
    pairs.pipe(
      DStream.reduceByKeyAndWindow((a, b) => a + b, "4 seconds", "1 second", { inverse: (a, b) => a - b }),
      seconds
    )
  ]
}

const appOf = (streams: ReadonlyArray<DStream.DStream<any>>, delivered: Map<string, Partitions>) =>
  StreamingApp.make({
    name: "recovered",
    batchDuration: "1 second",
    outputs: streams.map((stream, index) =>
      stream.pipe(DStream.foreachBatch((batch) =>
        Effect.map(batch.partitions, (partitions) => void delivered.set(`${index} at ${batch.time}`, partitions))
      ))
    )
  })

interface Left {
  readonly plans: ReadonlyArray<BatchPlan>
  readonly complete: ReadonlyArray<CompleteSnapshot>
  readonly snapshots: BlockStorage.MemoryBlockStorage
  readonly delivered: Delivered
}

/** A run, and what it leaves: plans from where the states need them, the snapshots that are kept, and what was delivered. */
const leave = Effect.gen(function* () {
  const plans = new Map<number, BatchPlan>()
  const delivered = new Map<string, Partitions>()
  const app = appOf(streamsOf(), delivered)
  const tracker = new SnapshotTracker(DStreamGraph.make(app))
  const snapshots = BlockStorage.memory()
  const context = yield* Local.start(app, {
    settings,
    coded: true,
    executors: 2,
    snapshots: { storage: ofBlocks(snapshots), codec: messagePack, removes: false },
    heard: (message) => {
      if (message.kind === "RunTasks") { for (const plan of message.plans) plans.set(plan.time, plan) }
    },
    observers: [(event) => {
      if (event.kind === "SnapshotCompleted") tracker.completed(event)
    }]
  })
  for (let batch = 0; batch < batches; batch++) {
    yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    yield* Local.settled
  }
  yield* context.stop()
  const { from } = tracker.needed(batches * 1000)
  assert.ok(from > 1000, "nothing could be forgotten")
  const kept = [...plans.values()].filter(({ time }) => time >= from)
  const left: Left = {
    plans: messagePack.decode(messagePack.encode(kept)) as ReadonlyArray<BatchPlan>,
    complete: tracker.complete,
    snapshots,
    delivered
  }
  return left
})

interface Found {
  readonly delivered: Delivered
  readonly retried: ReadonlyArray<string>
  /** Which versions were asked for from snapshots. */
  readonly restored: ReadonlyArray<string>
}

/** What another driver comes to, in the batches at `times`. */
const recover = (
  { complete, plans, snapshots }: Left,
  times: ReadonlyArray<number>,
  streams: ReadonlyArray<DStream.DStream<any>> = streamsOf()
) => {
  const app = appOf(streams, new Map())
  const graph = DStreamGraph.make(app)
  const resolved = Settings.resolve([settings], { batchMillis: 1000, executors: 3 })
  const memo = GeneratedRDDs.make(graph, resolved)
  for (const plan of plans) memo.addPlan(plan)
  const tracker = new SnapshotTracker(graph)
  for (const snapshot of complete) tracker.completed(snapshot)
  const retried: Array<string> = []
  const restored: Array<string> = []
  const run = Effect.gen(function* () {
    const border = yield* Border
    const placement = yield* Placement
    const tasks = TaskScheduler.make({
      send: (...to) => started.send(...to),
      planLog: memo,
      digest: memo.digest.bind(memo),
      rdd: memo.rdd.bind(memo),
      snapshotDue: () => false,
      snapshotOf: (operator, time) => tracker.filesOf(operator, time),
      reuseMillis: () => 1000,
      onTaskRetried: ({ reason }) => retried.push(reason),
      blockLocations: new BlockLocations(),
      settings: resolved
    })
    const handshake = {
      appName: app.name,
      epoch: 2,
      batchMillis: 1000,
      settings: resolved,
      config: {},
      manifest: graph.manifest,
      codeFingerprint: ""
    }
    const started: Executors = yield* placement.start(handshake, tasks.executorEvent.bind(tasks))
    const delivered = new Map<string, Partitions>()
    for (const time of times) {
      for (const [index, { id, stream }] of graph.outputs.entries()) {
        const rdd = memo.getOrCompute(stream, time)!
        const values = yield* tasks.runJob({ rdd, action: { kind: "collect" }, time, output: id })
        delivered.set(`${index} at ${time}`, values.map((value) => border.unpack(value!) as ReadonlyArray<unknown>))
      }
    }
    const found: Found = { delivered, retried, restored }
    return found
  })
  const layer = Local.layerOf(app, {
    executors: 3,
    coded: true,
    snapshots: { storage: ofBlocks(snapshots), codec: messagePack, prefix: "epochs/00000002/state", removes: false },
    heard: (message) => {
      if (message.kind !== "RunTasks") return
      if (message.tasks.some(({ restore }) => restore !== undefined)) restored.push(message.stage)
    }
  })
  return run.pipe(Effect.provide(layer), Effect.scoped)
}

/** Of a job that has to fail. */
const failureOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.ok(error instanceof JobFailed)
    return error
  })

const after = (time: number) => Array.from({ length: batches - time / 1000 + 1 }, (_, i) => time + i * 1000)

const same = (found: Delivered, wanted: Delivered, times: ReadonlyArray<number>) => {
  const of = (delivered: Delivered) =>
    [...delivered].filter(([key]) => times.includes(Number(key.split(" at ")[1]))).sort()
  assert.deepEqual(of(found), of(wanted))
  assert.ok(of(found).length >= times.length)
}

it("a driver which starts from nothing but the app, its settings, plans and references has the same states", () =>
  Effect.gen(function* () {
    const left = yield* leave
    assert.ok(
      left.complete.some(({ files }) => files.some((chain) => chain.length > 1)),
      "no snapshot builds on another"
    )
    for (const times of [after(16_000), [16_000], [17_000], [17_000, 16_000]]) {
      const { delivered, restored, retried } = yield* recover(left, times)
      same(delivered, left.delivered, times)
      assert.deepEqual(retried, [])
      assert.ok(restored.length >= 4, "states were not restored")
    }
  }))

/** What remains of a snapshot's own file. */
const damage = ({ snapshots }: Left, { files }: CompleteSnapshot) => {
  const own = files[0]!.at(-1)!
  const bytes = snapshots.blocks.get(own)!
  return Effect.andThen(snapshots.remove(own), snapshots.write(own, bytes.slice(0, bytes.length >> 1)))
}

it("from a snapshot that is damaged a driver goes back to the one before it, and makes the steps since again", () =>
  Effect.gen(function* () {
    const left = yield* leave
    for (const operator of ["sums", "over"]) {
      yield* damage(left, left.complete.findLast((snapshot) => snapshot.operator === operator)!)
    }
    const { delivered, retried } = yield* recover(left, [17_000])
    same(delivered, left.delivered, [17_000])
    assert.ok(retried.some((reason) => /"?sums.*state\/sums\/0\/15000 is damaged at/.test(reason)), retried.join("\n"))
  }))

it("where no snapshot can be read the job ends with why, and is not tried for ever", () =>
  Effect.gen(function* () {
    const left = yield* leave
    for (const snapshot of left.complete) if (snapshot.operator === "sums") yield* damage(left, snapshot)
    const { message, operator } = yield* failureOf(recover(left, [17_000]))
    assert.equal(operator, "sums")
    assert.match(
      message,
      /its snapshot cannot be restored: .*state\/sums\/0\/\d+ is damaged.* no snapshot before that one/
    )
  }))

it("a program that spreads a state over another number of partitions is told, with the remedy", () =>
  Effect.gen(function* () {
    const left = yield* leave
    const { message, operator } = yield* failureOf(recover(left, [17_000], streamsOf({ numPartitions: 4 })))
    assert.equal(operator, "sums")
    assert.match(
      message,
      /lies in 3 partitions, and the program now spreads it over 4: give the operator numPartitions: 3/
    )
  }))

it("a program whose states have a later version migrates what it restores; without a way it is told", () =>
  Effect.gen(function* () {
    const left = yield* leave
    const grown = (migrations: { readonly [from: number]: (old: any) => any }) =>
      pairs.pipe(
        DStream.updateStateByKey((values, state: { readonly sum: number } | undefined) => ({
          sum: sum(values, state?.sum)
        }), { version: 2, migrations }),
        DStream.named("sums"),
        DStream.checkpoint("3 seconds"),
        DStream.mapValues(({ sum }) => sum)
      )
    const { delivered } = yield* recover(left, [16_000, 17_000], [grown({ 1: (sum: number) => ({ sum }) })])
    for (const at of ["0 at 16000", "0 at 17000"]) assert.deepEqual(delivered.get(at), left.delivered.get(at))
    const { message, operator } = yield* failureOf(recover(left, [17_000], [grown({})]))
    assert.equal(operator, "sums")
    assert.match(message, /has version 1, the program's is 2, and there is no migration from version 1/)
  }))
