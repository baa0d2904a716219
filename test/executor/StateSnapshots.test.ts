/**
 * StateSnapshots: which files a snapshot lies in, what is told of it, what is removed, and what becomes of writes that fail.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect, Fiber, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import type { ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import { mapWithState } from "../../core/state/MapWithState.ts"
import { readStates } from "../../core/state/snapshots/readStates.ts"
import * as SnapshotFile from "../../core/state/snapshots/SnapshotFile.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import type { StateStore } from "../../core/state/StateStore.ts"
import { chainMax, make, type StateSnapshots, type StateVersion } from "../../runtime/executor/state/StateSnapshots.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import type { SnapshotSpace } from "../../runtime/storage/snapshots/SnapshotSpace.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { snapshotName, snapshotOf } from "../../runtime/storage/snapshots/snapshotNames.ts"
import { ofBlocks } from "../../runtime/storage/snapshots/snapshotStorage.ts"
import { StorageError } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"
import { partition, readAll, stepTo } from "../state/stepping.ts"

const definition = mapWithState({
  f: (key: string, value: unknown, state: any) => (state.update(value), key),
  initialState: [],
  timeoutMillis: undefined,
  sweeps: () => false
})

const versionOf = (time: number, operator = "o"): StateVersion => ({
  state: `${operator}@${time}:-1`,
  operator,
  partition: 0,
  partitions: 1,
  time
})

const many = Array.from({ length: 1000 }, (_, i) => [`k${i}`, i] as const)

interface World {
  readonly snapshots: StateSnapshots
  readonly blocks: BlockStorage.MemoryBlockStorage
  readonly told: Array<ToDriver>
}

const settled = Effect.repeat(Effect.yieldNow, { times: 100 })

const world = (
  space: Partial<SnapshotSpace["Service"]> = {},
  blocks = BlockStorage.memory()
): Effect.Effect<World, never, Scope.Scope> => {
  const told: Array<ToDriver> = []
  const options = {
    space: { storage: ofBlocks(blocks), codec: messagePack, ...space },
    app: "app",
    toDriver: (message: ToDriver) => void told.push(message)
  }
  return Effect.map(make(options), (snapshots) => ({ snapshots, blocks, told }))
}

const filesTold = ({ told }: World) =>
  told.map((message) => message.kind === "SnapshotTaken" ? message.files : message.kind)

/** A step that changes one key, then a snapshot. */
const stepAndWrite = ({ snapshots }: World, store: StateStore, time: number) =>
  Effect.suspend(() => {
    stepTo(store, time, time === 1 ? many : [["k1", time]])
    snapshots.write(versionOf(time), store)
    return settled
  })

const names = (...times: ReadonlyArray<number | string>) => times.map((time) => `state/o/0/${time}`)

it("a snapshot builds on the one before it, until a chain has as many files as it may have", () =>
  Effect.gen(function* () {
    const it = yield* world()
    const store = definition.make(partition)
    for (let time = 1; time <= chainMax + 2; time++) yield* stepAndWrite(it, store, time)
    const chains = filesTold(it)
    assert.deepEqual(chains.slice(0, 3), [names(1), names(1, 2), names(1, 2, 3)])
    assert.deepEqual(chains.at(chainMax - 1), names(...Array.from({ length: chainMax }, (_, i) => i + 1)))
    assert.deepEqual(chains.slice(chainMax), [names(chainMax + 1), names(chainMax + 1, chainMax + 2)])
    const copy = definition.make(partition)
    yield* it.snapshots.restore(versionOf(5), names(1, 2, 3, 4, 5), copy)
    assert.deepEqual(readAll(copy, 5)[1], ["k1", 5])
  }))

it("when what was added comes to half of the whole, the next snapshot is whole again", () =>
  Effect.gen(function* () {
    const it = yield* world()
    const store = definition.make(partition)
    stepTo(store, 1, many)
    it.snapshots.write(versionOf(1), store)
    for (const time of [2, 3, 4]) {
      stepTo(store, time, many.slice(0, 400))
      it.snapshots.write(versionOf(time), store)
      yield* settled
    }
    assert.deepEqual(filesTold(it), [names(1), names(1, 2), names(1, 2, 3), names(4)])
  }))

