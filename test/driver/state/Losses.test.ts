/**
 * States in a whole engine: what a killed executor held is made again from its snapshot and the plans since; every step counts once.
 */
import assert from "node:assert/strict"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as Queue from "../../../adapters/queue/mod.ts"
import { DStream, type State, StateSpec, StreamingApp } from "../../../core/mod.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import { it } from "../../kit.ts"
import * as Local from "../local.ts"

type Pair = readonly [string, number]
type Collected = Array<{ readonly time: number; readonly records: ReadonlyArray<unknown> }>

/** Batch b: some keys, always others, a few that come once. */
const pairsOf = (batch: number): ReadonlyArray<Pair> =>
  Array.from({ length: 12 }, (_, i): Pair => [`k${(batch * 5 + i * i) % 17}`, batch + i])

const pairs = Memory.stream<Pair>({
  numPartitions: 2,
  read: ({ batch, partition }) => pairsOf(batch).filter((_, i) => i % 2 === partition)
})

const sum = (values: ReadonlyArray<number>, state = 0) => values.reduce((a, b) => a + b, state)

/** The states after each batch, the obvious way. */
const expected = (batches: number) => {
  const totals = new Map<string, number>()
  return Array.from({ length: batches }, (_, batch) => {
    for (const [key, value] of pairsOf(batch)) totals.set(key, (totals.get(key) ?? 0) + value)
    return [...totals].sort()
  })
}

const sorted = (collected: Collected) => collected.map(({ records }) => (records as Array<[string, number]>).toSorted())

interface Run {
  readonly outputs: Collected
  readonly events: ReadonlyArray<StreamingEvent>
  /** Batch times of the steps that called the user's function for the key "k0". */
  readonly steps: ReadonlyArray<number>
}

const killing = Effect.fnUntraced(function* (
  kind: "update" | "map",
  batches: number,
  kills: ReadonlyMap<number, string>,
  executors = 2
) {
  const outputs: Collected = []
  const events: Array<StreamingEvent> = []
  const steps: Array<number> = []
  const state = kind === "update"
    ? pairs.pipe(
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: number | undefined, { key, time }) => {
        if (key === "k0") steps.push(time)
        return sum(values, state)
      }),
      DStream.checkpoint("3 seconds")
    )
    : pairs.pipe(
      DStream.mapWithState(StateSpec.make((_key: string, value: number | undefined, state: State<number>) => {
        state.update((state.getOrUndefined() ?? 0) + (value ?? 0))
        return state.get()
      })),
      DStream.checkpoint("3 seconds"),
      DStream.stateSnapshots
    )
  const app = StreamingApp.make({
    name: "states",
    batchDuration: "1 second",
    outputs: [state.pipe(DStream.collectTo(outputs))]
  })
  const kill = new Local.Killer()
  const context = yield* Local.start(app, {
    executors,
    coded: true,
    kill,
    observers: [(event) => void events.push(event)]
  })
  for (let batch = 0; batch < batches; batch++) {
    const victim = kills.get(batch)
    if (victim !== undefined) kill.now(victim === "any" ? kill.alive()[0]! : victim)
    yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    yield* Local.settled
  }
  yield* TestClock.adjust("1 millis")
  yield* context.stop()
  const run: Run = { outputs, events, steps }
  return run
})

for (const kind of ["update", "map"] as const) {
  it(`${kind}: a run without faults has every state of every batch`, () =>
    Effect.gen(function* () {
      const { events, outputs } = yield* killing(kind, 12, new Map())
      assert.deepEqual(sorted(outputs), expected(12))
      const snapshots = events.flatMap((event) => event.kind === "SnapshotCompleted" ? [event.time] : [])
      assert.deepEqual(snapshots, [3000, 6000, 9000, 12000])
    }))

  it(`${kind}: executors killed again and again cost no state and count nothing twice`, () =>
    Effect.gen(function* () {
      const kills = new Map([[2, "any"], [5, "any"], [6, "any"], [11, "any"], [20, "any"], [21, "any"]])
      const { outputs } = yield* killing(kind, 25, kills)
      assert.deepEqual(sorted(outputs), expected(25))
    }))

  it(`${kind}: with one executor, a kill restores the newest snapshot`, () =>
    Effect.gen(function* () {
      const { outputs } = yield* killing(kind, 16, new Map([[8, "any"], [14, "any"]]), 1)
      assert.deepEqual(sorted(outputs), expected(16))
    }))
}

it("after a loss the newest snapshot is read, and only the steps since are taken again", () =>
  Effect.gen(function* () {
    const { steps } = yield* killing("update", 10, new Map([[8, "any"]]), 1)
    const taken = (time: number) => steps.filter((step) => step === time).length
    assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((batch) => taken(batch * 1000)), [
      1,
      1,
      1,
      1,
      1,
      1,
      2,
      2,
      1,
      1
    ])
  }))

