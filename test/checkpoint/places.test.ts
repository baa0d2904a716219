/**
 * What a driver does with a checkpoint place: takes it over, goes on from the furthest good checkpoint, refuses what it cannot go on
 * with, and keeps the place small.
 */
import * as assert from "node:assert/strict"
import { Cause, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import * as Queue from "../../adapters/queue/mod.ts"
import * as names from "../../core/checkpoint/names.ts"
import { DStream, type SettingsInput, StreamingApp } from "../../core/mod.ts"
import { type MemoryStorage, memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { it } from "../kit.ts"
import * as local from "../driver/local.ts"
import * as lives from "./lives.ts"

type Seen = Array<{ readonly time: number; readonly records: ReadonlyArray<unknown> }>

const pairs = Memory.stream({ numPartitions: 2, read: ({ batch, partition }) => [`k${partition}`, `n${batch % 3}`] })
  .pipe(
    DStream.mapToPair((key) => [key, 1])
  )

const counting = (seen: Seen, name = "counts", settings: SettingsInput = {}) =>
  StreamingApp.make({
    name: "counting",
    batchDuration: "1 second",
    outputs: [
      pairs.pipe(
        DStream.updateStateByKey((values, sum: number | undefined) => values.reduce((a, b) => a + b, sum ?? 0)),
        DStream.named(name),
        DStream.checkpoint("2 seconds"),
        DStream.mapToPair(([, sum]) => ["all", sum]),
        DStream.reduceByKey((a, b) => a + b),
        DStream.collectTo(seen, { name: "sum" })
      )
    ],
    settings
  })

const total = (seen: Seen, time: number) => {
  const records = seen.find((batch) => batch.time === time)?.records[0] as readonly [string, number] | undefined
  return records?.[1]
}

const checkpointsOf = (storage: MemoryStorage) =>
  Effect.map(storage.list(""), (all) => names.furthestFirst(all).map(({ name }) => name))

const failureOf = <A>(life: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.exit(life), (exit) => {
    assert.ok(Exit.isFailure(exit))
    return Cause.squash(exit.cause) as { readonly _tag: string; readonly message: string }
  })

it("batches of the down-time are generated when the next driver starts, at their own times", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Seen = []
    yield* lives.live(counting(seen), { storage }, 3)
    yield* TestClock.adjust("5 seconds")
    const { events } = yield* lives.live(counting(seen), { storage }, 2)
    assert.deepEqual([...new Set(seen.map(({ time }) => time))], Array.from({ length: 10 }, (_, i) => (i + 1) * 1000))
    assert.equal(total(seen, 10_000), 40)
    const missed = events.find(({ kind }) => kind === "TicksMissed")
    assert.ok(missed?.kind === "TicksMissed" && missed.policy === "replay" && missed.count >= 4)
  }))

it("a list that does not show what the last driver did yet does not take it away", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const app = counting([], "counts", { checkpointsKept: 20 })
    yield* lives.live(app, { storage }, 3)
    yield* lives.live(app, { storage }, 1)
    const isShown = (name: string) => !name.startsWith(names.epochFolder(2))
    const late = {
      ...storage,
      list: (prefix: string) => Effect.map(storage.list(prefix), (all) => all.filter(isShown))
    }
    const { events } = yield* lives.live(app, { storage: late }, 1)
    const recovered = events.find(({ kind }) => kind === "Recovered")
    assert.ok(recovered?.kind === "Recovered")
    assert.equal(recovered.report.from.epoch, 2)
  }))

it("the policy for ticks of the down-time may leave them out, and states go on all the same", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Seen = []
    const settings = { missedTicks: "coalesce" } as const
    yield* lives.live(counting(seen, "counts", settings), { storage }, 3)
    yield* TestClock.adjust("5 seconds")
    yield* lives.live(counting(seen, "counts", settings), { storage }, 2)
    assert.deepEqual(seen.map(({ time }) => time), [1000, 2000, 3000, 8000, 9000, 10_000])
    assert.equal(total(seen, 10_000), 24)
  }))

