/**
 * Inputs over lives of drivers: what came before the first batch, what could not be planned, and what was skipped.
 */
import * as assert from "node:assert/strict"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as File from "../../adapters/file/mod.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, Sink, StreamingApp } from "../../core/mod.ts"
import { chunkOf, type PlannedInput } from "../../core/dstream/InputDStream.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { it } from "../kit.ts"
import * as lives from "./lives.ts"

type Seen = Array<{ readonly time: number; readonly records: ReadonlyArray<string> }>

/** One record per batch, `f` and its time; `fails` says for which batches the planner fails. */
const planned = (fails: (time: number) => boolean) =>
  DStream.fromInput<string, Error, never>("own", {
    kind: "direct",
    planner: Effect.succeed({
      plan: ({ time }): Effect.Effect<PlannedInput, Error> =>
        fails(time)
          ? Effect.fail(new Error("no listing"))
          : Effect.succeed({ records: 1, partitions: [{ kind: "source", value: time, records: 1 }] })
    }),
    reader: Effect.succeed({ read: ({ value }) => Effect.succeed(chunkOf([`f${value}`])) })
  }).pipe(DStream.named("own"))

it("a file that came after the start and before the first batch is read, though the driver died meanwhile", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const storage = memoryStorage()
    const seen: Seen = []
    const app = StreamingApp.make({
      name: "files",
      batchDuration: "1 second",
      outputs: [
        File.textStream({ directory: "/in" }).pipe(DStream.named("in"), DStream.collectTo(seen, { name: "out" }))
      ],
      layer: Layer.succeed(File.FileWorld, files)
    })
    yield* lives.live(app, { storage }, 0, TestClock.adjust("800 millis"))
    files.write("/in/f", "a\n", 500)
    files.write("/in/g", "b\n", 1500)
    yield* TestClock.adjust("1 second")
    yield* lives.live(app, { storage }, 3)
    assert.deepEqual(seen.flatMap(({ records }) => records), ["a", "b"])
  }))

it("a batch whose input could not be planned is planned again by the next driver", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const seen: Seen = []
    let fails = true
    const app = StreamingApp.make({
      name: "own",
      batchDuration: "1 second",
      outputs: [planned((time) => fails && time === 2000).pipe(DStream.collectTo(seen, { name: "out" }))]
    })
    yield* lives.live(app as StreamingApp.StreamingApp, { storage }, 3)
    fails = false
    yield* lives.live(app as StreamingApp.StreamingApp, { storage }, 1)
    assert.deepEqual(seen.map(({ records }) => records[0]), ["f1000", "f2000", "f3000", "f4000"])
  }))

/** Streams of which a batch cannot be generated where it `fails`. */
const failing: Record<string, (fails: (time: number) => boolean) => DStream.DStream<string, Error>> = {
  "whose input could not be planned": planned,
  "for which a transform threw": (fails) =>
    Memory.batches([["a"]]).pipe(DStream.transform((rdd, { time }) => {
      if (fails(time)) throw new Error("no data set")
      return rdd
    }))
}

for (const [where, stream] of Object.entries(failing)) {
  it(`a batch ${where} is skipped, and is not run after later ones were committed`, () =>
    Effect.gen(function* () {
      const storage = memoryStorage()
      const committed: Array<number> = []
      const sink = Sink.idempotent({
        name: "table",
        prepare: (records: ReadonlyArray<string>) => Effect.succeed(records.length),
        commit: ({ time }) => Effect.sync(() => void committed.push(time))
      })
      const app = (first: boolean) => {
        const input = Memory.batches([["a"], ["b"], ["c"], ["d"]]).pipe(DStream.named("in"))
        const hold = ({ time }: { readonly time: number }) => first && time === 1000 ? Effect.never : Effect.void
        return StreamingApp.make({
          name: "skips",
          batchDuration: "1 second",
          outputs: [
            input.pipe(DStream.foreachBatch(hold, { name: "slow" })),
            input.pipe(DStream.toSink(sink, { name: "table" })),
            stream((time) => first && time === 2000).pipe(DStream.foreachBatch(() => Effect.void, { name: "own" }))
          ]
        }) as StreamingApp.StreamingApp
      }
      const settings = { concurrentJobs: 8, onBatchFailure: "skip" } as const
      yield* lives.live(app(true), { storage, settings }, 3)
      assert.deepEqual(committed, [1000, 3000])
      yield* lives.live(app(false), { storage, settings }, 2)
      assert.deepEqual(committed, [1000, 3000, 4000, 5000])
    }))
}