it("storage that cannot answer for now is asked again, and the snapshot is restored", () =>
  Effect.gen(function* () {
    const first = yield* world()
    const store = definition.make(partition)
    yield* stepAndWrite(first, store, 1)
    const storage = ofBlocks(first.blocks)
    let refusals = 3
    const restless = {
      ...storage,
      read: (name: string) =>
        Effect.suspend(() => {
          const error = new StorageError({ reason: "Unavailable", name, message: "not now" })
          return refusals-- > 0 ? Effect.fail(error) : storage.read(name)
        })
    }
    const copy = definition.make(partition)
    const restoring = yield* Effect.forkChild(
      Effect.flatMap(world({ storage: restless }), ({ snapshots }) => snapshots.restore(versionOf(1), names(1), copy))
    )
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(restoring)
    assert.equal(refusals, -1)
    assert.equal(copy.size, many.length)
  }))

it("an executor removes what it read of another one, as what it wrote itself, once that is not needed", () =>
  Effect.gen(function* () {
    const first = yield* world()
    const store = definition.make(partition)
    for (const time of [1, 2]) yield* stepAndWrite(first, store, time)
    const second = yield* world({}, first.blocks)
    yield* second.snapshots.restore(versionOf(2), names(1, 2), definition.make(partition))
    second.snapshots.removeBefore({ operator: "o", before: 3, but: names(2) })
    yield* settled
    assert.deepEqual([...first.blocks.blocks.keys()], names(2))
  }))

it("a restored store goes on with the chain that it was restored from", () =>
  Effect.gen(function* () {
    const it = yield* world()
    const store = definition.make(partition)
    for (const time of [1, 2]) yield* stepAndWrite(it, store, time)
    const copy = definition.make(partition)
    yield* it.snapshots.restore(versionOf(2), names(1, 2), copy)
    yield* stepAndWrite(it, copy, 3)
    assert.deepEqual(filesTold(it).at(-1), names(1, 2, 3))
  }))

it("names are never written twice: a version that is made again lies under another", () =>
  Effect.gen(function* () {
    const it = yield* world()
    const store = definition.make(partition)
    for (const time of [1, 2]) yield* stepAndWrite(it, store, time)
    const other = definition.make(partition)
    for (const time of [1, 2]) yield* stepAndWrite(it, other, time)
    assert.deepEqual(filesTold(it), [names(1), names(1, 2), names("1.2"), names("1.2", "2.2")])
    for (const chain of [names(1, 2), names("1.2", "2.2")]) {
      const copy = definition.make(partition)
      yield* it.snapshots.restore(versionOf(2), chain, copy)
      assert.deepEqual(readAll(copy, 2), readAll(store, 2))
    }
  }))

it("names begin as the space says, and any operator's name is one part of them", () =>
  Effect.gen(function* () {
    const it = yield* world({ prefix: "epochs/00000007/state" })
    const store = definition.make(partition)
    stepTo(store, 1, many)
    it.snapshots.write(versionOf(1, "../a b/ü"), store)
    yield* settled
    assert.deepEqual(filesTold(it), [["epochs/00000007/state/%2E.%2Fa%20b%2F%C3%BC/0/1"]])
  }))

it("a write that fails is told, and so is what was to build on it; then a whole one is written", () =>
  Effect.gen(function* () {
    const blocks = BlockStorage.memory()
    const storage = ofBlocks(blocks)
    let fails = true
    const full = new StorageError({ reason: "Full", name: "", message: "no room" })
    const it = yield* world({
      storage: {
        ...storage,
        create: (name, bytes) =>
          name.endsWith("/2") && fails ? Effect.andThen(settled, Effect.fail(full)) : storage.create(name, bytes)
      }
    }, blocks)
    const store = definition.make(partition)
    for (const time of [1, 2, 3]) {
      stepTo(store, time, time === 1 ? many : [["k1", time]])
      it.snapshots.write(versionOf(time), store)
    }
    yield* settled
    yield* settled
    fails = false
    yield* stepAndWrite(it, store, 4)
    yield* stepAndWrite(it, store, 5)
    assert.deepEqual(filesTold(it), [names(1), "SnapshotFailed", "SnapshotFailed", names(4), names(4, 5)])
    assert.match(JSON.stringify(it.told[1]), /no room/)
    assert.match(JSON.stringify(it.told[2]), /builds on could not be written/)
  }))

