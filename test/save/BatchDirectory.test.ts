/**
 * Directories of saved batches: whole or not at all, one copy however often it is tried, and nobody else's is touched.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect, Fiber } from "effect"
import * as BatchDirectory from "../../adapters/save/BatchDirectory.ts"
import { batchFileName } from "../../adapters/save/batchFileName.ts"
import { type Encode, text } from "../../adapters/save/formats.ts"
import { SaveError, saveErrorOf } from "../../adapters/save/SaveError.ts"
import * as WorkDirectory from "../../adapters/save/WorkDirectory.ts"
import { Fenced } from "../../core/output/Sink.ts"
import { it } from "../kit.ts"
import { filesOf, folder } from "./folder.ts"

const time = 1000
const placeOf = (target: string) => ({ target, work: path.join(path.dirname(target), ".work") })
const write = (target: string, partition: number, records: ReadonlyArray<unknown>, encode: Encode = text, epoch = 1) =>
  BatchDirectory.writePartition(placeOf(target), { partition, epoch, attempt: 0 }, records, encode)
const commit = (
  target: string,
  prepared: ReadonlyArray<BatchDirectory.PreparedFile>,
  { app = "app", epoch = 1, output = "out" } = {}
) => BatchDirectory.commit(placeOf(target), { time, app, output, epoch, commitId: "the-id" }, prepared)
/** Of an output and a driver that go on for ever. */
const fence = (target: string, epoch: number) =>
  BatchDirectory.attempt(target, () => WorkDirectory.fence(placeOf(target).work, { epoch, output: "out" }))
/** All files but those that are being prepared. */
const seenIn = (parent: string) =>
  Object.fromEntries(Object.entries(filesOf(parent)).filter(([name]) => !name.includes(".work/")))

it("a batch is named prefix-TIME.suffix, without what is empty", () =>
  Effect.sync(() => {
    assert.equal(batchFileName("out", "txt", 1000), "out-1000.txt")
    assert.equal(batchFileName("out", "", 1000), "out-1000")
    assert.equal(batchFileName("", "txt", 1000), "1000.txt")
    assert.equal(batchFileName(null, undefined, 2500), "2500")
  }))

it("a batch is not seen before it is committed, and then whole, with its marker", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const target = path.join(parent, "deep", "counts-1000")
    const second = yield* write(target, 1, [["b", 2], ["c", 3]])
    const first = yield* write(target, 0, ["a"])
    const third = yield* write(target, 2, [])
    assert.equal(fs.existsSync(target), false)
    assert.deepEqual([first.records, first.bytes], [1, 2])
    yield* commit(target, [first, second, third])
    assert.deepEqual(filesOf(parent), {
      "deep/counts-1000/_SUCCESS": "",
      "deep/counts-1000/part-00000": "a\n",
      "deep/counts-1000/part-00001": "(b,2)\n(c,3)\n",
      "deep/counts-1000/part-00002": ""
    })
    const marker = JSON.parse(fs.readFileSync(path.join(target, "_SUCCESS"), "utf8"))
    assert.deepEqual(marker, {
      by: "dstreams",
      app: "app",
      output: "out",
      time,
      commitId: "the-id",
      records: 3,
      bytes: 14
    })
  }))

it("a batch without partitions is a directory with its marker alone", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    yield* commit(path.join(parent, "counts-1000"), [])
    assert.deepEqual(filesOf(parent), { "counts-1000/_SUCCESS": "" })
  }))

it("an attempt that fails half-way leaves nothing of a partition, and the next one leaves one copy", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const target = path.join(parent, "counts-1000")
    const long = "x".repeat(1 << 20)
    const failing: Encode = (record) => {
      if (record === 3) throw new Error("no such record")
      return text(record)
    }
    const error = yield* Effect.flip(write(target, 0, [1, long, 3], failing))
    assert.match(error.message, /cannot write .*counts-1000.*part-00000: Error: no such record/)
    assert.deepEqual(Object.keys(filesOf(parent)), [])
    yield* write(target, 0, [1, 2])
    yield* commit(target, [yield* write(target, 0, [1, 2])])
    assert.deepEqual(filesOf(parent), { "counts-1000/_SUCCESS": "", "counts-1000/part-00000": "1\n2\n" })
  }))

it.live("an attempt that is interrupted leaves nothing that a commit would publish", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const target = path.join(parent, "counts-1000")
    const lines = Array.from({ length: 64 }, () => "x".repeat(1 << 20))
    const writing = yield* Effect.forkChild(write(target, 0, lines), { startImmediately: true })
    yield* Effect.yieldNow
    yield* Fiber.interrupt(writing)
    yield* commit(target, [yield* write(target, 0, ["whole"])])
    assert.equal(fs.readFileSync(path.join(target, "part-00000"), "utf8"), "whole\n")
  }))

it("a batch that runs again finds its own directory and leaves it, and what it prepared is removed", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const target = path.join(parent, "counts-1000.txt")
    for (const partitions of [3, 2]) {
      // What a run left that died before its commit.
      yield* write(target, 5, ["stale"])
      const prepared: Array<BatchDirectory.PreparedFile> = []
      for (let partition = 0; partition < partitions; partition++) {
        prepared.push(yield* write(target, partition, [`of ${partitions}`]))
      }
      yield* commit(target, prepared)
    }
    assert.deepEqual(filesOf(parent), {
      "counts-1000.txt/_SUCCESS": "",
      "counts-1000.txt/part-00000": "of 3\n",
      "counts-1000.txt/part-00001": "of 3\n",
      "counts-1000.txt/part-00002": "of 3\n"
    })
  }))

