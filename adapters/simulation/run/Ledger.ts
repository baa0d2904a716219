/**
 * Ledger: what the simulation knows of a run from the messages that it saw.
 *
 * It keeps facts, not judgements: a subject draws the conclusions after the run, when all is known.
 */
import type { BlockId, ReceivedBlockInfo } from "../../../core/blocks/ReceivedBlock.ts"
import type { BatchPlan } from "../../../core/dstream/BatchPlan.ts"
import type { ExecutorId, StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import { lifeOfName } from "../invariants/Observation.ts"

export interface ReportedBlock {
  readonly info: ReceivedBlockInfo
  readonly executor: ExecutorId
  accepted: boolean | undefined
}

export class Ledger {
  readonly blocks = new Map<BlockId, ReportedBlock>()
  /** What each batch is made of, by the last driver that says so; what one says that lost its place counts until then. */
  readonly plans = new Map<Time, BatchPlan>()
  private readonly firm = new Set<Time>()
  /** Blocks that a task read as empty, by batch. */
  readonly ignored = new Map<Time, Set<BlockId>>()
  /** How many attempts of a task that delivers on an executor were sent, by output, batch and partition. */
  readonly attempts = new Map<string, number>()
  private readonly crashed = new Set<ExecutorId>()
  /** How many drivers there were. */
  lives = 1
  /** Streams of which the driver reported lost blocks. */
  readonly lossesReported = new Set<StreamId>()

  planned(plan: BatchPlan, replaced: boolean): void {
    if (this.firm.has(plan.time) || (replaced && this.plans.has(plan.time))) return
    if (!replaced) this.firm.add(plan.time)
    this.plans.set(plan.time, plan)
  }

  /** Without those of a driver that had lost its place when it said so. */
  get firmPlans(): ReadonlyArray<BatchPlan> {
    return [...this.plans.values()].filter(({ time }) => this.firm.has(time))
  }

  /** Batches that only a driver made that had lost its place: they never were. */
  dropTentative(): void {
    for (const time of this.plans.keys()) if (!this.firm.has(time)) this.plans.delete(time)
  }

  executorDied(executor: ExecutorId): void {
    this.crashed.add(executor)
  }

  /** It died, or its driver did: what it held is gone. */
  isGone(executor: ExecutorId): boolean {
    return this.crashed.has(executor) || lifeOfName(executor) < this.lives
  }

  attemptSent(output: string, time: Time, partition: number): void {
    const key = `${output} ${time} ${partition}`
    this.attempts.set(key, 1 + (this.attempts.get(key) ?? 0))
  }

  blockReported(info: ReceivedBlockInfo, executor: ExecutorId): void {
    if (!this.blocks.has(info.block)) this.blocks.set(info.block, { info, executor, accepted: undefined })
  }

  blockAnswered(block: BlockId, accepted: boolean): void {
    const known = this.blocks.get(block)
    if (known !== undefined) known.accepted ??= accepted
  }

  blockIgnored(time: Time, block: BlockId): void {
    const known = this.ignored.get(time) ?? new Set()
    this.ignored.set(time, known.add(block))
  }
}
