/**
 * Dynamic allocation in a whole engine: slow batches bring executors, idle ones let them go, and nothing of what batches say changes.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, type SettingsInput, StreamingApp } from "../../core/mod.ts"
import * as Receiver from "../../core/receiving/Receiver.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { type Collected, recordsOf } from "../driver/collected.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"

const settings = { dynamicAllocation: true, scalingInterval: "5 seconds" } as const

/** Executors and what is said of them, in order. */
const lineOf = (event: StreamingEvent): ReadonlyArray<string> => {
  switch (event.kind) {
    case "ExecutorsRequested":
      return [`${event.total} requested`]
    case "ExecutorAdded":
      return [`${event.executor} added`]
    case "ExecutorRemoved":
      return [`${event.executor} ${event.reason}`]
    case "TaskRetried":
      return [`retried: ${event.reason}`]
    default:
      return []
  }
}

const running = Effect.fnUntraced(function* (app: StreamingApp.StreamingApp<any, never>, options: Local.LocalOptions) {
  const lines: Array<string> = []
  const observe = (event: StreamingEvent) => void lines.push(...lineOf(event))
  const context = yield* Local.start(app, { ...options, observers: [observe, ...options.observers ?? []] })
  /** Lets time go on, a tenth of a second after the other, and says what was new of executors. */
  const during = Effect.fnUntraced(function* (seconds: number) {
    for (let tenth = 0; tenth < seconds * 10; tenth++) {
      yield* Effect.andThen(TestClock.adjust("100 millis"), Local.settled)
    }
    return lines.splice(0)
  })
  return { context, during, lines }
})

const partitions = 6
const keyOf = (n: number) => `k${n % 7}`
const numbersOf = (batch: number, partition: number) => [batch * 100 + partition, batch * 100 + partition + 10]

/** Each partition takes 300 ms until batch `light`, and no time from then on. */
const load = (light: number) =>
  Memory.stream({
    numPartitions: partitions,
    read: ({ batch, partition }) => numbersOf(batch, partition)
  }).pipe(
    DStream.mapPartitions((numbers) => [numbers]),
    DStream.mapEffect((numbers) => Effect.as(numbers[0]! < light * 100 ? Effect.sleep(300) : Effect.void, numbers)),
    DStream.flatMap((numbers) => numbers)
  )

const add = (a: number, b: number) => a + b

/** The sums of the last `last` batches by key, after each, the obvious way. */
const sumsOf = (batches: number, last = Infinity) =>
  Array.from({ length: batches }, (_, newest) => {
    const sums = new Map<string, number>()
    for (let batch = Math.max(0, newest - last + 1); batch <= newest; batch++) {
      for (let partition = 0; partition < partitions; partition++) {
        for (const n of numbersOf(batch, partition)) sums.set(keyOf(n), (sums.get(keyOf(n)) ?? 0) + n)
      }
    }
    return [...sums].toSorted()
  })

const sorted = (collected: Collected<readonly [string, number]>) => collected.map(({ records }) => records.toSorted())

it(
  "slow batches bring executors, idle ones let them go, and states and windows stay right",
  () =>
    Effect.gen(function* () {
      const states: Collected<readonly [string, number]> = []
      const windows: Collected<readonly [string, number]> = []
      const pairs = load(20).pipe(DStream.mapToPair((n) => [keyOf(n), n] as const), DStream.cache)
      const app = StreamingApp.make({
        name: "scaled",
        batchDuration: "1 second",
        outputs: [
          pairs.pipe(
            DStream.updateStateByKey(
              (values: ReadonlyArray<number>, sum: number | undefined) => values.reduce(add, sum ?? 0),
              {
                numPartitions: 4
              }
            ),
            DStream.checkpoint("3 seconds"),
            DStream.collectTo(states)
          ),
          pairs.pipe(
            DStream.reduceByKeyAndWindow(add, "3 seconds", undefined, { inverse: (a, b) => a - b }),
            DStream.collectTo(windows)
          )
        ],
        settings
      })
      const { context, during } = yield* running(app, { coded: true })
      assert.deepEqual(yield* during(4), ["executor-1 added"])
      // A batch takes 1.8 s, and one after the other: as many more as that is batch durations.
      assert.deepEqual(yield* during(10), ["3 requested", "executor-2 added", "executor-3 added"])
      const rest = yield* during(40)
      assert.deepEqual(rest.filter((line) => line.includes("requested")), [])
      assert.deepEqual(rest.filter((line) => line.includes("retried")), [])
      assert.deepEqual(rest.map((line) => line.replace(/\d/, "n")), ["executor-n removed", "executor-n removed"])
      yield* context.stop()
      assert.ok(states.length > 40)
      assert.deepEqual(sorted(states), sumsOf(states.length))
      assert.deepEqual(sorted(windows), sumsOf(windows.length, 3))
    }),
  { timeout: 60_000 }
)

