/**
 * The makings of StableStorage: each keeps the contract; what a crash leaves in memory; what a directory shows to people.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { test } from "node:test"
import { Effect, Scope } from "effect"
import { storageError } from "../../adapters/storage/directoryErrors.ts"
import { nativeChecksum } from "../../adapters/storage/nativeChecksum.ts"
import { stableDirectory } from "../../adapters/storage/stableDirectory.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import { journalMax, memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { it } from "../kit.ts"
import { bytesOf, storageContract, textOf } from "./contract.ts"

const freshFolder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-storage-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

storageContract("memory", Effect.sync(() => memoryStorage()), { runs: 300 })
storageContract("memory without append", Effect.sync(() => memoryStorage({ appends: false })))
storageContract(
  "a directory",
  Effect.flatMap(freshFolder, (folder) => stableDirectory(path.join(folder, "place", "within"))),
  { runs: 20 }
)

it("a crash leaves what was synced, and of the rest what its fate says", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const [one, two] = [yield* storage.open("one"), yield* storage.open("two")]
    yield* storage.create("whole", bytesOf("whole"))
    yield* one.append(bytesOf("lost"), { sync: false })
    yield* one.append(bytesOf(" no more, "))
    yield* one.append(bytesOf("a"), { sync: false })
    yield* one.append(bytesOf("bc"), { sync: false })
    yield* two.append(bytesOf("gone"), { sync: false })
    assert.deepEqual(storage.sizes("one"), { all: 17, durable: 14 })
    const fates: Array<unknown> = []
    storage.crash((name, unsynced) => {
      fates.push([name, unsynced.map(textOf)])
      return name === "one" ? unsynced[1]! : new Uint8Array(0)
    })
    assert.deepEqual(fates, [["one", ["a", "bc"]], ["two", ["gone"]]])
    assert.equal(textOf(yield* storage.read("one")), "lost no more, bc")
    assert.equal(textOf(yield* storage.read("two")), "")
    assert.equal(textOf(yield* storage.read("whole")), "whole")
    const error = yield* Effect.flip(one.append(bytesOf("late")))
    assert.match(error.message, /one takes no more appends/)
  }))

it("a directory says when a file that is written to has been removed", () =>
  Effect.gen(function* () {
    const folder = path.join(yield* freshFolder, "place")
    const storage = yield* stableDirectory(folder)
    const file = yield* storage.open("in/log")
    yield* file.append(bytesOf("kept"))
    fs.rmSync(folder, { recursive: true })
    const { message, reason } = yield* Effect.flip(file.append(bytesOf("lost")))
    assert.equal(reason, "Invalid")
    assert.match(message, /in\/log in .*place failed: it was removed while it was written to.* stop the app/)
    assert.match((yield* Effect.flip(file.append(bytesOf("lost")))).message, /takes no more appends/)
  }))

it("the journal tells each call with its bytes and whether it was synced, and keeps the latest", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const file = yield* storage.open("log")
    yield* file.append(bytesOf("abc"))
    yield* file.append(bytesOf("de"), { sync: false })
    yield* storage.read("log", { offset: 1, length: 3 })
    yield* storage.remove("log")
    assert.deepEqual(
      storage.journal.map(({ bytes, call, sync }) => `${call} ${bytes}${sync ? " synced" : ""}`),
      ["open 0 synced", "append 3 synced", "append 2", "read 3", "remove 0"]
    )
    assert.equal(storage.syncs(), 2)
    for (let i = 0; i < 3 * journalMax; i++) yield* storage.size("nothing")
    assert.ok(storage.journal.length <= 2 * journalMax)
  }))

it.live("a directory is not made, nor anything in it, before something is written", () =>
  Effect.gen(function* () {
    const folder = yield* freshFolder
    const place = path.join(folder, "not", "there")
    const storage = yield* stableDirectory(place)
    assert.deepEqual(yield* storage.list(""), [])
    assert.equal(yield* storage.read("a/b"), undefined)
    assert.equal(yield* storage.size("a/b"), undefined)
    yield* storage.remove("a/b")
    assert.ok(!fs.existsSync(path.join(folder, "not")))
    yield* storage.create("a/b", bytesOf("b"))
    assert.equal(fs.readFileSync(path.join(place, "a", "b"), "utf8"), "b")
    assert.deepEqual(fs.readdirSync(path.join(place, "a")), ["b"])
    yield* storage.remove("a/b")
    assert.deepEqual(fs.readdirSync(place), [])
  }))

it.live("a place that is a file is refused, and so is a name under a file", () =>
  Effect.gen(function* () {
    const folder = yield* freshFolder
    fs.writeFileSync(path.join(folder, "file"), "x")
    const place = yield* Effect.flip(stableDirectory(path.join(folder, "file")))
    assert.equal(place.reason, "Invalid")
    assert.match(place.message, /file is a file, not a directory: name another place/)
    const storage = yield* stableDirectory(folder)
    const under = yield* Effect.flip(storage.create("file/name", bytesOf("x")))
    assert.equal(under._tag === "StorageError" && under.reason, "Invalid")
    assert.match(under.message, /a file is where a folder should be/)
  }))

it.live("what a crash left of objects that were being created is not listed, and goes after a while", () =>
  Effect.gen(function* () {
    const folder = yield* freshFolder
    const storage = yield* stableDirectory(folder)
    yield* storage.create("a/b", bytesOf("b"))
    const [old, fresh] = [".new-old", ".new-fresh"].map((name) => path.join(folder, "a", name)) as [string, string]
    for (const file of [old, fresh]) fs.writeFileSync(file, "half")
    const yesterday = Date.now() / 1000 - 86_400
    fs.utimesSync(old, yesterday, yesterday)
    fs.writeFileSync(path.join(folder, "a", ".DS_Store"), "foreign")
    assert.deepEqual(yield* storage.list(""), ["a/b"])
    assert.deepEqual([fs.existsSync(old), fs.existsSync(fresh)], [false, true])
  }))

it.live("folders that another process removes for being empty are made again", () =>
  Effect.gen(function* () {
    const folder = yield* freshFolder
    const [ours, theirs] = [yield* stableDirectory(folder), yield* stableDirectory(folder)]
    for (let i = 0; i < 3; i++) {
      yield* ours.create("a/b/c", bytesOf("c"))
      yield* theirs.remove("a/b/c")
      assert.deepEqual(fs.readdirSync(folder), [])
    }
    const file = yield* ours.open("a/b/log")
    yield* file.append(bytesOf("x"))
    yield* theirs.remove("a/b/c")
    assert.equal(textOf(yield* theirs.read("a/b/log")), "x")
  }))

it.live("files are closed with their scopes, and none is left open", () =>
  Effect.gen(function* () {
    const storage = yield* stableDirectory(yield* freshFolder)
    for (let i = 0; i < 30; i++) {
      const scope = yield* Scope.make()
      const file = yield* Scope.provide(scope)(storage.open(`log/${i}`))
      yield* file.append(bytesOf("x"))
      yield* Scope.close(scope, { _tag: "Success", value: undefined } as never)
      const error = yield* Effect.flip(file.append(bytesOf("y")))
      assert.ok(error.message.length > 0)
    }
    yield* Effect.forEach(
      Array.from({ length: 100 }, (_, i) => i),
      (i) => storage.create(`many/${i}`, bytesOf(`${i}`)),
      {
        concurrency: 10
      }
    )
    assert.equal((yield* storage.list("many/")).length, 100)
  }))

test("what a file system says becomes an error that says what to do", () => {
  const of = (code: string) => storageError("/place", "log/1", Object.assign(new Error(`${code}: no`), { code }))
  for (const code of ["ENOSPC", "EDQUOT"]) assert.equal(of(code).reason, "Full")
  for (const code of ["EROFS", "EACCES", "EPERM"]) assert.equal(of(code).reason, "ReadOnly")
  for (const code of ["ENOTDIR", "ENAMETOOLONG", "EISDIR"]) assert.equal(of(code).reason, "Invalid")
  for (const code of ["EIO", "EMFILE", "ESTALE", "constructor"]) assert.equal(of(code).reason, "Unavailable")
  assert.match(
    of("ENOSPC").message,
    /^access to log\/1 in \/place failed: the disk is full: make room, or name a place on another/
  )
  assert.equal(storageError("/place", "", "odd").reason, "Unavailable")
})

test("the check sum in core is that of zlib, for all lengths", () => {
  assert.equal(crc32(bytesOf("123456789")), 0xcbf43926)
  assert.equal(crc32(new Uint8Array(0)), 0)
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) % 256)
    assert.equal(crc32(bytes), nativeChecksum(bytes))
    assert.equal(crc32(bytes.subarray(1)), nativeChecksum(bytes.slice(1)))
  }
})
