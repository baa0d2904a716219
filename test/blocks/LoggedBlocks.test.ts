/**
 * LoggedBlocks over a write-ahead log in storage: what a handler wrote is read back by its position, kept and told; any damage is found.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import { ofBytes, ofRecords } from "../../core/blocks/BlockContents.ts"
import type { ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import * as BlockManager from "../../runtime/executor/blocks/BlockManager.ts"
import * as LoggedBlocks from "../../runtime/executor/blocks/LoggedBlocks.ts"
import * as receivedBlockHandlers from "../../runtime/executor/blocks/receivedBlockHandlers.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { type StableStorage, StorageError } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"

const manager = (memoryLimitBytes?: number) =>
  BlockManager.make({ storage: BlockStorage.memory(), codec: messagePack, memoryLimitBytes })

const settings = {
  blockStoreTimeoutMillis: 30_000,
  receiverLogSync: "always",
  receiverLogRollIntervalMillis: 60_000
} as const
const nobody = { copy: () => Effect.succeed({ partner: undefined, refusals: [] }), discard: () => {} }

const handlerOf = (storage: StableStorage, stream = "s") =>
  receivedBlockHandlers.make({
    executor: "e1",
    blockManager: manager(),
    replicator: nobody,
    codec: messagePack,
    stable: { storage, epoch: 7, checksum: crc32 },
    settings
  })({ stream, attempt: 3, receiver: { storageLevel: "MEMORY_AND_DISK_2" } })

const reading = (storage: StableStorage, memoryLimitBytes?: number) => {
  const told: Array<ToDriver> = []
  const blockManager = manager(memoryLimitBytes)
  const logged = LoggedBlocks.make({
    executor: "e2",
    storage,
    checksum: crc32,
    codec: messagePack,
    blockManager,
    toDriver: (message) => void told.push(message)
  })
  return { ...logged, told, blockManager }
}

it("a receiver with a checkpoint place is cold: its blocks are in its attempt's log, and read from there by position", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const { handler, level } = yield* handlerOf(storage, "a/b")
    assert.equal(level, "MEMORY_AND_DISK", "with a log there is no second copy")
    const contents = [ofRecords(["a", { b: 1n }]), ofBytes(new Uint8Array([1, 2]), 2), ofRecords([])]
    const stored = yield* Effect.forEach(contents, (one, i) => handler.store(`a/b/7/3/${i}`, one, level), {
      concurrency: 3
    })
    assert.deepEqual(yield* storage.list("epochs/"), ["epochs/00000007/blocks/a%2Fb/3/00000001"])
    const { blockManager, read, told } = reading(storage)
    for (const [i, { log }] of stored.entries()) {
      assert.deepEqual(yield* read(`a/b/7/3/${i}`, log!), contents[i])
      assert.deepEqual(yield* blockManager.get(`a/b/7/3/${i}`), contents[i])
    }
    assert.deepEqual(told, [0, 1, 2].map((i) => ({ kind: "BlocksHeld", executor: "e2", blocks: [`a/b/7/3/${i}`] })))
  }))

it("a block that this executor has no room for is read all the same, and nobody is told that it holds it", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const { handler } = yield* handlerOf(storage)
    const { log } = yield* handler.store("s/7/3/0", ofRecords(["a"]), "MEMORY_ONLY")
    const failing = {
      ...manager(),
      put: () => Effect.fail(new BlockManager.BlockError({ block: "", reason: "Storage", message: "" }))
    }
    const told: Array<ToDriver> = []
    const { read } = LoggedBlocks.make({
      executor: "e2",
      storage,
      checksum: crc32,
      codec: messagePack,
      blockManager: failing,
      toDriver: (message) => void told.push(message)
    })
    assert.deepEqual(yield* read("s/7/3/0", log!), ofRecords(["a"]))
    assert.deepEqual(told, [])
  }))

it("a record with any bit flipped, cut short, of another block, or in no file is damage that names file, byte and block", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const { handler } = yield* handlerOf(storage)
    const [first, second] = yield* Effect.forEach(
      [0, 1],
      (i) => handler.store(`s/7/3/${i}`, ofRecords([`record ${i}`]), "MEMORY_ONLY")
    )
    const position = second!.log!
    const whole = (yield* storage.read(position.file))!
    /** The storage as it would be with other bytes in the file. */
    const withBytes = (change: (bytes: Uint8Array) => Uint8Array | undefined): StableStorage => ({
      ...storage,
      read: (_, range) =>
        Effect.sync(() => {
          const bytes = change(whole.slice())
          return range === undefined ? bytes : bytes?.slice(range.offset, range.offset + range.length)
        })
    })
    const damage = (changed: StableStorage, block = "s/7/3/1", at = position) =>
      Effect.map(Effect.flip(reading(changed).read(block, at)), (error) => {
        assert.equal(error._tag, "BlockLogDamaged")
        assert.ok(error.message.includes(block) && error.message.includes(position.file), error.message)
        return error.message
      })
    yield* Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.nat(position.length - 1), fc.nat(7), (byte, bit) =>
          Effect.runPromise(Effect.asVoid(damage(withBytes((bytes) => {
            bytes[position.offset + byte]! ^= 1 << bit
            return bytes
          }))))),
        { numRuns: 60 }
      )
    )
    yield* damage(withBytes((bytes) => bytes.slice(0, position.offset + position.length - 1)))
    assert.match(yield* damage(withBytes(() => undefined)), /byte \d+ of epochs.*not there/)
    assert.match(yield* damage(storage, "s/7/3/0"), /the record there is block s\/7\/3\/1/)
    yield* damage(storage, "s/7/3/1", { ...position, length: position.length - 1 })
    yield* damage(storage, "s/7/3/1", { ...position, offset: first!.log!.offset })
  }))

it("storage that cannot be asked is asked again for some seconds, then it is the storage's error", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const { handler } = yield* handlerOf(storage)
    const { log } = yield* handler.store("s/7/3/0", ofRecords(["a"]), "MEMORY_ONLY")
    let asked = 0
    let until = 3
    const away: StableStorage = {
      ...storage,
      read: (name, range) =>
        ++asked <= until
          ? Effect.fail(new StorageError({ reason: "Unavailable", name, message: "no answer" }))
          : storage.read(name, range)
    }
    const { read } = reading(away)
    const slow = yield* Effect.forkScoped(read("s/7/3/0", log!))
    yield* TestClock.adjust("1 second")
    assert.deepEqual(yield* Fiber.join(slow), ofRecords(["a"]))
    until = Infinity
    const never = yield* Effect.forkScoped(Effect.flip(read("s/7/3/0", log!)))
    yield* TestClock.adjust("7 seconds")
    assert.equal((yield* Fiber.join(never))._tag, "StorageError")
  }))
