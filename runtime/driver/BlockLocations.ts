/**
 * BlockLocations: which executors held a block when it was reported: hints for placing tasks and fetching, kept while the block's
 * batch may be computed.
 */
import type { BlockId, ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import type { Time } from "../../core/time/Time.ts"

export class BlockLocations {
  private readonly locations = new Map<BlockId, ReadonlyArray<ExecutorId>>()
  private readonly batches = new Map<Time, ReadonlyArray<BlockId>>()

  add(time: Time, infos: ReadonlyArray<ReceivedBlockInfo>): void {
    if (infos.length === 0) return
    for (const { block, locations } of infos) this.locations.set(block, locations)
    this.batches.set(time, infos.map(({ block }) => block))
  }

  of(block: BlockId): ReadonlyArray<ExecutorId> {
    return this.locations.get(block) ?? []
  }

  forgetBefore(before: Time): void {
    for (const [time, blocks] of this.batches) {
      if (time >= before) continue
      this.batches.delete(time)
      for (const block of blocks) this.locations.delete(block)
    }
  }
}