it("a tick that a driver passed over, and was done with, is no batch of the driver after it", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const taken: Array<number> = []
    const app = (holds: boolean) =>
      StreamingApp.make({
        name: "passing",
        batchDuration: "1 second",
        outputs: [
          pairs.pipe(
            DStream.foreachBatch(({ time }) => {
              if (holds && time === 3000) return Effect.never
              return Effect.sync(() => taken.push(time))
            }, { name: "take" })
          )
        ],
        settings: { missedTicks: "skip" }
      })
    yield* lives.live(app(true), { storage }, 3)
    yield* TestClock.adjust("5 seconds")
    // The batch of 3 s is run again while the tick of 8 s is due.
    yield* lives.live(app(false), { storage }, 0)
    assert.deepEqual(taken, [1000, 2000, 3000])
    yield* lives.live(app(false), { storage }, 2)
    assert.deepEqual(taken, [1000, 2000, 3000, 9000, 10_000])
  }))

it("a damaged checkpoint is told and passed over: the one before it and the log lead to the same state", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Seen = []
    yield* lives.live(counting(seen), { storage }, 6)
    const [newest, before] = yield* checkpointsOf(storage)
    const bytes = (yield* storage.read(newest!))!
    bytes[bytes.length >> 1]! ^= 4
    storage.put(newest!, bytes)
    const { report } = yield* lives.live(counting(seen), { storage }, 3)
    assert.equal(report?.from.checkpoint, before)
    assert.deepEqual(report?.passedOver.map(({ file }) => file), [newest])
    assert.equal(total(seen, 9000), 36)
  }))

it("where no checkpoint can be read the start is an error that names each, and nothing is changed", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* lives.live(counting([]), { storage }, 4)
    for (const name of yield* checkpointsOf(storage)) storage.put(name, new Uint8Array([1, 2, 3]))
    const before = yield* storage.list("")
    const error = yield* failureOf(lives.live(counting([]), { storage }, 1))
    assert.equal(error._tag, "NoUsableCheckpoint")
    assert.match(error.message, /epochs\/00000001\/checkpoints\/\d+: .*begin anew/)
    assert.deepEqual(yield* storage.list(""), before)
  }))

it("a log that is damaged before its end is an error that names file and byte", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const settings = { checkpointInterval: "1 hour" } as const
    yield* lives.live(counting([], "counts", settings), { storage }, 5)
    const log = names.logPrefix(1) + "/00000001"
    const bytes = (yield* storage.read(log))!
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    storage.put(log, bytes)
    const error = yield* failureOf(lives.live(counting([], "counts", settings), { storage }, 1))
    assert.equal(error._tag, "LogDamaged")
    assert.match(error.message, /epochs\/00000001\/log\/00000001 .*byte \d+/)
  }))

it("the place of another app is refused, and so is another batch duration", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* lives.live(counting([]), { storage }, 2)
    const other = { ...counting([]), name: "another" }
    const refused = yield* failureOf(lives.live(other, { storage }, 1))
    assert.equal(refused._tag, "PlaceRefused")
    assert.match(refused.message, /belongs to the app "counting", and this is "another"/)
    const slower = StreamingApp.withBatchDuration(counting([]), "2 seconds")
    const error = yield* failureOf(lives.live(slower, { storage }, 1))
    assert.equal(error._tag, "ProgramRefused")
    assert.match(error.message, /a batch was 1000 ms, and is 2000 ms now/)
  }))

