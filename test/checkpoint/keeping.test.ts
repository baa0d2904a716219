/**
 * What is kept beneath a checkpoint place: which checkpoint is the furthest, and when files and plans of batches are dropped.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import * as Checkpoints from "../../core/checkpoint/Checkpoint.ts"
import * as CheckpointFile from "../../core/checkpoint/CheckpointFile.ts"
import type { DriverLogEvent } from "../../core/checkpoint/DriverLogEvent.ts"
import * as DriverState from "../../core/checkpoint/DriverState.ts"
import * as names from "../../core/checkpoint/names.ts"
import type { DStreamGraph } from "../../core/dstream/DStreamGraph.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import * as CheckpointWriter from "../../runtime/driver/checkpoint/CheckpointWriter.ts"
import type { Durability } from "../../runtime/driver/checkpoint/Durability.ts"
import { batchesDone } from "../../runtime/driver/checkpoint/recording.ts"
import { choose } from "../../runtime/driver/checkpoint/recover.ts"
import { type MemoryStorage, memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { StorageError } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"
import { run } from "./driverStates.ts"
import * as lives from "./lives.ts"

test("the furthest checkpoint is the last one of the last driver that wrote any, however many those before it wrote", () => {
  const written = [names.checkpoint(1, 40), names.checkpoint(2, 1), names.checkpoint(2, 3), names.checkpoint(1, 41)]
  const others = [names.app, names.owner(3), `${names.logPrefix(3)}/00000001`, "epochs/00000003/checkpoints/x"]
  assert.deepEqual(names.furthestFirst([...written, ...others]), [
    { name: "epochs/00000002/checkpoints/0000000003", epoch: 2, sequence: 3 },
    { name: "epochs/00000002/checkpoints/0000000001", epoch: 2, sequence: 1 },
    { name: "epochs/00000001/checkpoints/0000000041", epoch: 1, sequence: 41 },
    { name: "epochs/00000001/checkpoints/0000000040", epoch: 1, sequence: 40 }
  ])
})

test("a name says beneath which epoch it is, also where there were more drivers than digits", () => {
  for (const epoch of [1, 99_999_999, 100_000_000]) {
    assert.equal(names.epochOf(names.owner(epoch)), epoch)
    assert.deepEqual(names.checkpointOf(names.checkpoint(epoch, 7)), {
      name: names.checkpoint(epoch, 7),
      epoch,
      sequence: 7
    })
  }
  assert.equal(names.epochOf(names.app), undefined)
})

it("a checkpoint that a driver drops while another one looks for the furthest: the later one is found, and no older one is gone on from", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const put = (sequence: number) => {
      const header = { run, sequence, time: 1000 * sequence, written: 0, log: { segment: 1, offset: 0 } }
      const checkpoint = Checkpoints.capture(header, DriverState.make(["s"]))
      storage.put(names.checkpoint(1, sequence), CheckpointFile.encode(checkpoint, messagePack, crc32))
    }
    put(1)
    put(2)
    const dropping: MemoryStorage["read"] = (name, range) => {
      if (name !== names.checkpoint(1, 2)) return storage.read(name, range)
      put(3)
      return Effect.andThen(storage.remove(name), storage.read(name, range))
    }
    const { chosen } = yield* choose({ storage: { ...storage, read: dropping }, codec: messagePack, checksum: crc32 })
    assert.equal(chosen?.name.sequence, 3)
  }))

const second = { ...run, epoch: 2 }

const bytes = new Uint8Array(1)

/**
 * A driver's writer over a state that the test changes; `earlier`: files of the drivers before it; `took`: how long each checkpoint takes to
 * be written, one after the other, and none where it ends.
 */
