/**
 * BlockManager: the blocks of one executor, in memory or spilled, by storage level.
 *
 * | level, with or without `_2` | fits into memory | does not fit |
 * | --- | --- | --- |
 * | MEMORY_ONLY | memory | BlockTooLarge, or MemoryFull, which may pass |
 * | MEMORY_AND_DISK | memory | disk |
 * | DISK_ONLY | disk | disk |
 *
 * Memory is counted by estimate (`SizeEstimator`) against a limit, before a block is stored; a block that spills is encoded. The
 * newest block spills, not the oldest, for blocks are read in the order in which they came. What came packed, as the copy of
 * a peer's block, stays packed, in memory and on disk, and is unpacked each time it is read. Storing an id again is the first
 * storing. A removed block is gone at once; its file follows. Source: Spark's `BlockManager` and `MemoryStore`.
 */
import { Effect, Schema } from "effect"
import { type BlockContents, decodeContents, encodeContents, recordCount } from "../../../core/blocks/BlockContents.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import { estimateBytes } from "../../../core/blocks/SizeEstimator.ts"
import type { Payload } from "../../../core/dstream/BatchPlan.ts"
import { describeError } from "../../../core/protocol/describeError.ts"
import { Border, type RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import { placeOf, type StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import type { BlockStorage } from "../../storage/BlockStorage.ts"

/** A block could not be stored or read. MemoryFull may pass as batches end, Log when somebody has made room. */
export class BlockError extends Schema.TaggedError<BlockError>()("BlockError", {
  block: Schema.String,
  reason: Schema.Literals(["BlockTooLarge", "MemoryFull", "Encoding", "Storage", "Log"]),
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
  /** `encoded`: the contents as `encodeContents` gives them, where that was done already. */
  readonly put: (
    block: BlockId,
    contents: BlockContents,
    level: StorageLevel,
    encoded?: Uint8Array
  ) => Effect.Effect<StoredBlock, BlockError>
  /** A block as it came over the border. */
  readonly putPacked: (
    block: BlockId,
    contents: Payload,
    records: number | undefined,
    level: StorageLevel
  ) => Effect.Effect<StoredBlock, BlockError>
  /** Undefined: it is not here. */
  readonly get: (block: BlockId) => Effect.Effect<BlockContents | undefined, BlockError>
  /** A copy of a block's packed form, to be given away; undefined: it is not here, or not packed. */
  readonly getPacked: (block: BlockId) => Effect.Effect<Payload | undefined, BlockError>
  readonly has: (block: BlockId) => boolean
  /** Ids that are not here are no error. */
  readonly remove: (blocks: Iterable<BlockId>) => Effect.Effect<void>
  readonly stats: () => BlockManagerStats
}

type Kept =
  | { readonly kind: "contents"; readonly contents: BlockContents }
  | { readonly kind: "packed"; readonly bytes: ArrayBuffer }
  | { readonly kind: "file"; readonly packed: boolean }

interface Entry {
  readonly kept: Kept
  readonly stored: StoredBlock
}

/** A block that is to be stored. */
interface Arriving {
  readonly records: number | undefined
  /** What would be kept in memory, and how much it takes there. */
  readonly kept: Exclude<Kept, { readonly kind: "file" }>
  readonly memoryBytes: () => number
  /** May throw. */
  readonly encoded: () => Uint8Array
}

export const memoryLimitBytesDefault = 512 * 1024 * 1024

export const make = (options: {
  readonly storage: BlockStorage
  readonly codec: RecordCodec
  readonly memoryLimitBytes?: number | undefined
  /** For blocks that come packed. */
  readonly border?: Border["Service"] | undefined
}): BlockManager => {
  const { storage, codec, memoryLimitBytes = memoryLimitBytesDefault, border = Border.local } = options
  const entries = new Map<BlockId, Entry>()
  const counts = { memoryBlocks: 0, memoryBytes: 0, diskBlocks: 0, diskBytes: 0, refusedBlocks: 0 }

  const count = ({ kept, stored }: Entry, sign: 1 | -1) => {
    counts[kept.kind === "file" ? "diskBlocks" : "memoryBlocks"] += sign
    counts[kept.kind === "file" ? "diskBytes" : "memoryBytes"] += sign * stored.bytes
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

  const spill = Effect.fnUntraced(function* (block: BlockId, { encoded: encode, kept, records }: Arriving) {
    const encoded = yield* Effect.try({
      try: encode,
      catch: (error) => refuse(block, "Encoding", describeError(error))
    })
    yield* Effect.mapError(storage.write(block, encoded), (error) => refuse(block, "Storage", error.message))
    const known = entries.get(block)
    if (known !== undefined) return known.stored
    const stored = { records, bytes: encoded.byteLength }
    return enter(block, { kept: { kind: "file", packed: kept.kind === "packed" }, stored })
  })

  const keep = (block: BlockId, level: StorageLevel, arriving: Arriving): Effect.Effect<StoredBlock, BlockError> =>
    Effect.suspend(() => {
      const known = entries.get(block)
      if (known !== undefined) return Effect.succeed(known.stored)
      const place = placeOf(level)
      if (place === "DISK_ONLY") return spill(block, arriving)
      const { kept, records } = arriving
      const bytes = arriving.memoryBytes()
      if (counts.memoryBytes + bytes <= memoryLimitBytes) {
        return Effect.succeed(enter(block, { kept, stored: { records, bytes } }))
      }
      if (place === "MEMORY_AND_DISK") return spill(block, arriving)
      const remedy = "raise blockMemoryBytes, or choose the storage level MEMORY_AND_DISK"
      const size = `it takes about ${bytes} bytes of the ${memoryLimitBytes} that blocks may take`
      return Effect.fail(
        bytes > memoryLimitBytes
          ? refuse(block, "BlockTooLarge", `${size}; ${remedy}`)
          : refuse(block, "MemoryFull", `${size}, of which ${counts.memoryBytes} are taken; ${remedy}`)
      )
    })

  const put = (block: BlockId, contents: BlockContents, level: StorageLevel, encoded?: Uint8Array) =>
    keep(block, level, {
      records: recordCount(contents),
      kept: { kind: "contents", contents },
      memoryBytes: () => estimateBytes(contents),
      encoded: () => encoded ?? encodeContents(contents, codec)
    })

  const putPacked = (block: BlockId, contents: Payload, records: number | undefined, level: StorageLevel) => {
    if (contents.kind === "value") return put(block, contents.value as BlockContents, level)
    const { bytes } = contents
    return keep(block, level, {
      records,
      kept: { kind: "packed", bytes },
      memoryBytes: () => bytes.byteLength,
      encoded: () => new Uint8Array(bytes)
    })
  }

  const unreadable = (block: BlockId, reason: "Encoding" | "Storage", message: string) =>
    new BlockError({ block, reason, message: `block ${block} cannot be read: ${message}` })

  const readFile = (block: BlockId) =>
    Effect.mapError(storage.read(block), (error) => unreadable(block, "Storage", error.message))

  const decoded = (block: BlockId, decode: () => BlockContents) =>
    Effect.try({ try: decode, catch: (error) => unreadable(block, "Encoding", describeError(error)) })

  const unpacked = (block: BlockId, bytes: ArrayBuffer) =>
    decoded(block, () => border.unpack({ kind: "bytes", bytes }) as BlockContents)

  const get = Effect.fnUntraced(function* (block: BlockId) {
    const kept = entries.get(block)?.kept
    if (kept === undefined) return undefined
    if (kept.kind === "contents") return kept.contents
    if (kept.kind === "packed") return yield* unpacked(block, kept.bytes)
    const encoded = yield* readFile(block)
    if (encoded === undefined) return undefined
    return yield* kept.packed ? unpacked(block, copyOf(encoded)) : decoded(block, () => decodeContents(encoded, codec))
  })

  const getPacked = Effect.fnUntraced(function* (block: BlockId) {
    const kept = entries.get(block)?.kept
    if (kept === undefined || kept.kind === "contents") return undefined
    if (kept.kind === "packed") return { kind: "bytes", bytes: kept.bytes.slice(0) } as const
    const encoded = kept.packed ? yield* readFile(block) : undefined
    return encoded && { kind: "bytes", bytes: copyOf(encoded) } as const
  })

  const remove = Effect.fnUntraced(function* (blocks: Iterable<BlockId>) {
    const files: Array<BlockId> = []
    for (const block of blocks) {
      const entry = entries.get(block)
      if (entry === undefined) continue
      entries.delete(block)
      count(entry, -1)
      if (entry.kept.kind === "file") files.push(block)
    }
    for (const file of files) {
      yield* Effect.catch(storage.remove(file), (error) => Effect.logWarning(`block ${file}: ${error.message}`))
    }
  })

  return { put, putPacked, get, getPacked, has: (block) => entries.has(block), remove, stats: () => ({ ...counts }) }
}

/** With a buffer of its own: what storage reads may be a view into a larger one. */
const copyOf = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer
