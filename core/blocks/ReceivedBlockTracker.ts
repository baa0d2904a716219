/**
 * ReceivedBlockTracker: which received blocks wait, and which belong to which batch. A pure machine with one owner.
 *
 * | command | events to log | answer |
 * | --- | --- | --- |
 * | AddBlock, new, of the registered attempt | BlockAddition | Accepted |
 * | AddBlock, known: waiting, allocated, or lately cleaned up | - | Accepted: the first answer |
 * | AddBlock of another attempt, an unknown stream, or older than the window of repetitions | - | Refused |
 * | AddBlock of records of a source that are stored already (`HighWaterMarks`) | - | Repeated: it is not needed |
 * | AddBlock of records of a source, some stored already | - | Refused |
 * | AllocateBatch, later than any before | BatchAllocation of all that waits | Accepted |
 * | AllocateBatch of the last or an earlier time | - | Accepted: no change |
 * | CleanupBatches before a time in the past | BatchCleanup of the batches before it, if any | Accepted |
 * | CleanupBatches before now or later | - | Refused |
 * | LoseBlocks | BlocksLost of those that are known and not lost, if any; the marks of those that are asked for again go back | Accepted |
 *
 * `plan` gives the events; they are logged; only then `apply` changes the state. Recovery is a fold of `apply`. A block that is lost
 * waits no more; one of a batch stays in its batch, marked: the batch has the partitions that it had, and one of them is empty.
 *
 * An addition whose log write failed was refused, and may be in the log all the same. If its receiver then sent the same records
 * again, the fold meets both: of records that a source numbers the later addition is the one that counted, and what is above a
 * mark that goes back did not count.
 *
 * Invariants: a block that was added is in exactly one batch or waits, until its batch is cleaned up; a batch, once allocated,
 * never changes; batch times only grow. Applying an event twice is no change. Every transition costs as much as its event is
 * long, whatever the state holds. Of each stream the last `repetitionWindow` sequences that were cleaned up stay known, so that
 * a message on its way for that long is still a repetition. Source: Spark Streaming's `ReceivedBlockTracker`.
 */
