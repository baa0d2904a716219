/**
 * Functions of the area blocks: blocks that a receiver stores, and what a batch reads of them.
 */
import { Context, Effect, Scope } from "effect"
import { TestClock } from "effect/testing"
import { messagePack } from "../../../adapters/codec/MessagePack.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import { ofRecords } from "../../../core/blocks/BlockContents.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { ReceiverInput } from "../../../core/dstream/InputDStream.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { Border } from "../../../core/protocol/RecordCodec.ts"
import type { Store } from "../../../core/receiving/Receiver.ts"
import { survivalOf } from "../../../core/receiving/Survival.ts"
import { crc32 } from "../../../core/wal/crc32.ts"
import type { LogPosition } from "../../../core/wal/LogPosition.ts"
import * as BlockReader from "../../../runtime/executor/BlockReader.ts"
import * as BlockManager from "../../../runtime/executor/blocks/BlockManager.ts"
import * as LoggedBlocks from "../../../runtime/executor/blocks/LoggedBlocks.ts"
import * as WriteAheadLogBasedHandler from "../../../runtime/executor/blocks/WriteAheadLogBasedHandler.ts"
import { PeerLost } from "../../../runtime/executor/Peers.ts"
import * as BlockStorage from "../../../runtime/storage/BlockStorage.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import type { StableStorage } from "../../../runtime/storage/StableStorage.ts"
import * as WriteAheadLog from "../../../runtime/storage/WriteAheadLog.ts"
import * as lives from "../../checkpoint/lives.ts"
import * as Local from "../../driver/local.ts"
import { recorder, supervised } from "../../receiving/supervised.ts"
import { same } from "../compare.ts"
import { type Json, known, UnknownWord } from "../Vector.ts"
import type { Call } from "./call.ts"

const isLogged = (log: Json): boolean => {
  if (log === true || log === "with log") return true
  if (log === false || log === "without log") return false
  throw new UnknownWord("log", log)
}

/** A handler over a log in memory; each block is a file of it. */
const loggedHandler = Effect.fnUntraced(function* (storage: StableStorage) {
  const scope = yield* Effect.scope
  const openLog = WriteAheadLog.make({ storage, prefix: "log", closeAfterWrite: true })
    .pipe(Effect.provideService(Scope.Scope, scope))
  return (blockManager: BlockManager.BlockManager) =>
    WriteAheadLogBasedHandler.make({
      executor: "e1",
      blockManager,
      codec: messagePack,
      openLog,
      blockStoreTimeoutMillis: 30_000
    })
})

type Form = (store: Store<Uint8Array>, records: ReadonlyArray<Uint8Array>) => Effect.Effect<void, Error>

const forms: Readonly<Record<string, Form>> = {
  bytes: (store, records) => store.bytes(records[0]!),
  list: (store, records) => store.array(records),
  iterator: (store, records) => store.iterator(records.values())
}

interface Stored {
  readonly form: string
  readonly level: Json
  readonly records: number
  readonly bytesPerRecord?: number
  readonly memoryBytes?: number
  readonly log: Json
}

/** The count that the driver is told of a block; undefined: unknown. */
const storedCount = Effect.fnUntraced(function* (stored: Stored) {
  const record = recorder({ storageLevel: stored.level })
  const memoryLimitBytes = stored.memoryBytes ?? 1_000_000
  const log = isLogged(stored.log) ? { handler: yield* loggedHandler(memoryStorage()) } : {}
  const { infos } = yield* supervised({ receiver: record.receiver, memoryLimitBytes, ...log })
  const records = Array.from({ length: stored.records }, () => new Uint8Array(stored.bytesPerRecord ?? 1))
  yield* known("form of block", forms, stored.form)(record.store(), records)
  return infos().at(-1)!.records
}, Effect.scoped)

