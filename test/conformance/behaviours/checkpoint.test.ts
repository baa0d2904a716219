/**
 * Behaviours that vectors of the areas checkpoint, blocks and context tell in words, with their numbers: lives of drivers over one
 * checkpoint place.
 */
import * as assert from "node:assert/strict"
import { Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import * as File from "../../../adapters/file/mod.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as CheckpointFile from "../../../core/checkpoint/CheckpointFile.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { SettingsInput } from "../../../core/settings/Settings.ts"
import { type MemoryStorage, memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import type { Collected } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { checkpointsOf, reading } from "../machines/checkpoint/driver.ts"

/** Batches of a life, one after the other. */
const batches = (count: number, millis: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust(millis), Local.settled), { times: count - 1 })

/** A life: what is done in it, then a crash. */
const live = <A, E, R>(storage: MemoryStorage, life: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.scoped(life), () => Effect.sync(() => storage.crash()))

const decoded = Effect.fnUntraced(function* (storage: MemoryStorage, name: string) {
  const { checksum, codec } = reading(storage)
  return Result.getOrThrow(CheckpointFile.decode((yield* storage.read(name))!, codec, checksum))
})

const sum = (values: ReadonlyArray<number>, state: number | undefined) => values.reduce((a, b) => a + b, state ?? 0)

const counts = (word: () => string) =>
  Memory.stream({ numPartitions: 1, read: () => [word()] }).pipe(
    DStream.mapToPair((key) => [key, 1]),
    DStream.updateStateByKey(sum)
  )

const counting = (seen: Collected<unknown>, settings: SettingsInput = {}) =>
  StreamingApp.make({
    name: "counting",
    batchDuration: 500,
    outputs: [counts(() => "a").pipe(DStream.named("counts"), DStream.checkpoint(1000), DStream.collectTo(seen))],
    settings
  })

const stateFiles = (storage: MemoryStorage) =>
  Effect.map(storage.list("epochs/"), (all) => all.filter((name) => name.includes("/state/")))

it("files of a state come with its snapshots and go when newer ones are there, and each life goes on from those that it finds", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Collected<unknown> = []
    const app = counting(seen, { checkpointsKept: 2 })
    let first: ReadonlyArray<string> = []
    let second: ReadonlyArray<string> = []
    yield* live(
      storage,
      Effect.gen(function* () {
        yield* lives.start(app, { storage })
        yield* batches(2, 500)
        first = yield* stateFiles(storage)
        assert.ok(first.length >= 1)
        yield* batches(2, 500)
        second = (yield* stateFiles(storage)).filter((name) => !first.includes(name))
        assert.ok(second.length >= 1)
      })
    )
    for (const [clockMillis, count] of [[0, 1], [3500, 4]] as const) {
      yield* TestClock.adjust(clockMillis)
      const found = yield* stateFiles(storage)
      assert.ok(second.every((name) => found.includes(name)))
      const events: Array<StreamingEvent> = []
      yield* live(
        storage,
        Effect.gen(function* () {
          yield* lives.start(app, { storage, observers: [(event) => void events.push(event)] })
          yield* batches(count, 500)
        })
      )
      const recovered = events.find(({ kind }) => kind === "Recovered")
      assert.ok(recovered?.kind === "Recovered")
      assert.deepEqual(recovered.report.operators, [{ operator: "counts", outcome: "restored" }])
      second = yield* stateFiles(storage)
      assert.ok(second.length >= 1)
    }
    // The last two snapshots are kept.
    assert.deepEqual(second.filter((name) => first.includes(name)), [], "those of the first one are gone")
    assert.deepEqual(seen.map(({ records }) => records), Array.from({ length: 16 }, (_, i) => [["a", i + 1]]))
  }))

it("two checkpoints are written for each batch: when it was generated, and when it was done", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const told: Array<string> = []
    yield* lives.start(counting([], { checkpointsKept: 5 }), {
      storage,
      observers: [(event) => {
        if (event.kind === "CheckpointCompleted") told.push(`checkpoint ${event.time}`)
        if (event.kind === "BatchCompleted") told.push(`completed ${event.batch.time}`)
      }]
    })
    yield* batches(2, 500)
    assert.deepEqual(told.filter((text) => text.endsWith(" 500")), [
      "checkpoint 500",
      "completed 500",
      "checkpoint 500"
    ])
    const times = yield* Effect.forEach(yield* checkpointsOf(storage), ({ name }) => decoded(storage, name))
    assert.deepEqual(times.map(({ time }) => time), [1000, 1000, 500, 500, 0])
  }))

it("of a state on a state both have a snapshot of each batch, where each is due", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const completed: Array<unknown> = []
    const app = StreamingApp.make({
      name: "both",
      batchDuration: "1 second",
      outputs: [
        counts(() => "a").pipe(
          DStream.named("first"),
          DStream.checkpoint("1 second"),
          DStream.updateStateByKey(sum),
          DStream.named("second"),
          DStream.checkpoint("1 second"),
          DStream.foreachBatch((batch) => batch.count)
        )
      ]
    })
    yield* lives.start(app, {
      storage,
      observers: [(event) => {
        if (event.kind === "SnapshotCompleted") completed.push([event.operator, event.time])
      }]
    })
    yield* batches(1, 1000)
    assert.deepEqual(completed.sort(), [["first", 1000], ["second", 1000]])
  }))

