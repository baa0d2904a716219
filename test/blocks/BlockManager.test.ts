/**
 * BlockManager: what fits stays in memory, what does not goes where its level says; the byte form; the folder of spilled blocks.
 */
import * as assert from "node:assert/strict"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { Effect } from "effect"
import fc from "fast-check"
import { directory } from "../../adapters/storage/directory.ts"
import * as BlockContents from "../../core/blocks/BlockContents.ts"
import { estimateBytes } from "../../core/blocks/SizeEstimator.ts"
import type { Payload } from "../../core/dstream/BatchPlan.ts"
import { Border, type RecordCodec } from "../../core/protocol/RecordCodec.ts"
import * as BlockManager from "../../runtime/executor/blocks/BlockManager.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import { it } from "../kit.ts"

const codec: RecordCodec = {
  encode: (value) => {
    if (JSON.stringify(value) === undefined) throw new Error("cannot be encoded")
    return new TextEncoder().encode(JSON.stringify(value)).buffer
  },
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes))
}

const bytesOf = (length: number) => BlockContents.ofBytes(new Uint8Array(length).fill(7), 1)
const records = Array.from({ length: 70 }, (_, i) => ({ name: "x".repeat(100), i }))

const managerOf = (memoryLimitBytes: number, storage = BlockStorage.memory()) => ({
  storage,
  manager: BlockManager.make({ storage, codec, memoryLimitBytes })
})

it("records, iterated records and bytes come back as they were, in memory and from disk", () =>
  Effect.gen(function* () {
    for (const level of ["MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"] as const) {
      const { manager } = managerOf(1e6)
      const mixed: BlockContents.BlockContents = {
        parts: [...BlockContents.ofRecords(records).parts, ...bytesOf(5).parts, ...BlockContents.ofRecords(["a"]).parts]
      }
      assert.equal((yield* manager.put("a", BlockContents.ofRecords(records), level)).records, 70)
      assert.equal((yield* manager.put("b", BlockContents.ofBytes(new Uint8Array(3)), level)).records, undefined)
      assert.equal((yield* manager.put("c", mixed, level)).records, 72)
      const back = yield* manager.get("c")
      assert.deepEqual(BlockContents.recordsOf(back!, (bytes) => [bytes.byteLength]), [...records, 5, "a"])
      assert.equal(yield* manager.get("unknown"), undefined)
    }
  }))

it("a block that does not fit is an error in memory alone, and goes to disk where that is allowed", () =>
  Effect.gen(function* () {
    const { manager, storage } = managerOf(20_000)
    const many = BlockContents.ofRecords(Array.from({ length: 70 }, () => new Uint8Array(100)))
    const tooLarge = yield* Effect.flip(manager.put("only", many, "MEMORY_ONLY"))
    assert.equal(tooLarge.reason, "BlockTooLarge")
    assert.match(tooLarge.message, /blockMemoryBytes/)
    const some = BlockContents.ofRecords(records)
    assert.equal((yield* manager.put("first", some, "MEMORY_AND_DISK")).records, 70)
    assert.equal((yield* Effect.flip(manager.put("next", some, "MEMORY_ONLY"))).reason, "MemoryFull")
    assert.equal((yield* manager.put("second", some, "MEMORY_AND_DISK")).records, 70)
    assert.deepEqual(Array.from(storage.blocks.keys()), ["second"])
    const { memoryBlocks, diskBlocks, refusedBlocks } = manager.stats()
    assert.deepEqual({ memoryBlocks, diskBlocks, refusedBlocks }, { memoryBlocks: 1, diskBlocks: 1, refusedBlocks: 2 })
    // The same id again is the first storing.
    yield* manager.put("second", bytesOf(1), "MEMORY_AND_DISK")
    assert.deepEqual(BlockContents.recordsOf((yield* manager.get("second"))!, undefined), records)
    yield* manager.remove(["first", "second", "unknown"])
    assert.deepEqual(manager.stats(), {
      memoryBlocks: 0,
      memoryBytes: 0,
      diskBlocks: 0,
      diskBytes: 0,
      refusedBlocks: 2
    })
    assert.equal(storage.blocks.size, 0)
    assert.equal(manager.has("second"), false)
  }))

it("a record that cannot be encoded, and a damaged block, are errors that name the block", () =>
  Effect.gen(function* () {
    const storage = BlockStorage.memory()
    const { manager } = managerOf(1e6, storage)
    const refused = {
      encode: () => {
        throw new Error("a function cannot travel")
      },
      decode: codec.decode
    }
    const unable = BlockManager.make({ storage, codec: refused, memoryLimitBytes: 1e6 })
    const error = yield* Effect.flip(unable.put("f", BlockContents.ofRecords([1]), "DISK_ONLY"))
    assert.match(error.message, /block f cannot be stored: Error: a function cannot travel/)
    yield* manager.put("d", BlockContents.ofRecords([1, 2]), "DISK_ONLY")
    yield* storage.write("d", new Uint8Array([0, 1, 2]))
    assert.match((yield* Effect.flip(manager.get("d"))).message, /block d cannot be read: .*within a header/)
  }))