const writing = (
  earlier: ReadonlyArray<string>,
  recovered?: CheckpointWriter.CheckpointWriterOptions["recovered"],
  took: ReadonlyArray<number> = []
) =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    for (const file of earlier) storage.put(file, bytes)
    const state = DriverState.make(["s"])
    const dropped: Array<number> = []
    const log = {
      append: () => Effect.void,
      note: () => {},
      state,
      position: () => ({ segment: 5, offset: 0 }),
      dropBefore: (segment: number) => Effect.sync(() => void dropped.push(segment))
    }
    const times = [...took]
    const create: MemoryStorage["create"] = (name, bytes) => {
      const millis = times.shift() ?? 0
      return millis === 0
        ? storage.create(name, bytes)
        : Effect.andThen(Effect.sleep(millis), storage.create(name, bytes))
    }
    const of = {
      storage: { ...storage, create },
      codec: messagePack,
      checksum: crc32,
      run: second,
      log,
      earlier,
      recovered
    }
    const how = { intervalMillis: 0, kept: 2, post: () => {}, fail: (cause: unknown) => assert.fail(String(cause)) }
    const writer = yield* CheckpointWriter.make({ ...of, ...how })
    const apply = (...events: ReadonlyArray<DriverLogEvent>) => {
      for (const event of events) DriverState.apply(state, event)
    }
    const cleared = Effect.andThen(TestClock.adjust("61 seconds"), writer.clear)
    const left = Effect.map(storage.list("epochs/"), (all) => all.filter((file) => !file.includes("/checkpoints/")))
    return { storage, apply, writer, cleared, left, dropped }
  })

const logFile = (segment: number) => `epochs/00000002/blocks/s/1/0000000${segment}`

/** A block in a file of its receiver's log, in a batch of its own. */
const batch = (number: number): ReadonlyArray<DriverLogEvent> => {
  const file = logFile(number)
  const info = {
    ...{ block: `s/2/1/${number}`, stream: "s", attempt: 1, sequence: number, records: 1, bytes: 1, locations: [] },
    ...{ log: { file, offset: 100, length: 1 }, logFrom: file }
  }
  return [{ kind: "BlockAddition", info }, {
    kind: "BatchAllocation",
    time: 1000 * number,
    blocks: [["s", [info]]]
  }]
}

it("a file of a receiver's log stays for as long as a checkpoint is kept that refers to it, and goes then", () =>
  Effect.gen(function* () {
    const { apply, cleared, left, storage, writer } = yield* writing([])
    for (const segment of [1, 2]) storage.put(logFile(segment), bytes)
    apply(...batch(1), ...batch(2))
    assert.equal(yield* writer.checkpoint(2000), true)
    apply({ kind: "BatchCleanup", times: [1000] })
    yield* cleared
    assert.deepEqual(
      yield* left,
      [logFile(1), logFile(2)],
      "nothing needs the first, but what the checkpoint is gone on from"
    )
    for (let i = 0; i < 2; i++) assert.equal(yield* writer.checkpoint(2000), true)
    yield* cleared
    assert.deepEqual(yield* left, [logFile(2)])
    assert.deepEqual(yield* storage.list("epochs/00000002/checkpoints/"), [
      names.checkpoint(2, 3),
      names.checkpoint(2, 4)
    ])
  }))

it("what an earlier driver left stays for as long as a checkpoint of it is kept; of its snapshots, those that are referred to", () =>
  Effect.gen(function* () {
    const snapshots = [1000, 2000].map((time) => `epochs/00000001/state/counts/0/${time}`)
    const blockLog = "epochs/00000001/blocks/s/1/00000001"
    const earlier = [names.checkpoint(1, 7), names.owner(1), `${names.logPrefix(1)}/00000001`, ...snapshots, blockLog]
    const old = DriverState.make([])
    const snapshot = { operator: "counts", time: 2000, previous: 1000, files: [[snapshots[1]!]] }
    DriverState.apply(old, { kind: "SnapshotCompleted", snapshot })
    const header = { run, sequence: 7, time: 2000, written: 0, log: { segment: 1, offset: 0 } }
    const checkpoint = Checkpoints.capture(header, old)
    const name = { name: names.checkpoint(1, 7), epoch: 1, sequence: 7 }
    const { cleared, dropped, left, storage, writer } = yield* writing(earlier, { name, checkpoint })
    yield* cleared
    assert.deepEqual(yield* left, [`${names.logPrefix(1)}/00000001`, names.owner(1), snapshots[1]])
    assert.deepEqual(dropped, [], "the position in the log of the earlier driver says nothing of this one's")
    assert.equal(yield* writer.checkpoint(2000), true)
    yield* cleared
    assert.deepEqual(yield* left, [names.owner(1)], "that there was a driver is told for ever")
    assert.deepEqual(yield* storage.list("epochs/00000001/checkpoints/"), [])
    assert.deepEqual(dropped, [5])
  }))

