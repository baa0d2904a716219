/**
 * What an input that is read by position needs of the engine: positions that are kept for the next driver however long ago they were
 * recorded, word of batches that are done, the same executor for the same place, and readings of the program's own.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { DStream, RDD, StreamingApp } from "../../../core/mod.ts"
import { inputsOf } from "../../../core/dstream/Batch.ts"
import {
  chunkOf,
  type DirectInput,
  type InputReader,
  type RecordedBatches
} from "../../../core/dstream/InputDStream.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import type { Collected } from "../../driver/collected.ts"
import { it } from "../../kit.ts"
import * as Local from "../local.ts"

const appOf = (outputs: ReadonlyArray<any>) =>
  StreamingApp.make({ name: "read", batchDuration: "1 second", outputs }) as StreamingApp.StreamingApp

it("positions are kept as they changed, also those that were recorded longer ago than any plan", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const resumed: Array<RecordedBatches["positions"]> = []
    const input: DirectInput<number, never, never> = {
      kind: "direct",
      planner: Effect.succeed({
        plan: ({ time }) =>
          Effect.succeed({
            records: 0,
            partitions: [],
            positions: time === 1000 ? [["a", { next: 1 }], ["b", 1]] : time % 2000 === 0 ? [["b", time]] : []
          }),
        resume: ({ positions }) => Effect.sync(() => void resumed.push(positions))
      }),
      reader: Effect.succeed({ read: () => Effect.succeed(chunkOf([])) })
    }
    const app = appOf([
      DStream.fromInput("own", input).pipe(
        DStream.named("own"),
        DStream.foreachBatch(() => Effect.void, { name: "out" })
      )
    ])
    yield* lives.live(app, { storage }, 30)
    yield* lives.live(app, { storage }, 31)
    yield* lives.live(app, { storage }, 1)
    assert.deepEqual(resumed.map((positions) => [...positions]), [
      [["a", { next: 1 }], ["b", 30_000]],
      [["a", { next: 1 }], ["b", 60_000]]
    ])
  }))

it("planners are told which batches are done, in order, and not before", () =>
  Effect.gen(function* () {
    const done: Array<number> = []
    const hold = { open: false }
    const input: DirectInput<number, never, never> = {
      kind: "direct",
      planner: Effect.succeed({
        plan: () => Effect.succeed({ records: 0, partitions: [] }),
        completed: (upTo) => Effect.sync(() => void done.push(upTo))
      }),
      reader: Effect.succeed({ read: () => Effect.succeed(chunkOf([])) })
    }
    const output = DStream.fromInput("own", input).pipe(
      DStream.foreachBatch(({ time }) => time === 2000 && !hold.open ? Effect.sleep("1500 millis") : Effect.void)
    )
    yield* Local.start(appOf([output]))
    const seen: Array<ReadonlyArray<number>> = []
    for (let i = 0; i < 4; i++) {
      yield* TestClock.adjust(1000)
      yield* Local.settled
      seen.push([...done])
    }
    assert.deepEqual(seen, [[1000], [1000], [1000], [1000, 2000, 3000, 4000]])
  }))

/** Gives the name of the executor that reads, which is known by how often a reader was built. */
const builtReader = () => {
  let built = 0
  const reader: Effect.Effect<InputReader<string, never>> = Effect.sync(() => {
    const executor = `reader ${built++}`
    return { read: ({ value }) => Effect.succeed(chunkOf([`${value} by ${executor}`])) }
  })
  return reader
}

it("what has the same affinity is read by the same executor, whatever its place in the batch", () =>
  Effect.gen(function* () {
    const seen: Collected<string> = []
    const input: DirectInput<string, never, never> = {
      kind: "direct",
      planner: Effect.succeed({
        plan: ({ time }) => {
          const some = [[0, 1, 2, 3], [1, 2], [3], [3, 0]][time / 1000 - 1] ?? []
          const partitions = some.map((number) => ({
            kind: "source" as const,
            value: number,
            records: 1,
            affinity: number
          }))
          return Effect.succeed({ records: some.length, partitions })
        }
      }),
      reader: builtReader()
    }
    yield* Local.start(appOf([DStream.fromInput("own", input).pipe(DStream.collectTo(seen))]), { executors: 2 })
    for (let i = 0; i < 4; i++) {
      yield* TestClock.adjust(1000)
      yield* Local.settled
    }
    const readers = Map.groupBy(seen.flatMap(({ records }) => records), (record) => record.split(" ")[0]!)
    assert.deepEqual([...readers].map(([value, records]) => [value, new Set(records).size]), [["0", 1], ["1", 1], [
      "2",
      1
    ], ["3", 1]])
    assert.equal(new Set([...readers.values()].flat().map((record) => record.split(" by ")[1])).size, 2)
  }))

it("a reading of the program's own is built once in each executor, and its values are partitions", () =>
  Effect.gen(function* () {
    const seen: Collected<string> = []
    const reader = builtReader()
    const trigger = DStream.fromInput<number, never, never>("own", {
      kind: "direct",
      planner: Effect.succeed({ plan: () => Effect.succeed({ records: 0, partitions: [] }) }),
      reader: Effect.succeed({ read: () => Effect.succeed(chunkOf([])) })
    })
    const stream = trigger.pipe(
      DStream.transform(() => RDD.reading(reader, ["a", "b", "c"])),
      DStream.map((record) => record.toUpperCase())
    )
    yield* Local.start(appOf([stream.pipe(DStream.collectTo(seen))]), { executors: 2, coded: true })
    for (let i = 0; i < 3; i++) {
      yield* TestClock.adjust(1000)
      yield* Local.settled
    }
    const records = seen.flatMap(({ records }) => records)
    assert.deepEqual(records.map((record) => record[0]), ["A", "B", "C", "A", "B", "C", "A", "B", "C"])
    assert.equal(new Set(records.map((record) => record.split(" BY ")[1])).size, 2)
  }))

it("a batch says what it is made of, and so does the context of a partition; of a union both inputs, each once", () =>
  Effect.gen(function* () {
    const seen: Array<unknown> = []
    const inputOf = (name: string) =>
      DStream.fromInput<string, never, never>(name, {
        kind: "direct",
        planner: Effect.succeed({
          plan: () => Effect.succeed({ records: 1, partitions: [{ kind: "source", value: name, records: 1 }] })
        }),
        reader: Effect.succeed({ read: ({ value }) => Effect.succeed(chunkOf([String(value)])) })
      }).pipe(DStream.named(name))
    const a = inputOf("a")
    const both = a.pipe(DStream.union(inputOf("b")), DStream.union(a), DStream.map((value) => value))
    const of = (inputs: ReturnType<typeof inputsOf>) =>
      inputs.map(({ partitions, stream, time }) => [stream, time, partitions.length])
    const app = appOf([
      both.pipe(DStream.foreachBatch((batch) => Effect.sync(() => seen.push(of(batch.inputs))))),
      both.pipe(DStream.foreachPartition((_, context) => Effect.sync(() => seen.push(of(context.inputs!)))))
    ])
    yield* Local.start(app)
    yield* TestClock.adjust(1000)
    yield* Local.settled
    assert.deepEqual(seen, Array.from({ length: 4 }, () => [["a", 1000, 1], ["b", 1000, 1]]))
  }))
