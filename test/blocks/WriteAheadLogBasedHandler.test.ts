/**
 * WriteAheadLogBasedHandler: a block is safe when the log has it, wherever else it is; a log that fails refuses it, and is tried again.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import { ofRecords } from "../../core/blocks/BlockContents.ts"
import * as BlockRecord from "../../core/blocks/BlockRecord.ts"
import type { LogPosition } from "../../core/wal/LogPosition.ts"
import * as BlockManager from "../../runtime/executor/blocks/BlockManager.ts"
import * as WriteAheadLogBasedHandler from "../../runtime/executor/blocks/WriteAheadLogBasedHandler.ts"
import { LogError } from "../../runtime/storage/logErrors.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import { it } from "../kit.ts"
import { recorder, supervised } from "../receiving/supervised.ts"

type Append = (bytes: Uint8Array) => Effect.Effect<LogPosition, LogError>

const full = () => new LogError({ reason: "Full", log: "l", message: "no room left" })

/** A log that is a list, or what the test makes of it. */
const logged = (
  over: { readonly append?: Append; readonly open?: Effect.Effect<void, LogError>; readonly memory?: number } = {}
) => {
  const records: Array<Uint8Array> = []
  let opened = 0
  const blockManager = BlockManager.make({
    storage: BlockStorage.memory(),
    codec: messagePack,
    memoryLimitBytes: over.memory
  })
  const place: Append = (bytes) =>
    Effect.sync(() => ({ file: `f/${records.push(bytes)}`, offset: 0, length: bytes.byteLength }))
  const append = over.append ?? place
  const openLog = Effect.andThen(
    over.open ?? Effect.void,
    Effect.sync(() => {
      opened++
      return { append: (all: ReadonlyArray<Uint8Array>) => Effect.forEach(all, append) as never }
    })
  )
  const make = (manager: BlockManager.BlockManager = blockManager) =>
    WriteAheadLogBasedHandler.make({
      executor: "e1",
      blockManager: manager,
      codec: messagePack,
      openLog,
      blockStoreTimeoutMillis: 30_000
    })
  return { blockManager, records, place, opened: () => opened, handler: make(), make }
}

it("a block is encoded once, into the log and the block store, and is told with where it is in the log", () =>
  Effect.gen(function* () {
    const { blockManager, handler, opened, records } = logged()
    const contents = ofRecords(["a", "b"])
    const stored = yield* handler.store("b/1/1/0", contents, "MEMORY_ONLY")
    const length = records[0]!.byteLength
    assert.deepEqual({ ...stored, bytes: 0 }, {
      records: 2,
      bytes: 0,
      locations: ["e1"],
      log: { file: "f/1", offset: 0, length },
      logFrom: "f/1"
    })
    assert.equal(yield* blockManager.get("b/1/1/0"), contents)
    assert.equal(BlockRecord.decode(records[0]!).block, "b/1/1/0")
    yield* handler.store("b/1/1/1", contents, "DISK_ONLY")
    assert.deepEqual(yield* blockManager.get("b/1/1/1"), contents)
    assert.equal(opened(), 1)
  }))

it("a block that was refused keeps no file of the log", () =>
  Effect.gen(function* () {
    let fails = true
    const { handler, place } = logged({ append: (bytes) => fails ? Effect.fail(full()) : place(bytes) })
    yield* Effect.flip(handler.store("b/1/1/0", ofRecords(["a"]), "MEMORY_ONLY"))
    fails = false
    assert.equal((yield* handler.store("b/1/1/1", ofRecords(["a"]), "MEMORY_ONLY")).logFrom, "f/1")
  }))

it("what the driver has not answered keeps the files of the log from it on", () =>
  Effect.gen(function* () {
    const { handler } = logged()
    const from: Array<string | undefined> = []
    for (const block of ["a", "b", "c"]) from.push((yield* handler.store(block, ofRecords([1]), "MEMORY_ONLY")).logFrom)
    handler.answered("a")
    from.push((yield* handler.store("d", ofRecords([1]), "MEMORY_ONLY")).logFrom)
    for (const block of ["b", "c", "d"]) handler.answered(block)
    from.push((yield* handler.store("e", ofRecords([1]), "MEMORY_ONLY")).logFrom)
    assert.deepEqual(from, ["f/1", "f/1", "f/1", "f/2", "f/5"])
  }))

