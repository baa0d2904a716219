/**
 * Prefixes under which nothing can be saved: each is told at once, and nothing hangs or is made elsewhere.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import { nodeFiles } from "../../adapters/file/nodeFiles.ts"
import { makeDirectory } from "../../adapters/storage/makeDirectory.ts"
import * as Save from "../../adapters/save/mod.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import * as Sink from "../../core/output/Sink.ts"
import { isPermanent } from "../../core/protocol/permanent.ts"
import { it } from "../kit.ts"
import { folder } from "./folder.ts"

const words = Memory.stream({ numPartitions: 1, read: () => ["a"] })

const savedUnder = (prefix: string) => {
  const { action } = words.pipe(Save.saveAsTextFiles(prefix))
  assert.ok(action.kind === "sink" && action.sink[Sink.TypeId] === "batch")
  const place = { app: "app", output: "saved", time: 1000, epoch: 1, numPartitions: 1, partition: 0, attempt: 0 }
  const prepared = action.sink.prepare(["a"], { ...place, commitId: Sink.commitIdOf(place) })
  return Effect.flip(prepared as Effect.Effect<unknown, any>)
}

it("a prefix that begins with the shell's ~ is refused, and no folder of that name is made", () =>
  Effect.gen(function* () {
    for (const prefix of ["~/counts", "~"]) {
      const error = yield* savedUnder(prefix)
      assert.match(error.message, /"~" is the home directory to a shell only.*os\.homedir\(\)/)
      assert.ok(isPermanent(error))
    }
    assert.equal(fs.existsSync("~"), false)
  }))

it("a directory that cannot be made is an error at once, where Node's own mkdir never comes back", () =>
  Effect.gen(function* () {
    if (!fs.existsSync("/proc/version")) return
    const error = yield* savedUnder("/proc/nope/x")
    assert.match(error.message, /^cannot write \/proc\/nope\/x-1000.*(ENOENT|EACCES|EPERM)/s)
  }))

it("directories are made with their parents, also those that are there; what is a file is an error", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const deep = path.join(parent, "a", "b", "c")
    yield* Effect.promise(() => Promise.all([makeDirectory(deep), makeDirectory(deep), makeDirectory(deep)]))
    assert.ok(fs.statSync(deep).isDirectory())
    const file = path.join(parent, "file")
    fs.writeFileSync(file, "")
    for (const wrong of [file, path.join(file, "in")]) {
      yield* Effect.promise(() => assert.rejects(makeDirectory(wrong), /EEXIST|ENOTDIR/))
    }
  }))

it("a stream of a directory that is a file says so", () =>
  Effect.gen(function* () {
    const file = path.join(yield* folder, "README.md")
    fs.writeFileSync(file, "text")
    const { problems } = yield* nodeFiles.list(file)
    assert.deepEqual(problems, [`${file} is a file, not a directory; give the directory that it lies in`])
  }))