it("a block that came packed is kept so, counted by its bytes, and unpacked each time it is read", () =>
  Effect.gen(function* () {
    let unpacked = 0
    const coded = Border.coded(codec)
    const border = { ...coded, unpack: (payload: Payload) => (unpacked++, coded.unpack(payload)) }
    const storage = BlockStorage.memory()
    const manager = BlockManager.make({ storage, codec, border, memoryLimitBytes: 300 })
    const contents = BlockContents.ofRecords(["a", "b"])
    for (const block of ["m", "n", "d"]) {
      const packed = border.pack(contents)
      const level = block === "d" ? "DISK_ONLY_2" : "MEMORY_AND_DISK_2"
      assert.deepEqual((yield* manager.putPacked(block, packed, 2, level)).records, 2)
      assert.deepEqual(yield* manager.getPacked(block), packed)
      const given = yield* manager.getPacked(block)
      structuredClone(given, { transfer: [(given as { bytes: ArrayBuffer }).bytes] })
    }
    assert.equal(unpacked, 0)
    for (const block of ["m", "n", "d", "m"]) assert.deepEqual(yield* manager.get(block), contents)
    assert.equal(unpacked, 4)
    assert.deepEqual([...storage.blocks.keys()], ["d"])
    const bytes = storage.blocks.get("d")!.byteLength
    assert.deepEqual([manager.stats().memoryBytes, manager.stats().diskBytes], [2 * bytes, bytes])
    yield* manager.putPacked("by reference", { kind: "value", value: contents }, 2, "MEMORY_AND_DISK_2")
    assert.equal(yield* manager.getPacked("by reference"), undefined)
    const large = yield* Effect.flip(
      manager.putPacked("l", { kind: "bytes", bytes: new ArrayBuffer(301) }, 1, "MEMORY_ONLY_2")
    )
    assert.equal(large.reason, "BlockTooLarge")
    yield* manager.remove(["m", "n", "d", "by reference"])
    assert.deepEqual([manager.stats().memoryBytes, manager.stats().diskBytes, storage.blocks.size], [0, 0, 0])
  }))

test("the byte form of any block decodes to the same parts, and a cut one is an error", () => {
  const part = fc.oneof(
    fc.record({ kind: fc.constant("records" as const), records: fc.array(fc.oneof(fc.string(), fc.integer())) }),
    fc.record({
      kind: fc.constant("bytes" as const),
      bytes: fc.uint8Array(),
      records: fc.option(fc.nat(9), { nil: undefined })
    })
  )
  fc.assert(fc.property(fc.array(part), fc.nat(), (parts, cutAt) => {
    const encoded = BlockContents.encodeContents({ parts }, codec)
    const decoded = BlockContents.decodeContents(encoded, codec)
    assert.deepEqual(
      decoded.parts.map((p) => p.kind === "bytes" ? { ...p, bytes: Array.from(p.bytes) } : { ...p }),
      parts.map((p) => p.kind === "bytes" ? { ...p, bytes: Array.from(p.bytes) } : { ...p })
    )
    if (encoded.byteLength === 0) return
    const kept = cutAt % encoded.byteLength
    let left: number | undefined
    try {
      left = BlockContents.decodeContents(encoded.subarray(0, kept), codec).parts.length
    } catch {
      return
    }
    assert.ok(left < parts.length, "a block that was cut between parts has fewer of them")
  }))
})

test("sizes are estimated from samples, near what they are", () => {
  const estimate = (values: ReadonlyArray<unknown>) => estimateBytes(BlockContents.ofRecords(values))
  assert.equal(estimateBytes(bytesOf(1000)), 1200)
  const lines = Array.from({ length: 100_000 }, () => "x".repeat(100))
  assert.ok(estimate(lines) > 100 * lines.length && estimate(lines) < 150 * lines.length)
  assert.ok(estimate(["é€".repeat(50)]) > estimate(["ab".repeat(50)]))
  const long = [new Map([["k", "x".repeat(1000)]]), { a: Array.from({ length: 1000 }, (_, i) => i) }]
  assert.ok(estimate(long) > 9000)
})

it("spilled blocks are files of a folder that lives as long as its scope", () =>
  Effect.gen(function* () {
    const parent = mkdtempSync(join(tmpdir(), "dstreams-test-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(parent, { recursive: true })))
    const names = ["a/0/1/2", "..", "x".repeat(400), `${"x".repeat(399)}y`, "strange: *?"]
    yield* Effect.scoped(Effect.gen(function* () {
      const storage = yield* directory(join(parent, "deep"))
      for (const [i, name] of names.entries()) yield* storage.write(name, new Uint8Array([i]))
      for (const [i, name] of names.entries()) assert.deepEqual(Array.from((yield* storage.read(name))!), [i])
      yield* storage.remove("..")
      yield* storage.remove("..")
      assert.equal(yield* storage.read(".."), undefined)
      assert.equal(readdirSync(join(parent, "deep")).length, 1)
      const failing = yield* Effect.flip(
        directory(join(parent, "deep", readdirSync(join(parent, "deep"))[0]!, "a%2F0%2F1%2F2"))
      )
      assert.match(failing.message, /making a folder for blocks/)
    }))
    assert.deepEqual(readdirSync(join(parent, "deep")), [])
    assert.ok(existsSync(parent))
  }))