it("two outputs over one state, side by side, see one history, and the function is called once for each", () =>
  Effect.gen(function* () {
    const calls: Array<string> = []
    const counted = pairs.pipe(
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: number | undefined, { key, time }) => {
        calls.push(`${time} ${key}`)
        return sum(values, state)
      })
    )
    const [all, doubled]: [Collected, Collected] = [[], []]
    const app = StreamingApp.make({
      name: "two",
      batchDuration: "1 second",
      outputs: [
        counted.pipe(DStream.collectTo(all)),
        counted.pipe(DStream.mapValues((n) => n * 2), DStream.collectTo(doubled))
      ],
      settings: { concurrentJobs: 2 }
    })
    yield* Local.start(app, { executors: 2 })
    for (let batch = 0; batch < 8; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    assert.deepEqual(sorted(all), expected(8))
    assert.deepEqual(sorted(doubled), expected(8).map((batch) => batch.map(([key, n]) => [key, n * 2])))
    assert.equal(new Set(calls).size, calls.length)
  }))

it("a function that throws after half of a partition leaves the state as it was, and the retry counts once", () =>
  Effect.gen(function* () {
    const outputs: Collected = []
    let faults = 3
    let calls = 0
    const stumbling = pairs.pipe(
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: number | undefined) => {
        if (++calls % 9 === 0 && faults-- > 0) throw new Error("stumbled")
        return sum(values, state)
      }, { numPartitions: 1 })
    )
    const app = StreamingApp.make({
      name: "stumbling",
      batchDuration: "1 second",
      outputs: [stumbling.pipe(DStream.collectTo(outputs))]
    })
    yield* Local.start(app, { executors: 2 })
    for (let batch = 0; batch < 6; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    assert.ok(faults <= 0)
    assert.deepEqual(sorted(outputs), expected(6))
  }))

it("an output that reads nothing has the state step all the same", () =>
  Effect.gen(function* () {
    let calls = 0
    const lazy = pairs.pipe(
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: number | undefined) => {
        calls++
        return sum(values, state)
      }),
      DStream.foreachBatch(() => Effect.void)
    )
    const app = StreamingApp.make({ name: "lazy", batchDuration: "1 second", outputs: [lazy] })
    yield* Local.start(app, { executors: 2 })
    yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    assert.equal(calls, new Set(pairsOf(0).map(([key]) => key)).size)
  }))

it("a state goes on over missed ticks: each version follows the last that there was", () =>
  Effect.gen(function* () {
    const outputs: Collected = []
    const events: Array<StreamingEvent> = []
    const slow = pairs.pipe(
      DStream.updateStateByKey(sum),
      DStream.checkpoint("4 seconds"),
      DStream.foreachBatch((batch) =>
        Effect.tap(batch.collect, (records) => {
          outputs.push({ time: batch.time, records })
          return Effect.sleep("2500 millis")
        })
      )
    )
    const kill = new Local.Killer()
    const app = StreamingApp.make({
      name: "slow",
      batchDuration: "1 second",
      outputs: [slow],
      settings: { missedTicks: "coalesce" }
    })
    yield* Local.start(app, { executors: 1, kill, observers: [(event) => void events.push(event)] })
    for (let second = 0; second < 40; second++) {
      if (second === 22) kill.now(kill.alive()[0]!)
      yield* Effect.andThen(TestClock.adjust("500 millis"), Local.settled)
    }
    const times = outputs.map(({ time }) => time)
    assert.ok(times.length >= 5 && times.some((time, i) => i > 0 && time - times[i - 1]! > 1000), String(times))
    const totals = new Map<string, number>()
    for (const { records, time } of outputs) {
      for (const [key, value] of pairsOf(time / 1000 - 1)) totals.set(key, (totals.get(key) ?? 0) + value)
      assert.deepEqual((records as Array<[string, number]>).toSorted(), [...totals].sort())
    }
    assert.ok(events.some(({ kind }) => kind === "TicksMissed"))
    assert.ok(events.some(({ kind }) => kind === "SnapshotCompleted"))
  }))

it("a state that cannot be encoded ends the program at its first snapshot, with operator, key and remedy", () =>
  Effect.gen(function* () {
    class Total {
      readonly sum: number
      constructor(sum: number) {
        this.sum = sum
      }
    }
    const totals = pairs.pipe(
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: Total | undefined) =>
        new Total(sum(values, state?.sum))
      ),
      DStream.named("totals"),
      DStream.checkpoint("2 seconds"),
      DStream.foreachBatch((batch) => batch.count)
    )
    const app = StreamingApp.make({ name: "instances", batchDuration: "1 second", outputs: [totals] })
    const context = yield* Local.start(app, { executors: 1 })
    for (let batch = 0; batch < 3; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    const error = yield* Effect.flip(context.awaitTermination)
    assert.equal((error as { readonly _tag: string })._tag, "StateNotEncodable")
    assert.match(String(error), /operator "totals" .*key "k\d+".*Total.*plain data/s)
  }))

