/**
 * BlockManager: the blocks of one executor, in memory or spilled, by storage level.
 *
 * | level | fits into memory | does not fit |
 * | --- | --- | --- |
 * | MEMORY_ONLY | memory | BlockTooLarge, or MemoryFull, which may pass |
 * | MEMORY_AND_DISK | memory | disk |
 * | DISK_ONLY | disk | disk |
 *
 * Memory is counted by estimate (`SizeEstimator`) against a limit, before a block is stored; a block that spills is encoded. The
 * newest block spills, not the oldest, for blocks are read in the order in which they came. Storing an id again is the first
 * storing. A removed block is gone at once; its file follows. Source: Spark's `BlockManager` and `MemoryStore`.
 */
import { Effect, Schema } from "effect"
import { type BlockContents, decodeContents, encodeContents, recordCount } from "../../core/blocks/BlockContents.ts"
import type { BlockId } from "../../core/blocks/ReceivedBlock.ts"
import { estimateBytes } from "../../core/blocks/SizeEstimator.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import type { RecordCodec } from "../../core/protocol/RecordCodec.ts"
import type { StorageLevel } from "../../core/receiving/Receiver.ts"
import type { BlockStorage } from "../storage/BlockStorage.ts"

/** A block could not be stored or read. MemoryFull may pass as batches end. */
export class BlockError extends Schema.TaggedError<BlockError>()("BlockError", {
  block: Schema.String,
  reason: Schema.Literals(["BlockTooLarge", "MemoryFull", "Encoding", "Storage"]),
  message: Schema.String
}) {}

export interface StoredBlock {
  readonly records: number | undefined
  readonly bytes: number
}

export interface BlockManagerStats {
  readonly memoryBlocks: number
  readonly memoryBytes: number
  readonly diskBlocks: number
  readonly diskBytes: number
  /** Blocks that were refused so far. */
  readonly refusedBlocks: number
}

export interface BlockManager {
  readonly put: (block: BlockId, contents: BlockContents, level: StorageLevel) => Effect.Effect<StoredBlock, BlockError>
  /** Undefined: it is not here. */
  readonly get: (block: BlockId) => Effect.Effect<BlockContents | undefined, BlockError>
  readonly has: (block: BlockId) => boolean
  /** Ids that are not here are no error. */
  readonly remove: (blocks: Iterable<BlockId>) => Effect.Effect<void>
  readonly stats: () => BlockManagerStats
}

interface Entry {
  /** Undefined: on disk. */
  readonly contents: BlockContents | undefined
  readonly stored: StoredBlock
}

export const memoryLimitBytesDefault = 512 * 1024 * 1024

export const make = (options: {
  readonly storage: BlockStorage
  readonly codec: RecordCodec
  readonly memoryLimitBytes?: number | undefined
}): BlockManager => {
  const { storage, codec, memoryLimitBytes = memoryLimitBytesDefault } = options
  const entries = new Map<BlockId, Entry>()
  const counts = { memoryBlocks: 0, memoryBytes: 0, diskBlocks: 0, diskBytes: 0, refusedBlocks: 0 }

  const count = ({ contents, stored }: Entry, sign: 1 | -1) => {
    counts[contents === undefined ? "diskBlocks" : "memoryBlocks"] += sign
    counts[contents === undefined ? "diskBytes" : "memoryBytes"] += sign * stored.bytes
  }

  const enter = (block: BlockId, entry: Entry): StoredBlock => {
    entries.set(block, entry)
    count(entry, 1)
    return entry.stored
  }

  const refuse = (block: BlockId, reason: BlockError["reason"], message: string) => {
    counts.refusedBlocks++
    return new BlockError({ block, reason, message: `block ${block} cannot be stored: ${message}` })
  }

  const spill = Effect.fnUntraced(function* (block: BlockId, contents: BlockContents) {
    const encoded = yield* Effect.try({
      try: () => encodeContents(contents, codec),
      catch: (error) => refuse(block, "Encoding", describeError(error))
    })
    yield* Effect.mapError(storage.write(block, encoded), (error) => refuse(block, "Storage", error.message))
    const known = entries.get(block)
    if (known !== undefined) return known.stored
    return enter(block, { contents: undefined, stored: { records: recordCount(contents), bytes: encoded.byteLength } })
  })

  const put = (block: BlockId, contents: BlockContents, level: StorageLevel) =>
    Effect.suspend(() => {
      const known = entries.get(block)
      if (known !== undefined) return Effect.succeed(known.stored)
      if (level === "DISK_ONLY") return spill(block, contents)
      const bytes = estimateBytes(contents)
      if (counts.memoryBytes + bytes <= memoryLimitBytes) {
        return Effect.succeed(enter(block, { contents, stored: { records: recordCount(contents), bytes } }))
      }
      if (level === "MEMORY_AND_DISK") return spill(block, contents)
      const remedy = "raise blockMemoryBytes, or choose the storage level MEMORY_AND_DISK"
      const size = `it takes about ${bytes} bytes of the ${memoryLimitBytes} that blocks may take`
      return Effect.fail(
        bytes > memoryLimitBytes
          ? refuse(block, "BlockTooLarge", `${size}; ${remedy}`)
          : refuse(block, "MemoryFull", `${size}, of which ${counts.memoryBytes} are taken; ${remedy}`)
      )
    })

  const unreadable = (block: BlockId, reason: "Encoding" | "Storage", message: string) =>
    new BlockError({ block, reason, message: `block ${block} cannot be read: ${message}` })

  const get = Effect.fnUntraced(function* (block: BlockId) {
    const entry = entries.get(block)
    if (entry === undefined) return undefined
    if (entry.contents !== undefined) return entry.contents
    const encoded = yield* Effect.mapError(storage.read(block), (error) => unreadable(block, "Storage", error.message))
    if (encoded === undefined) return undefined
    return yield* Effect.try({
      try: () => decodeContents(encoded, codec),
      catch: (error) => unreadable(block, "Encoding", describeError(error))
    })
  })

  const remove = Effect.fnUntraced(function* (blocks: Iterable<BlockId>) {
    const files: Array<BlockId> = []
    for (const block of blocks) {
      const entry = entries.get(block)
      if (entry === undefined) continue
      entries.delete(block)
      count(entry, -1)
      if (entry.contents === undefined) files.push(block)
    }
    for (const file of files) {
      yield* Effect.catch(storage.remove(file), (error) => Effect.logWarning(`block ${file}: ${error.message}`))
    }
  })

  return { put, get, has: (block) => entries.has(block), remove, stats: () => ({ ...counts }) }
}