it("after two checkpoints that took long the next waits for nine times as long; after one that did it does not", () =>
  Effect.gen(function* () {
    const { writer } = yield* writing([], undefined, [0, 10_000, 10_000])
    const first = yield* Effect.forkChild(writer.checkpoint(1000))
    yield* TestClock.adjust("10 seconds")
    assert.equal(first.pollUnsafe()?._tag, "Success")
    const second = yield* Effect.forkChild(writer.checkpoint(2000))
    yield* TestClock.adjust("10 seconds")
    assert.equal(second.pollUnsafe()?._tag, "Success")
    const third = yield* Effect.forkChild(writer.checkpoint(3000))
    yield* TestClock.adjust("89 seconds")
    assert.equal(third.pollUnsafe(), undefined)
    yield* TestClock.adjust("1 second")
    assert.equal(third.pollUnsafe()?._tag, "Success")
  }))

test("plans are dropped that no lineage, no state and no planner of an input looks back to", () => {
  const droppedBefore = (from: number, remembers: number) => {
    const noted: Array<DriverLogEvent> = []
    const state = DriverState.make([])
    const asked = { zeroTime: 0, inputs: [], sideValues: [] }
    DriverState.apply(state, { kind: "BatchAllocation", time: 1000, asked, blocks: [] })
    const input = { kind: "direct", remembers: () => remembers }
    const graph = {
      batchMillis: 1000,
      rememberMillis: 3000,
      inputs: [{ stream: { input } }]
    } as unknown as DStreamGraph
    const durability = {
      log: { state, note: (event: DriverLogEvent) => void noted.push(event) }
    } as unknown as Durability
    batchesDone(durability, { graph, time: 10_000, from, removable: [] })
    return noted.flatMap((event) => event.kind === "PlansDropped" ? [event.before] : [])
  }
  assert.deepEqual(droppedBefore(Infinity, 0), [7001])
  assert.deepEqual(droppedBefore(5000, 0), [5000])
  assert.deepEqual(droppedBefore(Infinity, 6000), [4000])
  assert.deepEqual(droppedBefore(1000, 0), [], "there is none before")
})

/** An app that keeps so many checkpoints. */
const kept = (checkpointsKept: number) =>
  StreamingApp.make({
    name: "keeping",
    batchDuration: "1 second",
    outputs: [Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] }).pipe(DStream.print())],
    settings: { checkpointsKept }
  })

const checkpointsOf = (storage: MemoryStorage) =>
  Effect.map(storage.list(""), (all) => names.furthestFirst(all).map(({ name }) => name))

it("checkpoints are numbered without gaps, though one could not be written and another was not known to be", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const failing = new StorageError({ reason: "Unavailable", name: "checkpoint", message: "no answer" })
    let calls = 0
    const create: MemoryStorage["create"] = (name, bytes) => {
      if (names.checkpointOf(name) === undefined) return storage.create(name, bytes)
      calls++
      if (calls === 3) return Effect.fail(failing)
      return calls === 6
        ? Effect.andThen(storage.create(name, bytes), Effect.fail(failing))
        : storage.create(name, bytes)
    }
    yield* lives.live(kept(100), { storage: { ...storage, create } }, 6)
    const numbers = names.furthestFirst(yield* storage.list("")).map(({ sequence }) => sequence)
    assert.ok(numbers.length > 6)
    assert.deepEqual(numbers, Array.from(numbers, (_, i) => numbers.length - i))
  }))

it("a checkpoint stays while no list shows a later one: a driver whose lists are late finds the furthest from there", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const shown: Array<string> = []
    const hides = (name: string) => names.checkpointOf(name) !== undefined && !shown.includes(name)
    const late = {
      ...storage,
      list: (prefix: string) => Effect.map(storage.list(prefix), (all) => all.filter((name) => !hides(name)))
    }
    const app = kept(2)
    const first = names.checkpoint(1, 1)
    shown.push(first)
    yield* lives.live(app, { storage: late }, 6)
    const written = yield* checkpointsOf(storage)
    assert.equal(written.at(-1), first)
    const { report } = yield* lives.live(app, { storage: late }, 1)
    assert.equal(report?.from.checkpoint, written[0])
    shown.push(...yield* checkpointsOf(storage))
    yield* lives.live(app, { storage: late }, 2)
    assert.equal((yield* checkpointsOf(storage)).includes(first), false)
  }))