it("a driver that was replaced publishes nothing, whatever it had prepared and whenever it goes on", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const target = path.join(parent, "counts-1000")
    yield* fence(target, 3)
    const before = yield* write(target, 0, ["of the old"], text, 3)
    yield* fence(target, 4)
    for (const prepared of [before, yield* write(target, 0, ["of the old"], text, 3)]) {
      const error = yield* Effect.flip(commit(target, [prepared], { epoch: 3 }))
      assert.ok(error instanceof Fenced)
      assert.deepEqual([error.epoch, error.current], [3, 4])
      assert.match(error.message, /output "out" belongs to a driver of epoch 4, and this one is of epoch 3/)
    }
    assert.ok((yield* Effect.flip(fence(target, 3))) instanceof Fenced)
    assert.deepEqual(seenIn(parent), {})
    yield* commit(target, [yield* write(target, 0, ["of the new"], text, 4)], { epoch: 4 })
    yield* fence(target, 4)
    yield* fence(target, 5)
    assert.deepEqual(filesOf(parent), { "counts-1000/_SUCCESS": "", "counts-1000/part-00000": "of the new\n" })
  }))

it("a partition that the driver does not see is told with what to do", () =>
  Effect.gen(function* () {
    const target = path.join(yield* folder, "counts-1000")
    const error = yield* Effect.flip(commit(target, [{ file: "part-00000-elsewhere", records: 1, bytes: 1 }]))
    assert.match(
      error.message,
      /its part-00000 was written on an executor and is not seen by the driver; save to a file system/
    )
  }))

/** What nobody wrote who saves batches: of another shape, longer than any, nested deep. */
const own = { by: "dstreams", app: "app", output: "out", time, commitId: "the-id", records: 1, bytes: 5 }
const markers = [
  "null",
  "[]",
  JSON.stringify({ by: "dstreams" }),
  JSON.stringify({ ...own, output: { toString: 1 } }),
  JSON.stringify({ ...own, time: "1000" }),
  JSON.stringify({ ...own, bytes: -1 }),
  `{"__proto__": ${JSON.stringify(own)}}`,
  `${JSON.stringify(own)}${" ".repeat(100_000)}`,
  "[".repeat(60_000)
]

it("what another program, another output or a file of that name left is told and left as it is", () =>
  Effect.gen(function* () {
    const made: ReadonlyArray<readonly [make: (target: string) => Effect.Effect<unknown, unknown>, message: RegExp]> = [
      [
        (target) => Effect.sync(() => (fs.mkdirSync(target), fs.writeFileSync(path.join(target, "_SUCCESS"), ""))),
        /a directory of that name, which no output of dstreams made; it is left as it is: move it away/
      ],
      [(target) => Effect.sync(() => fs.mkdirSync(target)), /which no output of dstreams made/],
      ...markers.map((marker) =>
        [
          (target: string) =>
            Effect.sync(() => (fs.mkdirSync(target), fs.writeFileSync(path.join(target, "_SUCCESS"), marker))),
          /which no output of dstreams made/
        ] as const
      ),
      [(target) => Effect.sync(() => fs.writeFileSync(target, "mine")), /there is a file of that name/],
      [
        (target) => Effect.flatMap(write(target, 0, ["theirs"]), (file) => commit(target, [file], { output: "other" })),
        /made by output other of app "app" at 1000 ms/
      ]
    ]
    for (const [make, message] of made) {
      const parent = yield* folder
      const target = path.join(parent, "counts-1000")
      yield* make(target)
      const before = seenIn(parent)
      const error = yield* Effect.flip(commit(target, [yield* write(target, 0, ["ours"])]))
      assert.ok(error instanceof SaveError)
      assert.equal(error.path, target)
      assert.match(error.message, message)
      assert.deepEqual(seenIn(parent), before)
    }
  }))

it("a path that leads through a file is told with what to do", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    fs.writeFileSync(path.join(parent, "file"), "mine")
    const error = yield* Effect.flip(write(path.join(parent, "file", "counts-1000"), 0, []))
    assert.match(
      error.message,
      /part-00000: (a part of the path is a file.*\(ENOTDIR\)|something is in the way \(EEXIST\)).*move it away/
    )
  }))

it("what a full disk, a missing permission and a disk that can only be read refuse is told with what to do", () =>
  Effect.sync(() => {
    const refusals: ReadonlyArray<readonly [code: string, message: RegExp]> = [
      ["ENOSPC", /cannot write \/a\/b: the disk is full \(ENOSPC\); free some space/],
      ["EACCES", /there is no permission \(EACCES\); let the program's user write there/],
      ["EROFS", /can only be read \(EROFS\); save elsewhere/],
      ["EWHAT", /cannot write \/a\/b: Error: odd/]
    ]
    for (const [code, message] of refusals) {
      assert.match(saveErrorOf("/a/b", Object.assign(new Error("odd"), { code })).message, message)
    }
  }))
