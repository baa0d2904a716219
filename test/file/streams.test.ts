/**
 * File streams in a whole engine, on the virtual clock: over files in memory, whose times of modification the tests give, and over
 * real directories. The scenarios input/files-new-only, input/binary-records and input/files-wildcard are among them.
 */
import * as assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as File from "../../adapters/file/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { type Collected, recordsOf } from "../driver/collected.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"
import { folder } from "../threads/run.ts"

/** Gives what the real file system does time to happen. */
const realTime = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

interface Running<A> {
  readonly batches: Collected<A>
  readonly messages: ReadonlyArray<string>
  readonly events: ReadonlyArray<StreamingEvent>
  /** Moves the clock, until so many batches are complete in all. */
  readonly advance: (millis: number, batches: number) => Effect.Effect<void>
  readonly context: Effect.Success<ReturnType<typeof Local.start>>
}

interface Setup {
  readonly startMillis?: number
  readonly batchMillis?: number
  readonly files?: File.FileOperations
  readonly settings?: StreamingApp.StreamingApp["settings"]
}

const start = Effect.fnUntraced(function* <A>(input: DStream.DStream<A, File.FileError>, setup: Setup = {}) {
  const { batchMillis = 2000, files, settings = {}, startMillis = 12_000 } = setup
  const batches: Collected<A> = []
  const messages: Array<string> = []
  const events: Array<StreamingEvent> = []
  yield* TestClock.setTime(startMillis)
  const app = StreamingApp.make({
    name: "files",
    batchDuration: batchMillis,
    outputs: [input.pipe(DStream.collectTo(batches))],
    settings,
    layer: files === undefined ? Layer.empty : Layer.succeed(File.FileWorld, files)
  })
  const logger = Logger.make(({ message }) => void messages.push(String(message)))
  const context = yield* Local.start(app, { observers: [(event) => void events.push(event)] }).pipe(
    Effect.provide(Logger.layer([logger]))
  )
  const ended = () => events.filter(({ kind }) => kind === "BatchCompleted" || kind === "GenerationFailed").length
  const running: Running<A> = {
    batches,
    messages,
    events,
    context,
    advance: Effect.fnUntraced(function* (millis, count) {
      yield* TestClock.adjust(millis)
      while (ended() < count) {
        yield* realTime
        yield* TestClock.adjust(0)
      }
    })
  }
  return running
})

const texts = (batches: Collected<string>) => batches.map(({ records }) => [...records])

it("a file older than the start is not read, each new one once, in the batch of its time", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    files.write("/in/0", "0", 10_000)
    const { advance, batches } = yield* start(File.textStream({ directory: "/in" }), { files })
    yield* advance(1000, 0)
    for (let i = 1; i <= 5; i++) {
      files.write(`/in/${i}`, String(i), 11_000 + 2000 * i)
      yield* advance(2000, i)
    }
    assert.deepEqual(texts(batches), [["1"], ["2"], ["3"], ["4"], ["5"]])
  }))

it("with newFilesOnly: false those of the last minute before the start are read too", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    files.write("/in/0", "0", 10_000)
    const input = File.textStream({ directory: "/in", newFilesOnly: false })
    const { advance, batches } = yield* start(input, { files })
    yield* advance(1000, 0)
    files.write("/in/1", "1", 13_000)
    yield* advance(1000, 1)
    assert.deepEqual(texts(batches), [["0", "1"]])
  }))

it("binary records come in the batch of their file, and listeners are told how many and of which files", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    files.write("/in/0", "old", 10_000)
    const input = File.binaryRecordsStream({ directory: "/in", recordLength: 1, maxPartitionBytes: 2 })
    const { advance, batches, events } = yield* start(input, { files })
    yield* advance(1000, 0)
    for (let i = 0; i < 3; i++) {
      files.write(`/in/${i + 1}`, Uint8Array.from({ length: 5 }, (_, n) => n + i + 1), 13_000 + 2000 * i)
      yield* advance(2000, i + 1)
    }
    const numbers = batches.map(({ records }) => records.flatMap((record) => Array.from(record)))
    assert.deepEqual(numbers, [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 5, 6, 7]])
    const infos = events.flatMap((event) => event.kind === "BatchCompleted" ? event.batch.inputs : [])
    assert.deepEqual(infos.map(({ description, records }) => [records, description]), [
      [5, "1 file: /in/1"],
      [5, "1 file: /in/2"],
      [5, "1 file: /in/3"]
    ])
  }))

