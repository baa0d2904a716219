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
import { saveErrorOf } from "../../adapters/save/SaveError.ts"
import { it } from "../kit.ts"
import { filesOf, folder } from "./folder.ts"

const time = 1000
const write = (
  target: string,
  partition: number,
  records: ReadonlyArray<unknown>,
  output = "out",
  encode: Encode = text
) => BatchDirectory.writePartition(target, { time, partition, output }, records, encode)
const commit = (target: string, numPartitions: number, output = "out", app = "app") =>
  BatchDirectory.commit(target, { time, numPartitions, app, output })

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
    yield* write(target, 1, [["b", 2], ["c", 3]])
    yield* write(target, 0, ["a"])
    assert.equal(fs.existsSync(target), false)
    yield* commit(target, 3).pipe(Effect.flip)
    yield* write(target, 2, [])
    yield* commit(target, 3)
    assert.deepEqual(filesOf(parent), {
      "deep/counts-1000/_SUCCESS": "",
      "deep/counts-1000/part-00000": "a\n",
      "deep/counts-1000/part-00001": "(b,2)\n(c,3)\n",
      "deep/counts-1000/part-00002": ""
    })
    const marker = JSON.parse(fs.readFileSync(path.join(target, "_SUCCESS"), "utf8"))
    assert.deepEqual(marker, { by: "dstreams", app: "app", output: "out", time })
  }))

it("a batch without partitions is a directory with its marker alone", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    yield* commit(path.join(parent, "counts-1000"), 0)
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
    const error = yield* Effect.flip(write(target, 0, [1, long, 3], "out", failing))
    assert.match(error.message, /cannot write .*counts-1000.*part-00000: Error: no such record/)
    assert.deepEqual(Object.keys(filesOf(parent)), [])
    yield* write(target, 0, [1, 2])
    yield* write(target, 0, [1, 2])
    yield* commit(target, 1)
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
    yield* write(target, 0, ["whole"])
    yield* commit(target, 1)
    assert.equal(fs.readFileSync(path.join(target, "part-00000"), "utf8"), "whole\n")
  }))

it("a batch that runs again replaces its own directory, with fewer partitions too", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const target = path.join(parent, "counts-1000.txt")
    for (const partitions of [3, 2]) {
      // What a run left that died before its commit.
      yield* write(target, 5, ["stale"])
      for (let partition = 0; partition < partitions; partition++) yield* write(target, partition, [`of ${partitions}`])
      yield* commit(target, partitions)
    }
    assert.deepEqual(filesOf(parent), {
      "counts-1000.txt/_SUCCESS": "",
      "counts-1000.txt/part-00000": "of 2\n",
      "counts-1000.txt/part-00001": "of 2\n"
    })
  }))

it("a batch that died between taking the old directory away and putting the new one in place is done by its next run", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const target = path.join(parent, "counts-1000")
    yield* write(target, 0, ["old"])
    yield* commit(target, 1)
    fs.renameSync(target, path.join(parent, ".counts-1000.out.replaced"))
    yield* write(target, 0, ["new"])
    yield* commit(target, 1)
    assert.deepEqual(filesOf(parent), { "counts-1000/_SUCCESS": "", "counts-1000/part-00000": "new\n" })
  }))

it("what another program, another output or a file of that name left is told and left as it is", () =>
  Effect.gen(function* () {
    const made: ReadonlyArray<readonly [make: (target: string) => Effect.Effect<unknown, unknown>, message: RegExp]> = [
      [
        (target) => Effect.sync(() => (fs.mkdirSync(target), fs.writeFileSync(path.join(target, "_SUCCESS"), ""))),
        /a directory of that name, which no output of dstreams made; it is left as it is: move it away/
      ],
      [(target) => Effect.sync(() => fs.mkdirSync(target)), /which no output of dstreams made/],
      [(target) => Effect.sync(() => fs.writeFileSync(target, "mine")), /there is a file of that name/],
      [
        (target) => Effect.andThen(write(target, 0, ["theirs"], "other"), commit(target, 1, "other")),
        /made by output other of app "app" at 1000 ms/
      ]
    ]
    for (const [make, message] of made) {
      const parent = yield* folder
      const target = path.join(parent, "counts-1000")
      yield* make(target)
      const before = filesOf(parent)
      yield* write(target, 0, ["ours"])
      const error = yield* Effect.flip(commit(target, 1))
      assert.equal(error._tag, "SaveError")
      assert.equal(error.path, target)
      assert.match(error.message, message)
      const after = filesOf(parent)
      for (const name of Object.keys(before)) assert.equal(after[name], before[name], name)
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
