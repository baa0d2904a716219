/**
 * ReceivedBlockHandler: how a supervisor makes a received block safe. It returns when the block is as safe as the handler
 * promises; only then is the block reported to the driver. A handler that also writes ahead has the same interface.
 *
 * The BlockManager-based one keeps the block on this executor by the receiver's storage level: lost with the executor.
 * Source: Spark Streaming's `ReceivedBlockHandler` and `BlockManagerBasedBlockHandler`.
 */
import { Effect } from "effect"
import type { BlockContents } from "../../core/blocks/BlockContents.ts"
import type { BlockId } from "../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import type { StorageLevel } from "../../core/receiving/Receiver.ts"
import type { BlockError, BlockManager } from "./BlockManager.ts"

export interface HandledBlock {
  readonly records: number | undefined
  readonly bytes: number
  readonly locations: ReadonlyArray<ExecutorId>
}

export interface ReceivedBlockHandler {
  readonly store: (
    block: BlockId,
    contents: BlockContents,
    level: StorageLevel
  ) => Effect.Effect<HandledBlock, BlockError>
  /** The driver refused the block: it will be in no batch. */
  readonly discard: (block: BlockId) => Effect.Effect<void>
}

export const blockManagerBased = (blockManager: BlockManager, executor: ExecutorId): ReceivedBlockHandler => ({
  store: (block, contents, level) =>
    Effect.map(blockManager.put(block, contents, level), (stored) => ({ ...stored, locations: [executor] })),
  discard: (block) => blockManager.remove([block])
})