/** The sum of the numbers in files over 30 batches of 2 s; a batch of the time that is told hangs. */
const summing = (seen: Collected<any>, files: File.MemoryFiles, hangsAt: number | undefined) =>
  StreamingApp.make({
    name: "summing",
    batchDuration: 2000,
    outputs: [
      File.textStream({ directory: "/in" }).pipe(
        DStream.named("files"),
        DStream.map(Number),
        DStream.reduceByWindow((a, b) => a + b, 60_000, 2000),
        DStream.foreachBatch(({ collect, time }) =>
          time === hangsAt ? Effect.never : Effect.map(collect, (records) => void seen.push({ time, records }))
        )
      )
    ],
    settings: { checkpointsKept: 10 },
    layer: Layer.succeed(File.FileWorld, files)
  })

it("a file stream takes the same files again after a crash, for its large window too, and those that came while nobody was there", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const files = File.memoryFiles()
    files.makeDirectory("/in")
    const write = (number: number, modified: number) => files.write(`/in/${number}`, `${number}\n`, modified)
    const before: Collected<any> = []
    yield* live(
      storage,
      Effect.gen(function* () {
        yield* lives.start(summing(before, files, 6000), { storage })
        yield* TestClock.adjust(1000)
        for (const number of [1, 2, 3]) {
          write(number, number * 2000 - 1000)
          yield* batches(1, 2000)
        }
        assert.equal((yield* checkpointsOf(storage)).length, 6)
      })
    )
    assert.deepEqual(before.map(({ records }) => records), [[1], [3]])
    for (const number of [4, 5, 6]) {
      yield* TestClock.adjust(2000)
      write(number, number * 2000 + 1000)
    }
    yield* TestClock.adjust(2000)
    const [newest] = yield* checkpointsOf(storage)
    const asked = (yield* decoded(storage, newest!.name)).asked.map(([, { inputs }]) => JSON.stringify(inputs))
    for (const [i, inputs] of asked.entries()) assert.match(inputs, new RegExp(`/in/${i + 1}\\b`))
    assert.equal(asked.length, 3)
    const after: Collected<any> = []
    yield* live(
      storage,
      Effect.gen(function* () {
        yield* lives.start(summing(after, files, undefined), { storage })
        yield* Local.settled
        assert.deepEqual(after.map(({ time }) => time), [6000, 8000, 10_000, 12_000, 14_000])
        for (const number of [7, 8, 9]) {
          write(number, number * 2000 + 1000)
          yield* batches(1, 2000)
        }
      })
    )
    const sums = new Set([...before, ...after].map(({ records }) => records[0]))
    assert.deepEqual([...sums], [1, 3, 6, 10, 15, 21, 28, 36, 45])
  }))

it("settings are in the checkpoint, as they were resolved, and in the context of a driver that goes on; what it is started with wins", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const app = counting([], { receiverRestartDelay: "10 seconds" })
    const settingsOfNewest = Effect.gen(function* () {
      const [newest] = yield* checkpointsOf(storage)
      return (yield* decoded(storage, newest!.name)).run.settings
    })
    for (const [given, delay] of [[{}, 10_000], [{}, 10_000], [{ receiverRestartDelay: "7 seconds" }, 7000]] as const) {
      yield* live(storage, Effect.andThen(lives.start(app, { storage, settings: given }), batches(2, 500)))
      assert.equal((yield* settingsOfNewest)["receiverRestartDelayMillis"], delay)
    }
  }))

it("files of a receiver's log are removed when no batch needs their blocks any more", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const values = Array.from({ length: 10 }, (_, i) => ({ time: i * 500 + 1, value: i }))
    const app = StreamingApp.make({
      name: "logged",
      batchDuration: "1 second",
      outputs: [Memory.timed(values).pipe(DStream.named("lines"), DStream.foreachBatch((batch) => batch.count))],
      settings: { receiverLogRollInterval: "1 second", remember: "10 seconds" }
    })
    const logFiles = Effect.map(storage.list("epochs/00000001/blocks/"), (all) => all.length)
    yield* lives.start(app, { storage })
    yield* batches(6, 1000)
    const before = yield* logFiles
    assert.ok(before >= 3, `${before} files`)
    // Once in a minute it is looked which there are.
    yield* batches(60, 1000)
    assert.ok((yield* logFiles) < before)
  }))

it("files of a log that come back after they were removed change nothing of what is recovered", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Collected<unknown> = []
    const app = counting(seen, { checkpointsKept: 2 })
    const copies = new Map<string, Uint8Array>()
    for (const _ of [1, 2, 3]) {
      yield* live(storage, Effect.andThen(lives.start(app, { storage }), batches(4, 500)))
      for (const [name, bytes] of copies) storage.put(name, bytes)
      for (const name of yield* storage.list("epochs/")) {
        if (name.includes("/log/")) copies.set(name, (yield* storage.read(name))!)
      }
    }
    assert.deepEqual(seen.map(({ records }) => records), Array.from({ length: 12 }, (_, i) => [["a", i + 1]]))
  }))
