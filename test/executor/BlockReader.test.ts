/**
 * BlockReader against peers that are a table: holders one after the other, causes that travel, readers that are built again.
 */
import * as assert from "node:assert/strict"
import { Context, Effect } from "effect"
import { type BlockContents, ofRecords } from "../../core/blocks/BlockContents.ts"
import type { PartitionSpec } from "../../core/dstream/BatchPlan.ts"
import type { InputDefinition } from "../../core/dstream/InputDStream.ts"
import type { ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { BlockLogDamaged } from "../../runtime/executor/blocks/LoggedBlocks.ts"
import * as BlockReader from "../../runtime/executor/BlockReader.ts"
import * as Peers from "../../runtime/executor/Peers.ts"
import * as ShuffleStore from "../../runtime/executor/shuffle/ShuffleStore.ts"
import { StorageError } from "../../runtime/storage/StableStorage.ts"
import type { TaskFault } from "../../runtime/executor/TaskFault.ts"
import { it } from "../kit.ts"
import { jsonCodec } from "./cluster.ts"

const border = Border.coded(jsonCodec)
const context = Context.empty() as Context.Context<any>
const noBlocks: BlockReader.LocalBlocks = { get: () => Effect.undefined }
const sourceOf = (spec: PartitionSpec) => ({ kind: "input", stream: "in", time: 1, partition: 0, spec }) as const

type Answer = Pick<Peers.Fetched, "failure" | "unreadable"> & {
  readonly contents?: BlockContents
  readonly damaged?: true
}

/** A reader whose peers answer as the table says; who is not in it is gone. */
const reading = (
  table: Readonly<Record<string, Answer>>,
  settings: Partial<BlockReader.BlockReaderOptions> = {},
  ignored: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const peers: Pick<Peers.Peers, "fetch"> = {
      fetch: (peer) =>
        Effect.suspend((): Effect.Effect<Peers.Fetched, Peers.PeerLost> => {
          asked.push(peer)
          if (table[peer] === undefined) return Effect.fail(new Peers.PeerLost({ peer }))
          const { contents, damaged, ...why } = table[peer]
          const found = damaged
            ? { kind: "bytes" as const, bytes: new ArrayBuffer(3) }
            : contents && border.pack(contents)
          return Effect.succeed({ kind: "Fetched", request: 1, found, missing: undefined, ...why })
        })
    }
    const reader = yield* BlockReader.make({
      executor: "e0",
      peers,
      blocks: noBlocks,
      inputs: () => undefined,
      context,
      ...settings
    })
    const read = Effect.gen(function* () {
      const source = sourceOf({ kind: "block", block: "b", records: 1 })
      const blocks = [["b", ["e0", ...Object.keys(table), "gone"]]] as const
      const chunks = yield* reader.read(source, { blocks, ignored })
      return yield* chunks.next
    })
    return { asked, read, reader }
  }).pipe(Effect.provideService(Border, border))

it("holders are asked one after the other, until one has the block; this executor is not asked", () =>
  Effect.gen(function* () {
    const { asked, read } = yield* reading({
      e1: {},
      e2: { unreadable: "disk" },
      e3: { damaged: true },
      e4: { contents: ofRecords(["a"]) },
      e5: { contents: ofRecords(["b"]) }
    })
    assert.deepEqual(yield* read, ["a"])
    assert.deepEqual(asked, ["e1", "e2", "e3", "e4"])
  }))

it("a block that nobody can give is lost, with the cause of each holder and who does not hold it", () =>
  Effect.gen(function* () {
    const table = { e1: {}, e2: { unreadable: "BlockError: the disk is broken" } }
    const { read } = yield* reading(table, { blocks: { get: () => Effect.fail(new Error("torn file")) } })
    const { result } = yield* Effect.flip(read) as Effect.Effect<TaskFault>
    assert.ok(result.kind === "BlockLost")
    assert.deepEqual(result.notAt, ["e1"])
    assert.match(
      result.reason,
      /this executor: Error: torn file; e1: it does not hold.*; e2: BlockError: the disk is broken; gone: it is gone/
    )
    const nowhere = yield* reading(table)
    const lost = yield* Effect.flip(nowhere.read) as Effect.Effect<TaskFault>
    assert.deepEqual(lost.result.kind === "BlockLost" && lost.result.notAt, ["e0", "e1"])
  }))

it("a block that nobody gives is read from its log; where that is damaged it is lost, where it cannot be asked the task is tried again", () =>
  Effect.gen(function* () {
    const log = { file: "epochs/00000001/blocks/in/1/00000001", offset: 40, length: 9 }
    const table = { e1: {}, e2: { unreadable: "disk" } }
    const withLog = Effect.fnUntraced(function* (logged: BlockReader.LocalBlocks["logged"]) {
      const { asked, reader } = yield* reading(table, { blocks: { ...noBlocks, logged } })
      const source = sourceOf({ kind: "block", block: "b", records: 1, log })
      const chunks = yield* Effect.result(reader.read(source, { blocks: [["b", ["e1", "e2"]]], ignored: [] }))
      return { asked, chunks }
    })
    const asked: Array<unknown> = []
    const good = yield* withLog({
      read: (block, position) => Effect.sync(() => (asked.push([block, position]), ofRecords(["logged"])))
    })
    assert.ok(good.chunks._tag === "Success")
    assert.deepEqual(yield* good.chunks.success.next, ["logged"])
    assert.deepEqual([good.asked, asked], [["e1", "e2"], [["b", log]]])
    const damaged = yield* withLog({
      read: (block) => Effect.fail(new BlockLogDamaged({ block, ...log, message: `a bit has flipped in ${log.file}` }))
    })
    const lost = damaged.chunks._tag === "Failure" ? damaged.chunks.failure.result : undefined
    assert.ok(lost?.kind === "BlockLost")
    assert.deepEqual(lost.notAt, ["e1"])
    assert.match(lost.reason, /e2: disk; its log: a bit has flipped in epochs\/00000001/)
    const away = yield* withLog({
      read: () => Effect.fail(new StorageError({ reason: "Unavailable", name: log.file, message: "no answer" }))
    })
    const failed = away.chunks._tag === "Failure" ? away.chunks.failure.result : undefined
    assert.ok(failed?.kind === "Failed" && failed.permanent !== true && /no answer/.test(failed.message))
    const without = yield* withLog(undefined)
    const nowhere = without.chunks._tag === "Failure" ? without.chunks.failure.result : undefined
    assert.ok(nowhere?.kind === "BlockLost" && /no checkpoint place/.test(nowhere.reason))
  }))

