/**
 * LoggedBlocks: reads a block that no executor gives from its receiver's write-ahead log, by its position alone, and keeps it for those
 * who read it after. The driver is told of the new holder (BlocksHeld), so that it sends others there, and has it forget the block in
 * time.
 *
 * Storage that is not to be had is asked again for a while. A record that is not what was written, or another block's, is BlockLogDamaged:
 * no trying again helps. Source: Spark Streaming's `WriteAheadLogBackedBlockRDD`.
 */
import { Effect, Schedule, Schema } from "effect"
import { type BlockContents, decodeContents } from "../../../core/blocks/BlockContents.ts"
import * as BlockRecord from "../../../core/blocks/BlockRecord.ts"
import type { LogPosition } from "../../../core/wal/LogPosition.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { ToDriver } from "../../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import { Checksum } from "../../storage/Checksum.ts"
import type { StableStorage, StorageError } from "../../storage/StableStorage.ts"
import { readRecord } from "../../storage/readLog.ts"
import { messageOf } from "../TaskFault.ts"
import type { BlockManager } from "./BlockManager.ts"

/** A block is not in its log as it was written. */
export class BlockLogDamaged extends Schema.TaggedError<BlockLogDamaged>()("BlockLogDamaged", {
  block: Schema.String,
  file: Schema.String,
  offset: Schema.Number,
  message: Schema.String
}) {}

export interface LoggedBlocks {
  readonly read: (
    block: BlockId,
    position: LogPosition
  ) => Effect.Effect<BlockContents, BlockLogDamaged | StorageError>
}

export interface LoggedBlocksOptions {
  readonly executor: ExecutorId
  readonly storage: StableStorage
  readonly checksum: (bytes: Uint8Array) => number
  readonly codec: RecordCodec
  readonly blockManager: Pick<BlockManager, "put">
  readonly toDriver: (message: ToDriver) => void
}

/** About six seconds in all. */
const askedAgain = { schedule: Schedule.exponential("100 millis"), times: 6 }

export const make = (options: LoggedBlocksOptions): LoggedBlocks => {
  const { blockManager, checksum, codec, executor, storage, toDriver } = options

  const keep = (block: BlockId, contents: BlockContents, encoded: Uint8Array) =>
    Effect.matchEffect(blockManager.put(block, contents, "MEMORY_AND_DISK", encoded), {
      onSuccess: () => Effect.sync(() => toDriver({ kind: "BlocksHeld", executor, blocks: [block] })),
      // It is read from the log again.
      onFailure: (error) => Effect.logDebug(error.message)
    })

  const read = Effect.fnUntraced(function* (block: BlockId, position: LogPosition) {
    const damaged = (reason: string) => {
      const { file, offset } = position
      const message = `block ${block}, at byte ${offset} of ${file}, cannot be read: ${reason}`
      return new BlockLogDamaged({ block, file, offset, message })
    }
    const bytes = yield* readRecord(storage, position).pipe(
      Effect.provideService(Checksum, checksum),
      Effect.retry({
        ...askedAgain,
        while: (error) => error._tag === "StorageError" && error.reason === "Unavailable"
      }),
      Effect.catchTag("LogDamaged", (error) => Effect.fail(damaged(error.message)))
    )
    const { contents, encoded } = yield* Effect.try({
      try: () => {
        const record = BlockRecord.decode(bytes)
        if (record.block !== block) throw new Error(`the record there is block ${record.block}`)
        return { contents: decodeContents(record.contents, codec), encoded: record.contents }
      },
      catch: (error) => damaged(messageOf(error))
    })
    yield* keep(block, contents, encoded)
    return contents
  })

  return { read }
}
