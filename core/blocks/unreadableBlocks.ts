/**
 * unreadableBlocks: what a new driver cannot read of the blocks that its predecessor left: executors end with their driver, so what
 * was with them alone, and in no log, is gone. Those that wait are dropped, those of a batch are read as empty (BlocksLost of
 * the ReceivedBlockTracker); how many records that are is told by stream.
 */
import type { StreamId } from "../protocol/Ids.ts"
import type { ReceivedBlockInfo } from "./ReceivedBlock.ts"
import { heldBlocks, type ReceivedBlockTracker } from "./ReceivedBlockTracker.ts"

export const unreadableBlocks = (state: ReceivedBlockTracker): ReadonlyArray<ReceivedBlockInfo> =>
  heldBlocks(state).filter(({ log, lost }) => log === undefined && lost !== true)

/** What is lost of one stream. */
export interface LostBlocks {
  readonly stream: StreamId
  readonly blocks: number
  /** In those blocks whose records were counted. */
  readonly records: number
  /** Blocks of raw bytes whose records nobody counted. */
  readonly uncounted: number
}

export const lostByStream = (blocks: ReadonlyArray<ReceivedBlockInfo>): ReadonlyArray<LostBlocks> => {
  const byStream = new Map<StreamId, LostBlocks>()
  for (const { records, stream } of blocks) {
    const known = byStream.get(stream) ?? { stream, blocks: 0, records: 0, uncounted: 0 }
    byStream.set(stream, {
      stream,
      blocks: known.blocks + 1,
      records: known.records + (records ?? 0),
      uncounted: known.uncounted + (records === undefined ? 1 : 0)
    })
  }
  return Array.from(byStream.values())
}
