/**
 * A driver that goes on where another one was killed: the same batches, with the same inputs and states, as if nothing had happened.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import * as names from "../../core/checkpoint/names.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { type MemoryStorage, memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { StorageError } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"
import * as local from "../driver/local.ts"
import * as lives from "./lives.ts"

interface Seen {
  readonly time: number
  readonly records: ReadonlyArray<unknown>
}

const words = ["a", "b", "a", "c", "b", "a", "a", "c", "b", "a", "a", "b"]
const input = () => Memory.batches(words.map((word, i) => Array.from({ length: i + 1 }, () => word)), 2)

const pairs = () => input().pipe(DStream.mapToPair((word) => [word, 1]))

/** Every operator that looks back, each into a list of its own. */
const appOf = (seen: Record<string, Array<Seen>>) => {
  const into = (name: string) => DStream.collectTo<any>(seen[name] ??= [], { name })
  const counts = pairs().pipe(
    DStream.updateStateByKey((values, state: number | undefined) => values.reduce((a, b) => a + b, state ?? 0)),
    DStream.named("counts"),
    DStream.checkpoint("3 seconds")
  )
  return StreamingApp.make({
    name: "lives",
    batchDuration: "1 second",
    outputs: [
      counts.pipe(into("counts")),
      pairs().pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "4 seconds", "2 seconds"), into("window")),
      pairs().pipe(
        DStream.reduceByKeyAndWindow((a, b) => a + b, "3 seconds", "1 second", { inverse: (a, b) => a - b }),
        into("inverse")
      ),
      input().pipe(DStream.window("3 seconds"), DStream.count, into("plain"))
    ]
  })
}

const byTime = (seen: ReadonlyArray<Seen>) => {
  const sorted = [...seen].sort((a, b) => a.time - b.time)
  return sorted.map(({ records, time }) => [time, [...records].sort().map((record) => JSON.stringify(record)).sort()])
}

const once = (lists: ReadonlyArray<readonly [unknown, unknown]>) => {
  const known = new Map<unknown, unknown>()
  for (const [time, records] of lists) {
    if (known.has(time)) assert.deepEqual(records, known.get(time), `batch ${time} again`)
    known.set(time, records)
  }
  return [...known]
}

for (const crashAt of [1, 2, 4, 7]) {
  it(`states and windows go on after a crash ${crashAt} s after the start, as if there had been none`, () =>
    Effect.gen(function* () {
      const expected: Record<string, Array<Seen>> = {}
      yield* TestClock.setTime(500)
      yield* Effect.scoped(Effect.gen(function* () {
        yield* lives.live(appOf(expected), { storage: memoryStorage(), executors: 2 }, 12)
      }))
      yield* TestClock.setTime(500)
      const storage = memoryStorage()
      const seen: Record<string, Array<Seen>> = {}
      const first = yield* lives.live(appOf(seen), { storage, executors: 2 }, crashAt)
      assert.equal(first.report, undefined)
      const second = yield* lives.live(appOf(seen), { storage, executors: 3 }, 12 - crashAt)
      assert.equal(second.report?.epoch, 2)
      assert.deepEqual(second.report.operators.map(({ outcome }) => outcome).filter((it) => it !== "restored"), [])
      assert.deepEqual(Object.values(expected).map(({ length }) => length), [12, 6, 12, 12])
      for (const name of Object.keys(expected)) {
        assert.deepEqual(once(byTime(seen[name]!) as never), byTime(expected[name]!), name)
      }
    }))
}

it("a window over a side value that a changed program brings begins with the first batch after the recovery", () =>
  Effect.gen(function* () {
    const seen: Array<Seen> = []
    const sideValues = { factor: DStream.sideValue(Effect.succeed(7), Schema.Number) }
    const before = input().pipe(DStream.window("4 seconds"), DStream.print())
    const later = input().pipe(
      DStream.transform((rdd) => rdd, { sideValues }),
      DStream.window("3 seconds"),
      DStream.count,
      DStream.collectTo(seen)
    )
    const app = (outputs: ReadonlyArray<typeof before>) =>
      StreamingApp.make({ name: "grown", batchDuration: "1 second", outputs })
    const storage = memoryStorage()
    yield* lives.live(app([before]), { storage }, 4)
    yield* lives.live(app([before, later]), { storage }, 3)
    assert.deepEqual(byTime(seen), [[5000, ["5"]], [6000, ["11"]], [7000, ["18"]]])
  }))

it("an effect that was done when its driver died is run again under the commit id that it had: by it, it is done once", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const runs: Array<string> = []
    const target = new Map<string, ReadonlyArray<unknown>>()
    const app = (diesAt?: number) =>
      StreamingApp.make({
        name: "by commit id",
        batchDuration: "1 second",
        outputs: [
          input().pipe(DStream.foreachBatch(({ collect, commitId, time }) =>
            Effect.gen(function* () {
              runs.push(commitId)
              if (!target.has(commitId)) target.set(commitId, yield* collect)
              if (time === diesAt) yield* Effect.never
            }), { name: "table" }))
        ]
      })
    yield* lives.live(app(2000), { storage }, 2)
    yield* lives.live(app(), { storage }, 1)
    const ids = [1000, 2000, 3000].map((time) => `by commit id/table/${time}`)
    assert.deepEqual(runs, [ids[0], ids[1], ids[1], ids[2]])
    assert.deepEqual([...target], [[ids[0], ["a"]], [ids[1], ["b", "b"]], [ids[2], ["a", "a", "a"]]])
  }))

it("a program that ends after so many batches has them recorded as done, and the next one makes as many further ones", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const times: Array<number> = []
    const app = StreamingApp.make({
      name: "so many",
      batchDuration: "1 second",
      outputs: [
        Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] }).pipe(
          DStream.foreachBatch(({ time }) => Effect.sync(() => void times.push(time)))
        )
      ]
    })
    for (const batches of [1, 1, 2]) {
      yield* Effect.scoped(Effect.gen(function* () {
        const context = yield* lives.start(app, { storage, batches })
        while (!(yield* context.awaitTerminationOrTimeout(0))) {
          yield* TestClock.adjust("1 second")
          yield* local.settled
        }
      }))
      storage.crash()
    }
    assert.deepEqual(times, [1000, 2000, 3000, 4000])
  }))

it("what a driver recovered, and what was lost, is told before its first checkpoint: the next driver does not know of it", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Record<string, Array<Seen>> = {}
    yield* lives.live(appOf(seen), { storage }, 3)
    const error = new StorageError({ reason: "Unavailable", name: "", message: "no answer" })
    const unanswered: MemoryStorage = Object.assign(Object.create(storage), storage, {
      create: (name: string, bytes: Uint8Array) =>
        Effect.andThen(storage.create(name, bytes), name === names.checkpoint(2, 1) ? Effect.fail(error) : Effect.void)
    })
    const told: Array<string> = []
    const observers = [({ kind }: StreamingEvent) => void told.push(kind)]
    const exit = yield* Effect.exit(Effect.scoped(lives.start(appOf(seen), { storage: unanswered, observers })))
    assert.ok(Exit.isFailure(exit))
    assert.ok(told.includes("Recovered"), told.join())
  }))