it("files go when they are not needed, but for those that others build on; a space whose driver removes keeps all", () =>
  Effect.gen(function* () {
    for (const removes of [true, false]) {
      const it = yield* world({ removes })
      const store = definition.make(partition)
      for (const time of [1, 2, 3, 4]) yield* stepAndWrite(it, store, time)
      it.snapshots.removeBefore({ operator: "other", before: 9, but: [] })
      it.snapshots.removeBefore({ operator: "o", before: 4, but: names(1, 3) })
      yield* settled
      assert.deepEqual([...it.blocks.blocks.keys()], removes ? names(1, 3, 4) : names(1, 2, 3, 4))
      it.snapshots.removeBefore({ operator: "o", before: 5, but: [] })
      yield* settled
      assert.deepEqual([...it.blocks.blocks.keys()], removes ? [] : names(1, 2, 3, 4))
    }
  }))

it("files that are not there, of another place, or in another order are refused with their names", () =>
  Effect.gen(function* () {
    const it = yield* world()
    const store = definition.make(partition)
    for (const time of [1, 2, 3]) yield* stepAndWrite(it, store, time)
    const refused = Effect.fnUntraced(
      function* (version: StateVersion, files: ReadonlyArray<string>, tag: string, text: RegExp) {
        const error = yield* Effect.flip(it.snapshots.restore(version, files, definition.make(partition)))
        assert.deepEqual([error._tag, text.test(error.message)], [tag, true], error.message)
      }
    )
    yield* refused(versionOf(4), names(4), "SnapshotDamaged", /no snapshot state\/o\/0\/4/)
    yield* refused(
      versionOf(3),
      names(1, 3),
      "SnapshotDamaged",
      /state\/o\/0\/3 is of partition 0 .*building on state\/o\/0\/2/
    )
    yield* refused(versionOf(3), names(3), "SnapshotDamaged", /not of .*whole/)
    yield* refused(
      versionOf(1, "p"),
      names(1),
      "SnapshotDamaged",
      /is of partition 0 of "o" .*not of partition 0 of "p"/
    )
    yield* refused({ ...versionOf(1), partition: 1 }, names(1), "SnapshotDamaged", /not of partition 1/)
    yield* refused({ ...versionOf(1), partitions: 2 }, names(1), "StateRefused", /lies in 1 partitions/)
    yield* refused(versionOf(2), names(1), "SnapshotDamaged", /state\/o\/0\/1/)
  }))

test("names say of which version they are, whatever the operator is called", () => {
  for (const operator of ["o", "../a b/ü", "", "100%", "state/x/0/1"]) {
    for (const attempt of [1, 2]) {
      const name = snapshotName("epochs/00000001/state", { operator, partition: 3, time: 17_000 }, attempt)
      assert.deepEqual(snapshotOf(name), { operator, partition: 3, time: 17_000 })
    }
  }
  assert.deepEqual(
    ["state/o/0/x", "state/o/0", "blocks/o/0/1", "state/%E0/0/1"].map(snapshotOf),
    Array(4).fill(undefined)
  )
})

it("what states are in a chain can be read without the program", () =>
  Effect.gen(function* () {
    const it = yield* world()
    const store = definition.make(partition)
    for (const time of [1, 2, 3]) yield* stepAndWrite(it, store, time)
    const chain = names(1, 2, 3).map((file) => {
      const contents = Result.getOrThrow(SnapshotFile.decode(file, it.blocks.blocks.get(file)!, crc32))
      return SnapshotFile.piecesOf([[file, contents]], messagePack)
    })
    const { entries, kind, time, version } = readStates(chain)
    assert.deepEqual([kind, version, time], ["mapWithState", 1, 3])
    assert.deepEqual(entries.map(([key, state]) => [key, state]), readAll(store, 3))
    assert.deepEqual(entries.slice(0, 2).map(([, , time]) => time), [1, 3])
  }))

it("in stable storage an executor of a later epoch goes on from files of an earlier one, and writes beneath its own", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const first = yield* world({ storage, prefix: "epochs/00000001/state", removes: false })
    const store = definition.make(partition)
    for (const time of [1, 2]) yield* stepAndWrite(first, store, time)
    const files = ["epochs/00000001/state/o/0/1", "epochs/00000001/state/o/0/2"]
    assert.deepEqual(filesTold(first).at(-1), files)
    const second = yield* world({ storage, prefix: "epochs/00000002/state", removes: false })
    const copy = definition.make(partition)
    yield* second.snapshots.restore(versionOf(2), files, copy)
    yield* stepAndWrite(second, copy, 3)
    assert.deepEqual(filesTold(second), [[...files, "epochs/00000002/state/o/0/3"]])
    second.snapshots.removeBefore({ operator: "o", before: 9, but: [] })
    yield* settled
    assert.equal((yield* storage.list("epochs/")).length, 3)
  }))
