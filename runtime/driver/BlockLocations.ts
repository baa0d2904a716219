/**
 * BlockLocations: which executors hold each received block that waits for a batch or is of one: where to read it, and who has to
 * be told to forget it.
 *
 * A block is known from when it is logged until its batch is cleaned up. Its holders are those that were reported with it, and
 * those that are said to hold it later; never one that is not there any more. A block that is in its receiver's log can be read
 * without any: it holds no executor back.
 */
import type { BlockId, ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"

export class BlockLocations {
  private readonly holders = new Map<BlockId, ReadonlyArray<ExecutorId>>()
  private readonly logged = new Set<BlockId>()
  private readonly executors = new Set<ExecutorId>()

  executorJoined(executor: ExecutorId): void {
    this.executors.add(executor)
  }

  executorLost(executor: ExecutorId): void {
    if (!this.executors.delete(executor)) return
    for (const block of this.holders.keys()) this.notAt(block, executor)
  }

  add({ block, locations, log }: ReceivedBlockInfo): void {
    if (this.holders.has(block)) return
    this.holders.set(block, locations.filter((executor) => this.executors.has(executor)))
    if (log !== undefined) this.logged.add(block)
  }

  /** False: nobody knows this block. */
  held(block: BlockId, executor: ExecutorId): boolean {
    const holders = this.holders.get(block)
    if (holders === undefined) return false
    if (this.executors.has(executor) && !holders.includes(executor)) this.holders.set(block, [...holders, executor])
    return true
  }

  notAt(block: BlockId, executor: ExecutorId): void {
    const holders = this.holders.get(block)
    if (holders?.includes(executor)) this.holders.set(block, holders.filter((other) => other !== executor))
  }

  of(block: BlockId): ReadonlyArray<ExecutorId> {
    return this.holders.get(block) ?? []
  }

  /** Those that hold a block that nobody else does. */
  onlyHolders(): ReadonlySet<ExecutorId> {
    const only = new Set<ExecutorId>()
    for (const [block, holders] of this.holders) {
      if (holders.length === 1 && !this.logged.has(block)) only.add(holders[0]!)
    }
    return only
  }

  /** Whether two others hold each block that this executor does, or it is in a log. */
  isSpare(executor: ExecutorId): boolean {
    for (const [block, holders] of this.holders) {
      if (holders.length <= 2 && holders.includes(executor) && !this.logged.has(block)) return false
    }
    return true
  }

  forget(block: BlockId): void {
    this.holders.delete(block)
    this.logged.delete(block)
  }

  get size(): number {
    return this.holders.size
  }
}