/** Stores a record each 100 ms, from 0, wherever it is started. */
const ticks = (storageLevel: "MEMORY_ONLY" | "MEMORY_ONLY_2") =>
  DStream.receiverStream(Receiver.make<number, Receiver.StoreError, never>({
    name: "ticks",
    storageLevel,
    onStart: Effect.fnUntraced(function* (store) {
      for (let n = 0;; n++) {
        yield* store.array([n])
        yield* Effect.sleep(100)
      }
    })
  }))

const stays = [["MEMORY_ONLY", 1], ["MEMORY_ONLY_2", 2]] as const

for (const [level, least] of stays) {
  it(`executors of receivers stay, and nothing that was received is lost (${level})`, () =>
    Effect.gen(function* () {
      const out: Collected<number> = []
      const receivedAt: Array<string | undefined> = []
      const app = StreamingApp.make({
        name: "received",
        batchDuration: "1 second",
        outputs: [ticks(level).pipe(DStream.collectTo(out))],
        settings
      })
      const observe = (event: StreamingEvent) => {
        if (event.kind === "ReceiverStarted") receivedAt.push(event.receiver.executor)
      }
      const { context, during } = yield* running(app, { executors: 4, coded: true, observers: [observe] })
      const lines = (yield* during(60)).filter((line) => !line.endsWith("added"))
      assert.equal(receivedAt.length, 1)
      assert.equal(lines.length, 4 - least)
      for (const line of lines) {
        assert.match(line, /^executor-. removed$/)
        assert.notEqual(line, `${receivedAt[0]} removed`)
      }
      yield* context.stop()
      const records = recordsOf(out)
      assert.ok(records.length > 550)
      assert.deepEqual(records, records.map((_, i) => i))
    }))
}

it("as many executors as the fewest are there from the start on, by default one for each receiver", () =>
  Effect.gen(function* () {
    const scaled = (more: SettingsInput) =>
      StreamingApp.make({
        name: "least",
        batchDuration: "1 second",
        outputs: [ticks("MEMORY_ONLY"), ticks("MEMORY_ONLY")].map((stream) => stream.pipe(DStream.collectTo([]))),
        settings: { ...settings, ...more }
      })
    const told = Effect.fnUntraced(function* (more: SettingsInput) {
      const { context, during } = yield* running(scaled(more), {})
      const lines = yield* during(20)
      yield* context.stop()
      return lines
    })
    assert.deepEqual(yield* told({ dynamicAllocation: false }), ["executor-1 added"])
    assert.deepEqual(yield* told({}), ["executor-1 added", "2 requested", "executor-2 added"])
    assert.deepEqual(yield* told({ minExecutors: 3 }), [
      "executor-1 added",
      "3 requested",
      "executor-2 added",
      "executor-3 added"
    ])
  }))

it("executors are added up to the most, and one that died is replaced besides", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const app = StreamingApp.make({
      name: "most",
      batchDuration: "1 second",
      outputs: [load(1000).pipe(DStream.collectTo(out))],
      settings: { ...settings, maxExecutors: 2 }
    })
    const kill = new Local.Killer()
    const { context, during } = yield* running(app, { kill })
    assert.deepEqual(yield* during(12), ["executor-1 added", "2 requested", "executor-2 added"])
    kill.now("executor-1")
    const lines = yield* during(12)
    assert.deepEqual(lines.filter((line) => line.startsWith("executor")), [
      "executor-1 killed",
      "executor-3 added"
    ])
    assert.deepEqual(lines.filter((line) => line.includes("requested")), [])
    yield* context.stop()
    out.forEach(({ records }, batch) =>
      assert.deepEqual(records, Array.from({ length: partitions }, (_, i) => numbersOf(batch, i)).flat())
    )
  }))