import type { Asked } from "../dstream/BatchPlan.ts"
import type { StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"
import * as BlockLogs from "./BlockLogs.ts"
import * as HighWaterMarks from "./HighWaterMarks.ts"
import type { BlockId, ReceivedBlockInfo } from "./ReceivedBlock.ts"
import type { ReceivedBlockTrackerLogEvent } from "./ReceivedBlockTrackerLogEvent.ts"

/** How many sequences of a stream are known beyond their clean-up. */
export const repetitionWindow = 4096

export type BlocksOfBatch = ReadonlyMap<StreamId, ReadonlyArray<ReceivedBlockInfo>>

/** Blocks of the newest run of a receiver that are cleaned up: what a late repetition is told by. */
interface CleanedUp {
  /** Stream, epoch and attempt: the block's identity without its sequence. */
  readonly run: string
  highest: number
  readonly blocks: Map<number, BlockId>
}

/** Owned by one writer: only `apply` changes it. */
export interface ReceivedBlockTracker {
  readonly streams: ReadonlySet<StreamId>
  /** In order of arrival. */
  readonly waiting: Map<StreamId, Map<BlockId, ReceivedBlockInfo>>
  waitingCount: number
  /** Batch of each block that is allocated and not cleaned up. */
  readonly allocated: Map<BlockId, Time>
  /** In order of time. */
  readonly batches: Map<Time, BlocksOfBatch>
  readonly cleanedUp: Map<StreamId, CleanedUp>
  readonly marks: HighWaterMarks.HighWaterMarks
  /** The newest log of each stream's receiver. */
  readonly logs: Map<StreamId, BlockLogs.NewestLog>
  lastBatch: Time | undefined
}

export type ReceivedBlockTrackerCommand =
  /** `registered`: the attempt that the stream's receiver is registered with, if any. */
  | { readonly kind: "AddBlock"; readonly info: ReceivedBlockInfo; readonly registered: number | undefined }
  /** `asked`: what else the batch is made of, for the log. */
  | { readonly kind: "AllocateBatch"; readonly time: Time; readonly asked?: Asked | undefined }
  | { readonly kind: "CleanupBatches"; readonly before: Time; readonly now: Time }
  /** `again`: those of them of which nothing came, so that their sources may be asked again. No receiver may be active. */
  | { readonly kind: "LoseBlocks"; readonly blocks: ReadonlyArray<BlockId>; readonly again?: ReadonlyArray<BlockId> }

export type Plan =
  | { readonly kind: "Accepted"; readonly events: ReadonlyArray<ReceivedBlockTrackerLogEvent> }
  /** What the block holds is stored already: it is not needed. */
  | { readonly kind: "Repeated" }
  | { readonly kind: "Refused"; readonly reason: string }

export const make = (streams: Iterable<StreamId>): ReceivedBlockTracker => {
  const known = new Set(streams)
  return {
    streams: known,
    waiting: new Map(Array.from(known, (stream) => [stream, new Map()])),
    waitingCount: 0,
    allocated: new Map(),
    batches: new Map(),
    cleanedUp: new Map(),
    marks: new Map(),
    logs: new Map(),
    lastBatch: undefined
  }
}

const accepted = (...events: ReadonlyArray<ReceivedBlockTrackerLogEvent>): Plan => ({ kind: "Accepted", events })
const refused = (reason: string): Plan => ({ kind: "Refused", reason })

export const plan = (state: ReceivedBlockTracker, command: ReceivedBlockTrackerCommand): Plan => {
  switch (command.kind) {
    case "AddBlock":
      return planAddition(state, command.info, command.registered)
    case "AllocateBatch":
      return state.lastBatch !== undefined && command.time <= state.lastBatch ? accepted() : accepted({
        kind: "BatchAllocation",
        time: command.time,
        ...(command.asked === undefined ? {} : { asked: command.asked }),
        blocks: allWaiting(state)
      })
    case "CleanupBatches":
      return planCleanup(state, command.before, command.now)
    case "LoseBlocks":
      return planLoss(state, command.blocks, command.again)
  }
}

const planAddition = (
  state: ReceivedBlockTracker,
  info: ReceivedBlockInfo,
  registered: number | undefined
): Plan => {
  if (isKnown(state, info)) return accepted()
  const where = `block ${info.block} of stream ${info.stream}`
  if (!state.streams.has(info.stream)) return refused(`${where} was refused: the graph has no such stream`)
  if (registered !== info.attempt) {
    return refused(
      `${where} was refused: it is of receiver attempt ${info.attempt}, registered is ${registered ?? "none"}`
    )
  }
  const cleaned = state.cleanedUp.get(info.stream)
  if (cleaned?.run === runOf(info) && info.sequence <= cleaned.highest - repetitionWindow) {
    return refused(`${where} was refused: it is more than ${repetitionWindow} blocks late, so it may be a repetition`)
  }
  const judgement = HighWaterMarks.judge(state.marks, info)
  return judgement.kind === "New" ? accepted({ kind: "BlockAddition", info }) : judgement
}

const planLoss = (
  state: ReceivedBlockTracker,
  blocks: ReadonlyArray<BlockId>,
  again: ReadonlyArray<BlockId> = []
): Plan => {
  const wanted = new Set(blocks)
  const held = heldBlocks(state).filter(({ lost }) => lost !== true)
  const gone = held.filter(({ block }) => wanted.has(block))
  if (gone.length === 0) return accepted()
  const unused = new Set(again)
  const asked = new Set(gone.filter(({ block }) => unused.has(block)))
  const marks = HighWaterMarks.marksWithout(state.marks, asked, held.filter((info) => !asked.has(info)))
  return accepted({
    kind: "BlocksLost",
    blocks: gone.map(({ block }) => block),
    ...(marks.length === 0 ? {} : { marks })
  })
}

const planCleanup = (state: ReceivedBlockTracker, before: Time, now: Time): Plan => {
  if (before >= now) {
    return refused(`batches before ${before} cannot be cleaned up at ${now}: the limit has to lie in the past`)
  }
  const times: Array<Time> = []
  for (const time of state.batches.keys()) {
    if (time >= before) break
    times.push(time)
  }
  return times.length === 0 ? accepted() : accepted({ kind: "BatchCleanup", times })
}

const allWaiting = (state: ReceivedBlockTracker): Array<readonly [StreamId, Array<ReceivedBlockInfo>]> =>
  Array.from(state.waiting, ([stream, blocks]) => [stream, Array.from(blocks.values())] as const)

export const apply = (state: ReceivedBlockTracker, event: ReceivedBlockTrackerLogEvent): void => {
  switch (event.kind) {
    case "BlockAddition":
      return isKnown(state, event.info) ? undefined : addWaiting(state, event.info)
    case "BatchAllocation":
      return applyAllocation(state, event.time, event.blocks)
    case "BatchCleanup":
      return applyCleanup(state, event.times)
    case "BlocksLost":
      applyLoss(state, event.blocks)
      return goBack(state, event.marks ?? [])
  }
}

const addWaiting = (state: ReceivedBlockTracker, info: ReceivedBlockInfo): void => {
  let blocks = state.waiting.get(info.stream)
  if (blocks === undefined) state.waiting.set(info.stream, blocks = new Map())
  if (count(state, info)) dropRepeated(state, blocks, info)
  blocks.set(info.block, info)
  state.waitingCount++
}

/** What follows from a block that counts for those after it; whether others of its records had been logged before. */
const count = (state: ReceivedBlockTracker, info: ReceivedBlockInfo): boolean => {
  BlockLogs.follow(state.logs, info)
  return HighWaterMarks.advance(state.marks, info)
}

const dropRepeated = (
  state: ReceivedBlockTracker,
  waiting: Map<BlockId, ReceivedBlockInfo>,
  counted: ReceivedBlockInfo
): void => {
  for (const [block, info] of waiting) {
    if (HighWaterMarks.reaches(info, counted) && waiting.delete(block)) state.waitingCount--
  }
}

const applyAllocation = (
  state: ReceivedBlockTracker,
  time: Time,
  blocks: ReadonlyArray<readonly [StreamId, ReadonlyArray<ReceivedBlockInfo>]>
): void => {
  if (state.lastBatch !== undefined && time <= state.lastBatch) return
  for (const [stream, infos] of blocks) {
    const waiting = state.waiting.get(stream)
    for (const info of infos) {
      if (waiting?.delete(info.block)) state.waitingCount--
      else if (count(state, info) && waiting !== undefined) dropRepeated(state, waiting, info)
      state.allocated.set(info.block, time)
    }
  }
  state.batches.set(time, new Map(blocks))
  state.lastBatch = time
}

const applyLoss = (state: ReceivedBlockTracker, blocks: ReadonlyArray<BlockId>): void => {
  const times = new Set<Time>()
  for (const block of blocks) {
    const time = state.allocated.get(block)
    if (time !== undefined) times.add(time)
    for (const waiting of state.waiting.values()) if (waiting.delete(block)) state.waitingCount--
  }
  const gone = new Set(blocks)
  for (const time of times) {
    const marked = Array.from(
      state.batches.get(time)!,
      ([stream, infos]) => [stream, infos.map((info) => gone.has(info.block) ? { ...info, lost: true } : info)] as const
    )
    state.batches.set(time, new Map(marked))
  }
}

/** What waits above a mark that goes back was logged and did not count. */
const goBack = (state: ReceivedBlockTracker, marks: HighWaterMarks.Marks): void => {
  HighWaterMarks.goBack(state.marks, marks)
  for (const [stream] of marks) {
    const waiting = state.waiting.get(stream)
    for (const info of waiting?.values() ?? []) {
      if (HighWaterMarks.isAbove(state.marks, info) && waiting!.delete(info.block)) state.waitingCount--
    }
  }
}

const applyCleanup = (state: ReceivedBlockTracker, times: ReadonlyArray<Time>): void => {
  for (const time of times) {
    for (const [stream, infos] of state.batches.get(time) ?? []) {
      for (const info of infos) {
        state.allocated.delete(info.block)
        rememberCleanedUp(state, stream, info)
      }
    }
    state.batches.delete(time)
  }
}

const rememberCleanedUp = (state: ReceivedBlockTracker, stream: StreamId, info: ReceivedBlockInfo): void => {
  let cleaned = state.cleanedUp.get(stream)
  if (cleaned?.run !== runOf(info)) {
    state.cleanedUp.set(stream, cleaned = { run: runOf(info), highest: info.sequence, blocks: new Map() })
  }
  cleaned.highest = Math.max(cleaned.highest, info.sequence)
  cleaned.blocks.set(info.sequence, info.block)
  for (const sequence of cleaned.blocks.keys()) {
    if (cleaned.blocks.size <= repetitionWindow) break
    cleaned.blocks.delete(sequence)
  }
}

const runOf = (info: ReceivedBlockInfo): string => info.block.slice(0, info.block.lastIndexOf("/"))

const isKnown = (state: ReceivedBlockTracker, info: ReceivedBlockInfo): boolean =>
  state.allocated.has(info.block) || state.waiting.get(info.stream)?.has(info.block) === true ||
  state.cleanedUp.get(info.stream)?.blocks.get(info.sequence) === info.block

/** All blocks that wait or are of a batch. */
export const heldBlocks = (state: ReceivedBlockTracker): ReadonlyArray<ReceivedBlockInfo> => [
  ...[...state.batches.values()].flatMap((blocks) => [...blocks.values()].flat()),
  ...[...state.waiting.values()].flatMap((blocks) => [...blocks.values()])
]

export const hasUnallocated = (state: ReceivedBlockTracker): boolean => state.waitingCount > 0

/** Blocks of a stream that wait for a batch, in order of arrival. */
export const unallocated = (state: ReceivedBlockTracker, stream: StreamId): ReadonlyArray<ReceivedBlockInfo> =>
  Array.from(state.waiting.get(stream)?.values() ?? [])

const noBlocks: BlocksOfBatch = new Map()

/** Blocks of a batch by stream; an unknown or cleaned batch has none. */
export const blocksOf = (state: ReceivedBlockTracker, time: Time): BlocksOfBatch => state.batches.get(time) ?? noBlocks

/** How far the records of each source of a stream are stored. */
export const marksOf = (state: ReceivedBlockTracker, stream: StreamId): ReadonlyArray<readonly [string, number]> =>
  Array.from(state.marks.get(stream) ?? [])