it("a state that the changed program has under another name is refused with what to do, and begins anew when accepted", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* lives.live(counting([]), { storage }, 4)
    const error = yield* failureOf(lives.live(counting([], "sums"), { storage }, 1))
    assert.equal(error._tag, "ProgramRefused")
    assert.match(error.message, /new sums[^]*dropped counts: [^]*onProgramChange/)
    const seen: Seen = []
    const { report } = yield* lives.live(counting(seen, "sums", { onProgramChange: "accept" }), { storage }, 3)
    assert.deepEqual(report?.operators.map(({ operator, outcome }) => `${outcome} ${operator}`), [
      "new sums",
      "dropped counts"
    ])
    assert.deepEqual(seen.map(({ records, time }) => [time, (records[0] as any)[1]]), [
      [5000, 4],
      [6000, 8],
      [7000, 12]
    ])
    // And once more, from the changed program's own checkpoint.
    const { report: again } = yield* lives.live(counting(seen, "sums"), { storage }, 1)
    assert.deepEqual(again?.operators, [{ operator: "sums", outcome: "restored" }])
    assert.equal(total(seen, 8000), 16)
  }))

it("a queue cannot be the input of an app that shall be recovered: it is told with what to do", () =>
  Effect.gen(function* () {
    const app = StreamingApp.make({
      name: "queued",
      batchDuration: "1 second",
      outputs: [Queue.stream([["a"]]).pipe(DStream.named("lines"), DStream.print())]
    })
    const error = yield* failureOf(lives.live(app, { storage: memoryStorage() }, 1))
    assert.equal(error._tag, "InvalidApp")
    assert.match(error.message, /lines: .*could not read them; take a source that can be read again/)
  }))

it("without its checkpoints a place is not begun anew: the log says that something happened", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* lives.live(counting([]), { storage }, 3)
    for (const name of yield* checkpointsOf(storage)) yield* storage.remove(name)
    const before = (yield* storage.list("")).length
    const error = yield* failureOf(lives.live(counting([]), { storage }, 1))
    assert.equal(error._tag, "NoUsableCheckpoint")
    assert.match(error.message, /tells of batches or blocks/)
    assert.ok((yield* storage.list("")).length >= before)
  }))

it("a driver that slept through two others finds that it was replaced", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* Effect.scoped(Effect.gen(function* () {
      const first = yield* lives.start(counting([]), { storage })
      yield* TestClock.adjust("2 seconds")
      yield* local.settled
      // Others come and go, and clean up behind them, while the first does nothing.
      yield* storage.create(names.owner(2), new Uint8Array())
      yield* storage.create(names.owner(3), new Uint8Array())
      yield* TestClock.adjust("1 second")
      yield* local.settled
      const error = yield* Effect.flip(first.awaitTermination)
      assert.equal((error as { readonly _tag: string })._tag, "Superseded")
    }))
    for (let life = 0; life < 3; life++) yield* lives.live(counting([]), { storage: storage }, 8)
    const owners = (yield* storage.list(names.epochs)).filter((file) => file.endsWith("/owner"))
    assert.equal(owners.length, 6)
  }))

it("a state is safe after a graceful stop as of its last batch: no step is taken again, whatever has changed", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Seen = []
    const app = (value: number) =>
      StreamingApp.make({
        name: "changed",
        batchDuration: "1 second",
        outputs: [
          pairs.pipe(
            DStream.mapValues(() => value),
            DStream.updateStateByKey((values, sum: number | undefined) => values.reduce((a, b) => a + b, sum ?? 0)),
            DStream.named("counts"),
            DStream.checkpoint("10 seconds"),
            DStream.mapToPair(([, sum]) => ["all", sum]),
            DStream.reduceByKey((a, b) => a + b),
            DStream.collectTo(seen, { name: "sum" })
          )
        ]
      })
    yield* Effect.scoped(Effect.gen(function* () {
      const context = yield* lives.start(app(1), { storage })
      yield* TestClock.adjust("3 seconds")
      yield* local.settled
      assert.equal((yield* local.stopGracefully(context)).graceful, true)
    }))
    const stopped = total(seen, 4000)
    assert.equal(stopped, 16)
    yield* lives.live(app(1000), { storage }, 1)
    assert.equal(total(seen, 5000), 16 + 4000)
  }))