it("after a loss that left one executor with all states, the next snapshot spreads them again", () =>
  Effect.gen(function* () {
    const outputs: Collected = []
    const placed: Array<
      { readonly executor: string; readonly stage: string; readonly partitions: ReadonlyArray<number> }
    > = []
    const counted = pairs.pipe(
      DStream.updateStateByKey(sum, { numPartitions: 2 }),
      DStream.checkpoint("2 seconds"),
      DStream.collectTo(outputs)
    )
    const app = StreamingApp.make({ name: "spread", batchDuration: "1 second", outputs: [counted] })
    const kill = new Local.Killer()
    yield* Local.start(app, {
      executors: 2,
      kill,
      heard: (message, executor) => {
        if (message.kind !== "RunTasks" || message.work.kind !== "state") return
        placed.push({ executor, stage: message.stage, partitions: message.tasks.map(({ partition }) => partition) })
      }
    })
    const batch = Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    yield* Effect.repeat(batch, { times: 4 })
    yield* TestClock.adjust("999 millis")
    kill.now("executor-2")
    yield* Effect.andThen(TestClock.adjust("1 millis"), Local.settled)
    yield* Effect.repeat(Effect.andThen(batch, Local.settled), { times: 5 })
    const ofPartition1 = (time: number) =>
      placed.find(({ partitions, stage }) => stage.includes(`@${time}:`) && partitions.includes(1))!.executor
    assert.deepEqual(sorted(outputs), expected(outputs.length))
    assert.deepEqual([5000, 6000, 10_000].map(ofPartition1), ["executor-2", "executor-1", "executor-3"])
  }))

it("what a batch that could not be generated would have read is not lost to states and windows of other inputs", () =>
  Effect.gen(function* () {
    const [sums, windows]: [Collected, Collected] = [[], []]
    const once = DStream.sideValue(
      Effect.clockWith((clock) =>
        Effect.flatMap(
          clock.currentTimeMillis,
          (now) => now === 2000 ? Effect.fail(new Error("no route")) : Effect.succeed(now)
        )
      ),
      Schema.Number
    )
    const queue: Array<ReadonlyArray<Pair>> = [[["a", 1]], [["a", 10]], [["a", 100]], [["a", 1000]]]
    const input = Queue.stream(queue)
    const app = StreamingApp.make({
      name: "sides",
      batchDuration: "1 second",
      outputs: [
        input.pipe(DStream.updateStateByKey(sum), DStream.collectTo(sums)),
        input.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "2 seconds"), DStream.collectTo(windows)),
        pairs.pipe(DStream.transform((rdd) => rdd, { sideValues: { once } }), DStream.foreachBatch(() => Effect.void))
      ],
      settings: { onBatchFailure: "skip" }
    })
    yield* Local.start(app)
    for (let batch = 0; batch < 5; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    const shown = (collected: Collected) => collected.map(({ records, time }) => [time, ...records.flat()])
    assert.deepEqual(shown(sums), [[1000, "a", 1], [3000, "a", 11], [4000, "a", 111], [5000, "a", 1111]])
    assert.deepEqual(shown(windows), [[1000, "a", 1], [3000, "a", 10], [4000, "a", 110], [5000, "a", 1100]])
  }))

it("an input whose planner fails fails its batch, and what the others gave is there for states and windows", () =>
  Effect.gen(function* () {
    const [sums, windows]: [Collected, Collected] = [[], []]
    const queue: Array<ReadonlyArray<Pair>> = [[["a", 1]], [["a", 10]], [["a", 100]]]
    const input = Queue.stream(queue)
    const broken = DStream.fromInput<number, never, never>("broken", {
      kind: "direct",
      planner: Effect.succeed({
        plan: ({ time }) =>
          time === 2000 ? Effect.die(new Error("no route")) : Effect.succeed({ records: 0, partitions: [] })
      }),
      reader: Effect.die("nothing to read")
    })
    const app = StreamingApp.make({
      name: "planners",
      batchDuration: "1 second",
      outputs: [
        input.pipe(DStream.updateStateByKey(sum), DStream.collectTo(sums)),
        input.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "2 seconds"), DStream.collectTo(windows)),
        broken.pipe(DStream.foreachBatch(() => Effect.void))
      ],
      settings: { onBatchFailure: "skip" }
    })
    yield* Local.start(app)
    for (let batch = 0; batch < 4; batch++) yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    const shown = (collected: Collected) => collected.map(({ records, time }) => [time, ...records.flat()])
    assert.deepEqual(shown(sums), [[1000, "a", 1], [3000, "a", 111], [4000, "a", 111]])
    assert.deepEqual(shown(windows), [[1000, "a", 1], [3000, "a", 110], [4000, "a", 100]])
  }))