it("a filter chooses by path; hidden files become visible when they are renamed, and count from their modification", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const { advance, batches } = yield* start(File.textStream({ directory: "/in" }), { files })
    const chosen = File.memoryFiles()
    files.write("/in/.a", "a", 12_500)
    yield* advance(2000, 1)
    files.rename("/in/.a", "/in/a")
    yield* advance(2000, 2)
    assert.deepEqual(texts(batches), [[], ["a"]])
    const filtered = yield* start(File.textStream({ directory: "/in", filter: (one) => one.endsWith(".log") }), {
      files: chosen,
      startMillis: 16_000
    })
    for (const name of ["x.log", ".y.log", "z.txt"]) chosen.write(`/in/${name}`, name, 17_000)
    yield* filtered.advance(2000, 1)
    assert.deepEqual(texts(filtered.batches), [[".y.log", "x.log"]])
  }))

it("a directory that is not there makes empty batches and is told once; when it is back, its files are read", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const { advance, batches, messages } = yield* start(File.textStream({ directory: "/in" }), { files })
    yield* advance(2000, 1)
    yield* advance(2000, 2)
    files.write("/in/a", "a", 17_000)
    yield* advance(2000, 3)
    files.rename("/in/a", "/aside/a")
    files.remove("/in")
    yield* advance(2000, 4)
    files.rename("/aside/a", "/in/a")
    files.write("/in/b", "b", 19_500)
    yield* advance(2000, 5)
    assert.deepEqual(texts(batches), [[], [], ["a"], [], ["b"]])
    const gone = "There is no directory /in; batches take nothing from there until it is put right"
    assert.deepEqual(messages, [gone, "/in is there again", gone, "/in is there again"])
  }))

it("files that will never be read are told: late ones, names used again, empty ones", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const { advance, batches, messages } = yield* start(File.textStream({ directory: "/in" }), { files })
    files.write("/in/a", "a", 13_000)
    files.write("/in/empty", "", 13_500)
    yield* advance(2000, 1)
    files.remove("/in/a")
    yield* advance(2000, 2)
    files.write("/in/a", "another", 17_000)
    files.write("/in/late", "moved in", 11_000)
    yield* advance(2000, 3)
    assert.deepEqual(texts(batches), [["a"], [], []])
    assert.match(messages.join("\n"), /^1 file \(\/in\/empty\) are empty|1 file \(\/in\/empty\)/)
    assert.ok(messages.some((message) => /^1 file \(\/in\/late\) will not be read: .*raise minRemember/.test(message)))
    assert.ok(messages.some((message) => /^1 file \(\/in\/a\) were .* a name of its own$/.test(message)))
  }))

it("an old file that is touched is read, and a name that is used again is told, and read when its batch is forgotten", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    files.write("/in/old", "old", 5000)
    const input = File.textStream({ directory: "/in", minRemember: "4 seconds" })
    const { advance, batches, messages } = yield* start(input, { files })
    files.write("/in/a", "one", 13_000)
    yield* advance(2000, 1)
    files.write("/in/old", "old", 14_500)
    files.write("/in/a", "lost", 15_000)
    yield* advance(2000, 2)
    yield* advance(2000, 3)
    files.write("/in/a", "late", 19_000)
    yield* advance(2000, 4)
    yield* advance(2000, 5)
    assert.deepEqual(texts(batches), [["one"], ["old"], [], ["late"], []])
    assert.deepEqual(messages.filter((message) => message.includes("the same names")).length, 1)
  }))

it("compressed files are one partition of what they hold, and those that cannot be read fail their batch", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const input = File.textStream({ directory: "/in", maxPartitionBytes: 10 })
    const { advance, batches, context } = yield* start(input, { files })
    files.write("/in/a.gz", gzipSync("hello\nworld\n"), 13_000)
    yield* advance(2000, 1)
    assert.deepEqual(texts(batches), [["hello", "world"]])
    files.write("/in/b.zst", "zstandard", 15_000)
    yield* advance(2000, 2)
    const failure = yield* Effect.flip(context.awaitTermination)
    assert.match(String(failure), /b\.zst is compressed as \.zst, which is not read/)
  }))

/** The files as they are, but for one that is gone when it is read. */
const vanishing = (files: File.MemoryFiles, gone: string): File.FileOperations => ({
  ...files,
  read: (one, position, into) => {
    if (one === gone) files.remove(one)
    return files.read(one, position, into)
  }
})