/** What the batch of a receiver that stored nothing reads. */
const batchWithoutBlocks = Effect.fnUntraced(function* (log: boolean) {
  const partitions: Array<number> = []
  const input = Memory.timed<number>([])
  const app = StreamingApp.make({
    name: "blocks",
    batchDuration: 1000,
    outputs: [
      input.pipe(DStream.foreachBatch((batch) => Effect.sync(() => partitions.push(batch.numPartitions))))
    ]
  })
  yield* log ? lives.start(app, { storage: memoryStorage() }) : Local.start(app)
  yield* TestClock.adjust("1 second")
  yield* Local.settled
  const { way } = survivalOf((input.input as ReceiverInput<number>).receiver, log)
  return { kind: way === "cold" ? "log-backed" : "blocks", empty: partitions[0] === 0 }
}, Effect.scoped)

const partsOf = (which: string, all: ReadonlyArray<BlockId>): ReadonlyArray<BlockId> => {
  const [, end, count] = /^(first|last) (\d+)$/.exec(which) ?? []
  const parts: Readonly<Record<string, () => ReadonlyArray<BlockId>>> = {
    all: () => all,
    none: () => [],
    [`first ${count}`]: () => all.slice(0, Number(count)),
    [`last ${count}`]: () => all.slice(-Number(count))
  }
  return known("part of the blocks", parts, end === undefined ? which : `${end} ${count}`)()
}

/** Blocks go through the handler, and what is not to be in the store or the log is taken away; then each is read. */
const readLogBacked = Effect.fnUntraced(function* (one: Json) {
  const { partitions, recordsPerPartition, inStore, inLog, then } = one
  const storage = memoryStorage()
  const blockManager = BlockManager.make({ storage: BlockStorage.memory(), codec: messagePack })
  const handler = (yield* loggedHandler(storage))(blockManager)
  const ids: ReadonlyArray<BlockId> = Array.from({ length: partitions }, (_, i) => `s/1/1/${i}`)
  const recordsAt = (i: number) => Array.from({ length: recordsPerPartition }, (_, j) => i * recordsPerPartition + j)
  const places = new Map<BlockId, LogPosition>()
  for (const [i, id] of ids.entries()) {
    places.set(id, (yield* handler.store(id, ofRecords(recordsAt(i)), "MEMORY_AND_DISK")).log!)
  }
  const without = (which: string) => ids.filter((id) => !partsOf(which, ids).includes(id))
  yield* blockManager.remove(without(inStore))
  for (const id of without(inLog)) storage.vanish(places.get(id)!.file)
  const logged = LoggedBlocks.make({
    executor: "e1",
    storage,
    checksum: crc32,
    codec: messagePack,
    blockManager,
    toDriver: () => {}
  })
  const reader = yield* BlockReader.make({
    executor: "e1",
    peers: { fetch: (peer) => Effect.fail(new PeerLost({ peer })) },
    blocks: { get: blockManager.get, logged },
    inputs: () => undefined,
    context: Context.empty() as Context.Context<any>
  }).pipe(Effect.provideService(Border, Border.local))
  const readAll = Effect.forEach(ids, (block, partition) => {
    const spec = { kind: "block", block, records: recordsPerPartition, log: places.get(block) } as const
    const source = { kind: "input", stream: "s", time: 1000, partition, spec } as const
    return Effect.flatMap(reader.read(source, { blocks: [], ignored: [] }), (chunks) => chunks.next)
  })
  const expected = ids.flatMap((_, i) => recordsAt(i))
  const check = Effect.map(readAll, (chunks) => same("the records", expected, chunks.flat()))
  yield* check
  if (then === "remove blocks from storage, read again") {
    yield* blockManager.remove(ids)
    yield* check
  } else if (then !== undefined) throw new UnknownWord("what is done then", then)
  return `all ${expected.length} records in order`
}, Effect.scoped)

export const blockCalls: Readonly<Record<string, Call>> = {
  storedRecordCount: ({ args: [{ form, level, records }], variant = "without log" }) =>
    storedCount({ form, level, records, log: variant }),
  storeWithLittleMemory: ({ args: [log, level], params: { memoryBytes, records, bytesPerRecord } }) =>
    storedCount({ form: "list", level, records, bytesPerRecord, memoryBytes, log }),
  datasetOfBlocks: ({ args: [log, blocks] }) => {
    if (blocks.length > 0) throw new UnknownWord("way to leave blocks out", blocks)
    return batchWithoutBlocks(isLogged(log))
  },
  readLogBacked: ({ args: [one] }) => readLogBacked(one)
}
