/**
 * trackerSnapshot: the state of a ReceivedBlockTracker as plain data, for checkpoints, and back.
 *
 * Which sequences were cleaned up is left out: repetitions come from receivers of the same driver, and a restored state is
 * another driver's.
 */
import { Schema } from "effect"
import type { StreamId } from "../protocol/Ids.ts"
import { MarksSchema, ReceivedBlockInfoSchema } from "./ReceivedBlock.ts"
import { NewestLogSchema } from "./BlockLogs.ts"
import * as Tracker from "./ReceivedBlockTracker.ts"

const BlocksByStream = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(ReceivedBlockInfoSchema)]))

export const TrackerSnapshot = Schema.Struct({
  waiting: BlocksByStream,
  /** In order of time. */
  batches: Schema.Array(Schema.Tuple([Schema.Int, BlocksByStream])),
  lastBatch: Schema.optional(Schema.Int),
  marks: Schema.optional(MarksSchema),
  /** By stream: the newest log of its receiver. */
  logs: Schema.optional(Schema.Array(Schema.Tuple([Schema.String, NewestLogSchema])))
})

export type TrackerSnapshot = typeof TrackerSnapshot.Type

export const capture = (state: Tracker.ReceivedBlockTracker): TrackerSnapshot => ({
  waiting: Array.from(state.waiting, ([stream, blocks]) => [stream, [...blocks.values()]] as const),
  batches: Array.from(state.batches, ([time, blocks]) => [time, [...blocks]] as const),
  ...(state.lastBatch === undefined ? {} : { lastBatch: state.lastBatch }),
  marks: Array.from(state.marks, ([stream, marks]) => [stream, [...marks]] as const),
  logs: [...state.logs]
})

/** `streams`: those of the graph as it is now; blocks of others stay known. */
export const restore = (snapshot: TrackerSnapshot, streams: Iterable<StreamId>): Tracker.ReceivedBlockTracker => {
  const state = Tracker.make(streams)
  for (const [, infos] of snapshot.batches.flatMap(([, blocks]) => blocks)) {
    for (const info of infos) Tracker.apply(state, { kind: "BlockAddition", info })
  }
  for (const [time, blocks] of snapshot.batches) Tracker.apply(state, { kind: "BatchAllocation", time, blocks })
  for (const [, infos] of snapshot.waiting) {
    for (const info of infos) Tracker.apply(state, { kind: "BlockAddition", info })
  }
  if (snapshot.lastBatch !== undefined && state.lastBatch === undefined) state.lastBatch = snapshot.lastBatch
  for (const [stream, marks] of snapshot.marks ?? []) state.marks.set(stream, new Map(marks))
  for (const [stream, log] of snapshot.logs ?? []) state.logs.set(stream, log)
  return state
}