it("a block that the plan says is lost is empty, and nobody is asked for it", () =>
  Effect.gen(function* () {
    const { asked, reader } = yield* reading({ e1: { contents: ofRecords(["a"]) } })
    const source = sourceOf({ kind: "block", block: "b", records: 0, lost: true })
    const chunks = yield* reader.read(source, { blocks: [["b", ["e1"]]], ignored: [] })
    assert.deepEqual([yield* chunks.next, asked], [[], []])
  }))

it("a block that the driver ignores is empty, and nobody is asked for it", () =>
  Effect.gen(function* () {
    const { asked, read } = yield* reading({ e1: { contents: ofRecords(["a"]) } }, {}, ["b"])
    assert.deepEqual([yield* read, asked], [[], []])
  }))

it("a record that cannot be encoded for another executor is the user's error", () =>
  Effect.gen(function* () {
    const { read } = yield* reading({ e1: { failure: "it is a function" } })
    const { result } = yield* Effect.flip(read) as Effect.Effect<TaskFault>
    assert.ok(result.kind === "Failed")
    assert.match(result.message, /cannot leave their executor: it is a function/)
  }))

it("what a holder answers tells a block that it cannot read from one that it cannot encode", () =>
  Effect.gen(function* () {
    const answers: Array<ToPeer> = []
    const blocks: Peers.Held["blocks"] = {
      get: (block) => block === "torn" ? Effect.fail(new Error("torn file")) : Effect.succeed(ofRecords([() => 1])),
      getPacked: () => Effect.undefined
    }
    const accept = () => Effect.undefined
    const link = { executor: "e1", host: "here", toDriver: () => {}, onMessage: () => {} }
    const toPeer = (_: string, message: ToPeer) => void answers.push(message)
    const held = { shuffles: ShuffleStore.make(), states: () => undefined, blocks, accept }
    const peers = yield* Peers.make({ ...link, toPeer }, held).pipe(
      Effect.provideService(Border, border)
    )
    peers.receive("e0", { kind: "FetchBlock", request: 1, block: "torn" })
    peers.receive("e0", { kind: "FetchBlock", request: 2, block: "functions" })
    yield* Effect.yieldNow.pipe(Effect.repeat({ times: 10 }))
    const [torn, functions] = answers as [Peers.Fetched, Peers.Fetched]
    assert.deepEqual([torn.unreadable, torn.failure], ["Error: torn file", undefined])
    assert.match(functions.failure!, /the function at .* cannot be encoded/)
    assert.equal(functions.unreadable, undefined)
  }))

it("a reader that is built ahead is there for the first task; where that failed, the task builds it", () =>
  Effect.gen(function* () {
    for (const failures of [0, 1]) {
      let builds = 0
      const built = Effect.suspend(() =>
        ++builds <= failures
          ? Effect.fail("no server")
          : Effect.succeed({ read: () => Effect.succeed({ next: Effect.succeed(["r"]) }) })
      )
      const input = { kind: "direct", reader: built } as unknown as InputDefinition<any, any, any>
      const { reader } = yield* reading({}, { inputs: () => input, ahead: [built] })
      yield* Effect.yieldNow.pipe(Effect.repeat({ times: 10 }))
      assert.equal(builds, 1)
      const source = sourceOf({ kind: "source", value: 1, records: 1, preferredHosts: [] } as never)
      const read = Effect.flatMap(reader.read(source, { blocks: [], ignored: [] }), (chunks) => chunks.next)
      assert.deepEqual(yield* read, ["r"])
      assert.equal(builds, 1 + failures)
    }
  }))

it("a reader that could not be built is built again by the next task, and one that could is kept", () =>
  Effect.gen(function* () {
    let builds = 0
    const input = {
      kind: "direct",
      reader: Effect.suspend(() =>
        ++builds === 1
          ? Effect.fail({ kind: "BlockLost", block: "x", reason: "no server" })
          : builds === 2
          ? Effect.die(new Error("bug"))
          : Effect.succeed({ read: () => Effect.succeed({ next: Effect.succeed(["r"]) }) })
      )
    } as unknown as InputDefinition<any, any, any>
    const { reader } = yield* reading({}, { inputs: () => input })
    const source = sourceOf({ kind: "source", value: 1, records: 1, preferredHosts: [] } as never)
    const read = Effect.flatMap(reader.read(source, { blocks: [], ignored: [] }), (chunks) => chunks.next)
    const first = yield* Effect.flip(read)
    assert.equal(first.result.kind, "Failed", "the shape of the user's error is not the engine's")
    assert.match((yield* Effect.flip(read)).result.kind, /Failed/)
    for (let i = 0; i < 2; i++) assert.deepEqual(yield* read, ["r"])
    assert.equal(builds, 3)
  }))