it("a file that vanishes before it is read fails the batch, naming operator, file and remedy", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const input = File.textStream({ directory: "/in" }).pipe(DStream.named("lines"))
    const running = yield* start(input, { files: vanishing(files, "/in/b"), settings: { onBatchFailure: "skip" } })
    files.write("/in/b", "b", 13_000)
    yield* running.advance(2000, 1)
    const reasons = running.events.flatMap((event) =>
      event.kind === "OutputOperationCompleted" ? [event.operation.failureReason ?? ""] : []
    )
    assert.match(reasons.join(), /lines/)
    assert.match(reasons.join(), /The file \/in\/b is gone/)
    assert.match(reasons.join(), /onMissing: "skip"/)
  }))

it("or is skipped by option, which is told, and the other files are read", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const input = File.textStream({ directory: "/in", onMissing: "skip" })
    const { advance, batches, messages } = yield* start(input, { files: vanishing(files, "/in/b") })
    for (const name of ["a", "b", "c"]) files.write(`/in/${name}`, name, 13_000)
    yield* advance(2000, 1)
    assert.deepEqual(texts(batches), [["a", "c"]])
    assert.ok(messages.some((message) => /^The file \/in\/b is gone.*; what is left of it is skipped$/.test(message)))
  }))

it("a filter that throws fails the planning, and takes nothing: the next batch reads the files", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    let bad = true
    const filter = () => {
      if (bad) throw new Error("no")
      return true
    }
    const input = File.textStream({ directory: "/in", filter })
    const running = yield* start(input, { files, settings: { onBatchFailure: "skip" } })
    files.write("/in/a", "a", 13_000)
    yield* running.advance(2000, 1)
    bad = false
    yield* running.advance(2000, 2)
    assert.deepEqual(recordsOf(running.batches), ["a"])
    const failed = running.events.find((event) => event.kind === "GenerationFailed")
    assert.match(JSON.stringify(failed), /The filter of a file stream threw at \/in\/a/)
  }))

/** A real file with a time of modification, complete when it appears. */
const place = (file: string, contents: string, modified: number): void => {
  const hidden = path.join(path.dirname(file), `.${path.basename(file)}.tmp`)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(hidden, contents)
  fs.utimesSync(hidden, modified / 1000, modified / 1000)
  fs.renameSync(hidden, file)
}

it("on disk: a pattern watches all directories that match it, also new ones, and not the files beside them", () =>
  Effect.gen(function* () {
    const root = yield* folder
    place(path.join(root, "0"), "0", 13_000)
    fs.mkdirSync(path.join(root, "tmp1"))
    fs.mkdirSync(path.join(root, "tmp2"))
    const { advance, batches } = yield* start(File.textStream({ directory: path.join(root, "*", path.sep) }))
    yield* advance(1000, 0)
    for (let i = 1; i <= 10; i++) {
      place(path.join(root, i > 8 ? "tmp3" : i % 2 === 0 ? "tmp1" : "tmp2", String(i)), `${i}\n`, 11_000 + 2000 * i)
      yield* advance(2000, i)
    }
    assert.deepEqual(texts(batches), Array.from({ length: 10 }, (_, i) => [String(i + 1)]))
  }))

it("on disk: nested directories by **, directories and links beside files, a directory that goes and comes", () =>
  Effect.gen(function* () {
    const root = yield* folder
    const directory = path.join(root, "deep")
    fs.mkdirSync(directory)
    const { advance, batches, messages } = yield* start(File.textStream({ directory: path.join(directory, "**") }))
    place(path.join(directory, "a", "b", "nested"), "nested", 13_000)
    place(path.join(directory, "top"), "top", 13_001)
    place(path.join(root, "target"), "linked", 13_002)
    fs.symlinkSync(path.join(root, "target"), path.join(directory, "link"))
    yield* advance(2000, 1)
    assert.deepEqual(texts(batches), [["nested", "top", "linked"]])
    fs.renameSync(directory, path.join(root, "aside"))
    yield* advance(2000, 2)
    fs.renameSync(path.join(root, "aside"), directory)
    place(path.join(directory, "more"), "more", 17_000)
    yield* advance(2000, 3)
    assert.deepEqual(texts(batches).slice(1), [[], ["more"]])
    const pattern = path.join(directory, "**")
    assert.deepEqual(messages, [
      `No directory matches ${pattern}; batches take nothing from there until it is put right`,
      `${pattern} is there again`
    ])
  }))

