/**
 * File streams over lives of drivers: which files were taken is remembered, what came in the down-time is taken, nothing twice.
 */
import * as assert from "node:assert/strict"
import { Effect, Layer } from "effect"
import fc from "fast-check"
import { TestClock } from "effect/testing"
import * as File from "../../adapters/file/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { it } from "../kit.ts"
import * as lives from "./lives.ts"

type Seen = Array<{ readonly time: number; readonly records: ReadonlyArray<any> }>

/** Triangular sums: file i holds i times the word a. */
const summing = (seen: Seen, files: File.MemoryFiles) =>
  StreamingApp.make({
    name: "files",
    batchDuration: "1 second",
    outputs: [
      File.textStream({ directory: "/in" }).pipe(
        DStream.mapToPair((word) => [word, 1]),
        DStream.updateStateByKey((ones, sum: number | undefined) => ones.length + (sum ?? 0)),
        DStream.named("sums"),
        DStream.checkpoint("5 seconds"),
        DStream.collectTo(seen, { name: "sums" })
      )
    ],
    layer: Layer.succeed(File.FileWorld, files)
  })

const fileOf = (number: number) => `a\n`.repeat(number)

/** Writes file i in the middle of second i, whoever is alive. */
const writeAll = (files: File.MemoryFiles, count: number) => {
  for (let i = 1; i <= count; i++) files.write(`/in/file${i}`, fileOf(i), i * 1000 - 500)
}

const sumAt = (seen: Seen, time: number) => seen.find((batch) => batch.time === time)?.records[0]?.[1]

it(
  "killed and recovered at random times, a running count over files never shows a wrong value and ends right",
  () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ runs: fc.integer({ min: 1, max: 8 }), down: fc.integer({ min: 0, max: 6 }) }), {
            minLength: 1,
            maxLength: 5
          }),
          (plan) =>
            Effect.runPromise(
              Effect.gen(function* () {
                const files = File.memoryFiles()
                const storage = memoryStorage()
                const seen: Seen = []
                writeAll(files, 30)
                for (const { down, runs } of plan) {
                  yield* lives.live(summing(seen, files), { storage }, runs)
                  yield* TestClock.adjust(down * 1000)
                }
                const now = plan.reduce((sum, { down, runs }) => sum + down + runs, 0)
                yield* lives.live(summing(seen, files), { storage }, Math.max(3, 32 - now))
                for (const { records, time } of seen) {
                  const last = Math.min(30, time / 1000)
                  assert.equal(records[0]?.[1], last * (last + 1) / 2, `batch ${time}`)
                }
                assert.equal(sumAt(seen, 30_000), 465)
              }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
            )
        ),
        { numRuns: 8 }
      )
    ),
  { timeout: 120_000 }
)

it("files of the down-time are taken by the batch that comes after it, where ticks are coalesced", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const storage = memoryStorage()
    const seen: Seen = []
    const settings = { missedTicks: "coalesce" } as const
    files.write("/in/file1", fileOf(1), 500)
    yield* lives.live(summing(seen, files), { storage, settings }, 2)
    // Longer ago than a minute, which is what is remembered.
    for (let i = 3; i <= 100; i++) files.write(`/in/file${i}`, "a\n", i * 1000 - 500)
    yield* TestClock.adjust("98 seconds")
    yield* lives.live(summing(seen, files), { storage, settings }, 1)
    assert.deepEqual(seen.map(({ time }) => time), [1000, 2000, 100_000, 101_000])
    assert.equal(sumAt(seen, 100_000), 99)
  }))

it("a file that is older than the first start is not read by the driver that goes on", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const storage = memoryStorage()
    const seen: Array<{ readonly records: ReadonlyArray<string> }> = []
    const app = StreamingApp.make({
      name: "files",
      batchDuration: "10 seconds",
      outputs: [
        File.textStream({ directory: "/in" }).pipe(DStream.named("in"), DStream.collectTo(seen as any, { name: "o" }))
      ],
      layer: Layer.succeed(File.FileWorld, files)
    })
    files.write("/in/old", "old\n", 3000)
    yield* TestClock.setTime(7000)
    yield* lives.live(app, { storage }, 4)
    files.write("/in/new", "new\n", 12_000)
    yield* lives.live(app, { storage }, 20)
    yield* lives.live(app, { storage }, 20)
    assert.deepEqual(seen.flatMap(({ records }) => records), ["new"])
  }))

it("a file stream that a changed program brings reads what comes after the last batch before it", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const storage = memoryStorage()
    const seen: Array<{ readonly records: ReadonlyArray<string> }> = []
    const read = (directory: string, to: typeof seen) =>
      File.textStream({ directory }).pipe(
        DStream.named(directory),
        DStream.collectTo(to as any, { name: `of ${directory}` })
      )
    const app = (outputs: ReadonlyArray<ReturnType<typeof read>>) =>
      StreamingApp.make({
        name: "files",
        batchDuration: "1 second",
        outputs,
        layer: Layer.succeed(File.FileWorld, files)
      })
    const before = read("/one", [])
    files.makeDirectory("/one")
    yield* lives.live(app([before]), { storage }, 4)
    files.write("/two/before", "before\n", 2500)
    files.write("/two/meanwhile", "meanwhile\n", 5500)
    yield* TestClock.adjust("3 seconds")
    yield* lives.live(app([before, read("/two", seen)]), { storage }, 5)
    yield* lives.live(app([before, read("/two", seen)]), { storage }, 5)
    assert.deepEqual(seen.flatMap(({ records }) => records), ["meanwhile"])
  }))
