/**
 * unreadableBlocks: what a new driver cannot read of the blocks that its predecessor left: executors end with their driver, so what
 * was with them alone, and in no log, is gone. Those that wait are dropped, those of a batch are read as empty (BlocksLost of
 * the ReceivedBlockTracker); how many records that are is told by stream.
 */
import type { StreamId } from "../protocol/Ids.ts"
import type { Marks } from "./HighWaterMarks.ts"
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
  /** Those of these blocks whose records their sources are asked for again. */
  readonly askedAgain: number
}

/** `marks`: those that went back. */
export const lostByStream = (
  blocks: ReadonlyArray<ReceivedBlockInfo>,
  marks: Marks = []
): ReadonlyArray<LostBlocks> => {
  const byStream = new Map<StreamId, LostBlocks>()
  for (const { ranges = [], records, stream } of blocks) {
    const known = byStream.get(stream) ?? { stream, blocks: 0, records: 0, uncounted: 0, askedAgain: 0 }
    const back = new Map(marks.find(([of]) => of === stream)?.[1])
    const isAsked = ranges.length > 0 && ranges.every(({ from, source }) => from > (back.get(source) ?? Infinity))
    byStream.set(stream, {
      stream,
      blocks: known.blocks + 1,
      records: known.records + (records ?? 0),
      uncounted: known.uncounted + (records === undefined ? 1 : 0),
      askedAgain: known.askedAgain + (isAsked ? 1 : 0)
    })
  }
  return Array.from(byStream.values())
}