it("a block for which there is no memory is safe in the log", () =>
  Effect.gen(function* () {
    const { blockManager, handler } = logged({ memory: 10 })
    const stored = yield* handler.store("a", ofRecords(["a", "b"]), "MEMORY_ONLY")
    assert.deepEqual([stored.records, stored.locations, stored.log?.file], [2, [], "f/1"])
    assert.equal(blockManager.has("a"), false)
  }))

it("a log that fails refuses the block, which is not kept; one that cannot be opened is opened again", () =>
  Effect.gen(function* () {
    let isFull = true
    const fails = Effect.suspend(() => isFull ? Effect.fail(full()) : Effect.void)
    const closed = logged({ open: fails })
    const store = closed.handler.store("a", ofRecords([1]), "MEMORY_ONLY")
    const error = yield* Effect.flip(store)
    assert.equal(error.reason, "Log")
    assert.match(error.message, /block a is refused: it is not in its receiver's log: no room left/)
    assert.equal(closed.blockManager.has("a"), false)
    isFull = false
    assert.equal((yield* store).log?.file, "f/1")
    const broken = logged({
      append: () => Effect.fail(new LogError({ reason: "Unavailable", log: "l", message: "torn" }))
    })
    assert.match((yield* Effect.flip(broken.handler.store("a", ofRecords([1]), "MEMORY_ONLY"))).message, /torn/)
    assert.equal(broken.blockManager.has("a"), false)
  }))

it("records that cannot be written are refused before anything is stored", () =>
  Effect.gen(function* () {
    const { blockManager, handler, records } = logged()
    const { message, reason } = yield* Effect.flip(handler.store("a", ofRecords([() => 1]), "MEMORY_ONLY"))
    assert.equal(reason, "Encoding")
    assert.match(message, /its records cannot be written: .*function/)
    assert.deepEqual([records.length, blockManager.has("a")], [0, false])
  }))

it("a log that does not answer refuses the block after blockStoreTimeout", () =>
  Effect.gen(function* () {
    const { blockManager, handler } = logged({ append: () => Effect.never })
    const storing = yield* Effect.forkScoped(Effect.flip(handler.store("a", ofRecords([1]), "MEMORY_ONLY")))
    yield* TestClock.adjust(29_999)
    assert.equal(storing.pollUnsafe(), undefined)
    yield* TestClock.adjust(1)
    const exit = storing.pollUnsafe()
    assert.ok(exit?._tag === "Success" && /within 30000 ms \(blockStoreTimeout\)/.test(exit.value.message))
    assert.equal(blockManager.has("a"), false)
  }))

it("single records wait for a log that fails, and hold the receiver back; a block of its own is refused at once", () =>
  Effect.gen(function* () {
    const { receiver, store } = recorder()
    let isFull = true
    const disk = logged()
    const append: Append = (bytes) => isFull ? Effect.fail(full()) : disk.place(bytes)
    const { handle, errors, infos } = yield* supervised({
      receiver,
      handler: logged({ append }).make,
      settings: { blockQueueSize: 2, bufferedRecordsSoftMax: 5 }
    })
    for (let i = 0; i < 5; i++) store().single(i)
    yield* TestClock.adjust(200)
    assert.match((yield* Effect.flip(store().array([9]))).message, /no room left/)
    assert.equal(store().single(5), false, "the receiver is told to wait")
    yield* TestClock.adjust("1 minute")
    assert.equal(infos().length, 0)
    assert.deepEqual(errors().map((message) => message.slice(0, 32)), ["A block waits for its log: block"])
    isFull = false
    yield* TestClock.adjust("6 seconds")
    assert.deepEqual(infos().map(({ records }) => records), [5, 1])
    yield* store().array([10])
    handle.stop("done")
    yield* TestClock.adjust("1 second")
    assert.deepEqual(errors().length, 1, "nothing is lost")
    const times = new Set(infos().map(({ log }) => log?.file))
    assert.equal(times.size, 3)
  }))