it("on disk: a large file is read as several partitions, each line once and in order", () =>
  Effect.gen(function* () {
    const root = yield* folder
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${"x".repeat(i % 70)}`)
    const input = File.textStream({ directory: root, maxPartitionBytes: 100_000 }).pipe(DStream.glom)
    const { advance, batches } = yield* start(input)
    place(path.join(root, "big"), lines.join("\n"), 13_000)
    yield* advance(2000, 1)
    const partitions = batches[0]!.records
    assert.equal(partitions.length, Math.ceil(lines.join("\n").length / 100_000))
    assert.deepEqual(partitions.flat(), lines)
  }))

it("on disk: a file that vanishes, and one that may not be read, are errors that say so", () =>
  Effect.gen(function* () {
    const root = yield* folder
    const { nodeFiles } = yield* Effect.promise(() => import("../../adapters/file/nodeFiles.ts"))
    const missing = yield* Effect.flip(nodeFiles.read(path.join(root, "none"), 0, new Uint8Array(1)))
    assert.equal(missing.reason, "Missing")
    const unreadable = yield* Effect.flip(nodeFiles.read("\0", 0, new Uint8Array(1)))
    assert.equal(unreadable.reason, "Unreadable")
    assert.equal(yield* nodeFiles.status(path.join(root, "none")), undefined)
    assert.equal(yield* nodeFiles.status(root), undefined)
    assert.match((yield* nodeFiles.list(path.join(root, "none"))).problems.join(), /^There is no directory .*none$/)
  }))

it("on disk: a name that is not UTF-8, and a link that leads to nothing, are told once, with what to do", () =>
  Effect.gen(function* () {
    const root = yield* folder
    const { advance, batches, messages } = yield* start(File.textStream({ directory: root }))
    const target = path.join(root, ".target")
    fs.symlinkSync(target, path.join(root, "link"))
    // Deno gives no such name
    execFileSync("sh", ["-c", `echo lost > "$(printf 'name\\377')"`], { cwd: root })
    yield* advance(2000, 1)
    yield* advance(2000, 2)
    const end = "; it is tried again with each batch"
    assert.deepEqual(messages.toSorted(), [
      `The file ${root}/link cannot be read: it is a link that leads to nothing; make what it names, or remove it${end}`,
      `The file ${root}/name\uFFFD cannot be read: its name is not UTF-8; rename it${end}`
    ])
    place(target, "linked", 17_000)
    yield* advance(2000, 3)
    assert.deepEqual(texts(batches), [[], [], ["linked"]])
    assert.equal(messages.length, 2)
  }))

it("options that cannot be are refused where the program is built", () =>
  Effect.sync(() => {
    const refused = (build: () => unknown, message: RegExp) =>
      assert.throws(build, { _tag: "InvalidFileStream", message })
    refused(() => File.textStream({ directory: " " }), /The directory of a file stream has to be a path, and is " "/)
    refused(() => File.textStream({} as never), /directory.*undefined/)
    refused(() => File.textStream({ directory: "/in", maxLineBytes: 0 }), /maxLineBytes.*at least 1, and is 0/)
    refused(
      () => File.textStream({ directory: "/in", minRemember: "soon" as never }),
      /minRemember.*a duration above zero/
    )
    refused(() => File.textStream({ directory: "/in", onMissing: "ignore" as never }), /onMissing.*"fail" or "skip"/)
    refused(() => File.binaryRecordsStream({ directory: "/in" } as never), /recordLength.*undefined/)
    refused(() => File.stream({ directory: "/in" } as never), /decoder.*a function, and is undefined/)
  }))

it("a format of one's own makes the records, of the whole file or of its pieces", () =>
  Effect.gen(function* () {
    const files = File.memoryFiles()
    const whole = File.stream({ directory: "/in", read: (bytes, { path }) => [`${path}: ${bytes.length} bytes`] })
    const pieces = File.stream<string>({
      directory: "/in",
      decoder: ({ length }) => ({ push: (bytes) => [`${bytes.length} of ${length}`] })
    })
    const { advance, batches } = yield* start(whole.pipe(DStream.union(pieces)), { files })
    files.write("/in/a", "abc", 13_000)
    yield* advance(2000, 1)
    assert.deepEqual(texts(batches), [["/in/a: 3 bytes", "3 of 3"]])
  }))