it("a second driver takes over: the first one ends, saying so, and what it did after is not read", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const first: Seen = []
    const second: Seen = []
    yield* Effect.scoped(Effect.gen(function* () {
      const one = yield* lives.start(counting(first), { storage })
      yield* TestClock.adjust("3 seconds")
      yield* local.settled
      const two = yield* lives.start(counting(second), { storage })
      yield* TestClock.adjust("3 seconds")
      yield* local.settled
      const error = yield* Effect.flip(one.awaitTermination)
      assert.equal((error as { readonly _tag: string })._tag, "Superseded")
      assert.match(String((error as Error).message), /another driver \(number 2\) has taken over/)
      assert.equal(two.state(), "Active")
    }))
    assert.equal(total(second, 6000), 24)
  }))

it(
  "what no kept checkpoint refers to is removed: files do not grow with the batches, nor with the drivers",
  () =>
    Effect.gen(function* () {
      const storage = memoryStorage()
      const settings = { driverLogRollInterval: "5 seconds" } as const
      const counts: Array<number> = []
      for (let life = 0; life < 5; life++) {
        yield* lives.live(counting([], "counts", settings), { storage }, 30)
        counts.push((yield* storage.list("")).length)
      }
      assert.ok(Math.max(...counts.slice(1)) <= counts[0]! + 6, `files after each life: ${counts.join(", ")}`)
      const left = (yield* storage.list(names.epochs)).filter((file) => !file.endsWith("/owner")).map(names.epochOf)
      assert.ok(new Set(left).size <= 2, `epochs left: ${left.join(", ")}`)
    }),
  { timeout: 60_000 }
)

it("an output of a pending batch that was done is not run again; one that was not gets the very same records", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const done: Seen = []
    const hung: Seen = []
    const app = (hangs: boolean) =>
      StreamingApp.make({
        name: "pending",
        batchDuration: "1 second",
        outputs: [
          pairs.pipe(DStream.collectTo(done, { name: "done" })),
          pairs.pipe(DStream.foreachBatch((batch) =>
            Effect.gen(function* () {
              if (hangs && batch.time >= 2000) return yield* Effect.never
              hung.push({ time: batch.time, records: yield* batch.collect })
            }), { name: "hung" }))
        ]
      })
    const settings = { concurrentJobs: 2 }
    yield* lives.live(app(true), { storage, settings }, 3)
    assert.deepEqual(hung.map(({ time }) => time), [1000])
    const { report } = yield* lives.live(app(false), { storage, settings }, 1)
    assert.deepEqual(report?.pending, [2000, 3000])
    assert.deepEqual(hung.map(({ time }) => time), [1000, 2000, 3000, 4000])
    assert.deepEqual(done.map(({ time }) => time), [1000, 2000, 3000, 4000].slice(0, done.length))
    for (const { records, time } of hung) {
      assert.deepEqual(records, done.find((batch) => batch.time === time)?.records)
    }
  }))

it("a graceful stop that comes while a context closes after the failure of a batch ends with it, and writes no checkpoint", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const app = StreamingApp.make({
      name: "fails",
      batchDuration: "1 second",
      outputs: [
        pairs.pipe(DStream.foreachBatch(({ time }) => time === 3000 ? Effect.fail("no more") : Effect.void))
      ],
      layer: Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.sleep("1 second")))
    })
    yield* Effect.scoped(Effect.gen(function* () {
      const context = yield* lives.start(app, { storage })
      yield* TestClock.adjust("3 seconds")
      yield* TestClock.adjust("500 millis")
      yield* local.settled
      const written = yield* checkpointsOf(storage)
      const stopping = yield* Effect.forkChild(context.stop({ graceful: true }))
      yield* TestClock.adjust("5 seconds")
      yield* local.settled
      assert.equal(context.state(), "Stopped")
      assert.equal((yield* Fiber.join(stopping)).graceful, false)
      assert.match(String(yield* Effect.exit(context.awaitTermination)), /no more/)
      assert.deepEqual(yield* checkpointsOf(storage), written)
    }))
  }))
