/**
 * Ledger: what the simulation knows of a run from what it saw: messages, what sources gave, what outputs delivered.
 *
 * It keeps facts, not judgements: `compare` draws the conclusions after the run, when all is known. The contents of a block are
 * told from what its receiver gave to `store`: given one by one, the next records in order; given together, the next call.
 */
import type { BlockId, ReceivedBlockInfo } from "../../../core/blocks/ReceivedBlock.ts"
import type { BatchPlan } from "../../../core/dstream/BatchPlan.ts"
import type { ExecutorId, StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import { lifeOfName } from "../../../adapters/simulation/invariants/Observation.ts"
import type { Taken } from "../outside/Source.ts"

/** A batch, or a partition of one, that an output was given. */
export interface Delivery {
  readonly output: string
  readonly time: Time
  /** Undefined: the whole batch, on the driver. */
  readonly partition: number | undefined
  readonly partitions: ReadonlyArray<ReadonlyArray<unknown>>
  /** Of which driver, from 1; `replaced`: another one had taken its place. */
  readonly life: number
  readonly replaced: boolean
}

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
  readonly deliveries: Array<Delivery> = []
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

export interface Contents {
  readonly lines: ReadonlyMap<BlockId, ReadonlyArray<string>>
  /** What does not fit: a block that is not what was given. */
  readonly mistakes: ReadonlyArray<string>
  /** Lines that were given and are in no block. */
  readonly left: ReadonlyArray<{ readonly taken: Taken; readonly lines: ReadonlyArray<string> }>
}

/** What each block holds. */
export function contentsOf(ledger: Ledger, taken: ReadonlyArray<Taken>): Contents {
  const lines = new Map<BlockId, ReadonlyArray<string>>()
  const mistakes: Array<string> = []
  const left: Array<{ taken: Taken; lines: ReadonlyArray<string> }> = []
  for (const one of taken) {
    const blocks = [...ledger.blocks.values()]
      .filter(({ info, executor }) =>
        info.stream === one.stream && info.attempt === one.attempt && executor === one.executor
      )
      .sort((a, b) => a.info.sequence - b.info.sequence)
    const rest = one.calls.length > 0
      ? matchCalls(one, blocks, lines, mistakes)
      : cutLines(one, blocks, lines, mistakes)
    if (rest.length > 0) left.push({ taken: one, lines: rest })
  }
  for (const [block, { info }] of ledger.blocks) {
    if (!lines.has(block)) mistakes.push(`block ${block} of ${info.records} records is of no receiver's run`)
  }
  return { lines, mistakes, left }
}

function cutLines(
  taken: Taken,
  blocks: ReadonlyArray<ReportedBlock>,
  into: Map<BlockId, ReadonlyArray<string>>,
  mistakes: Array<string>
): ReadonlyArray<string> {
  let from = 0
  for (const { info } of blocks) {
    const to = from + (info.records ?? 0)
    into.set(info.block, taken.lines.slice(from, to))
    if (to > taken.lines.length) mistakes.push(`block ${info.block} reports records that the receiver never stored`)
    from = to
  }
  return taken.lines.slice(from)
}

/** Blocks and calls in order; a call that came to nothing may have no block. */
function matchCalls(
  taken: Taken,
  blocks: ReadonlyArray<ReportedBlock>,
  into: Map<BlockId, ReadonlyArray<string>>,
  mistakes: Array<string>
): ReadonlyArray<string> {
  const { calls } = taken
  const matched = align(blocks.map(({ info }) => info.records), calls)
  if (matched === undefined) {
    mistakes.push(
      `the blocks of attempt ${taken.attempt} of ${taken.stream} at ${taken.executor} are not what it stored`
    )
    return []
  }
  blocks.forEach(({ info }, i) => into.set(info.block, calls[matched[i]!]!.lines))
  return calls.flatMap(({ lines }, call) => matched.includes(call) ? [] : lines)
}

/** The call of each block; undefined: they do not fit. */
function align(records: ReadonlyArray<number | undefined>, calls: Taken["calls"]): ReadonlyArray<number> | undefined {
  // ways[block][call]: whether the blocks from there on fit the calls from there on.
  const fits = (block: number, call: number) => records[block] === calls[call]!.lines.length
  const ways = Array.from({ length: records.length + 1 }, () => new Array<boolean>(calls.length + 1).fill(false))
  for (let call = calls.length; call >= 0; call--) {
    for (let block = records.length; block >= 0; block--) {
      ways[block]![call] = call === calls.length
        ? block === records.length
        : (mayHaveNoBlock(calls[call]!.state) && ways[block]![call + 1]!) ||
          (block < records.length && fits(block, call) && ways[block + 1]![call + 1]!)
    }
  }
  if (!ways[0]![0]) return undefined
  const matched: Array<number> = []
  for (let call = 0; call < calls.length; call++) {
    const block = matched.length
    if (block < records.length && fits(block, call) && ways[block + 1]![call + 1]!) matched.push(call)
  }
  return matched
}

/** One that is open has one, unless its executor died. */
const mayHaveNoBlock = (state: Taken["calls"][number]["state"]): boolean => state !== "stored"
