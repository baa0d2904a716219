/**
 * ReceivedBlockHandler: how a supervisor makes a received block safe. It returns when the block is as safe as the handler
 * promises; only then is the block reported to the driver. The one that writes ahead is `WriteAheadLogBasedHandler`.
 *
 * The BlockManager-based one keeps the block on this executor by the receiver's storage level, and of a level with `_2` a copy
 * on another one: it returns when both hold it. Where no other executor takes it, the block is kept here alone; if there
 * was one to ask, or none answers in time (`blockReplicationTimeout`), `degraded` says why. It is stored here first: what does not
 * fit is not sent. Source: Spark Streaming's `ReceivedBlockHandler` and `BlockManagerBasedBlockHandler`.
 */
import { Effect } from "effect"
import type { BlockContents } from "../../../core/blocks/BlockContents.ts"
import type { LogPosition } from "../../../core/wal/LogPosition.ts"
import type { BlockId } from "../../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
import { isReplicated, type StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import { BlockError, type BlockManager } from "./BlockManager.ts"
import type { BlockReplicator } from "./BlockReplicator.ts"

export interface HandledBlock {
  readonly records: number | undefined
  readonly bytes: number
  readonly locations: ReadonlyArray<ExecutorId>
  readonly log?: LogPosition | undefined
  /** See `ReceivedBlockInfo`. */
  readonly logFrom?: string | undefined
  /** Why it is less safe than its level says. */
  readonly degraded?: string | undefined
}

export interface ReceivedBlockHandler {
  readonly store: (
    block: BlockId,
    contents: BlockContents,
    level: StorageLevel
  ) => Effect.Effect<HandledBlock, BlockError>
  /** The driver knows of the block, or has refused it. */
  readonly answered: (block: BlockId) => void
  /** The block will be in no batch. */
  readonly discard: (block: BlockId) => Effect.Effect<void>
}

export const blockManagerBased = (
  blockManager: BlockManager,
  executor: ExecutorId,
  replicator: Pick<BlockReplicator, "copy" | "discard">
): ReceivedBlockHandler => ({
  store: Effect.fnUntraced(function* (block, contents, level) {
    const stored = yield* blockManager.put(block, contents, level)
    if (!isReplicated(level)) return { ...stored, locations: [executor] }
    const { partner, refusals, unsendable } = yield* replicator.copy(
      { block, level, records: stored.records },
      contents
    )
    if (unsendable !== undefined) {
      yield* blockManager.remove([block])
      return yield* new BlockError({ block, reason: "Encoding", message: `block ${block} is refused: ${unsendable}` })
    }
    if (partner !== undefined) return { ...stored, locations: [executor, partner] }
    const degraded = refusals.length === 0
      ? undefined
      : `block ${block} is kept by ${executor} alone, and would be lost with it: ${refusals.join("; ")}`
    return { ...stored, locations: [executor], degraded }
  }),
  answered: () => {},
  discard: (block) =>
    Effect.suspend(() => {
      replicator.discard(block)
      return blockManager.remove([block])
    })
})
