/**
 * DriverLogEvent: what a driver writes to its log: all that another driver needs to go on where it stopped.
 *
 * | event | written | waits for the disk |
 * | --- | --- | --- |
 * | Sealed | first in each log: what this driver accepted of the logs before it, and from which checkpoint it went on | yes |
 * | BlockAddition, BatchAllocation, BatchCleanup, BlocksLost | before they count (see `ReceivedBlockTracker`) | yes |
 * | OutputEnded, done | after an output of a batch is done; an output that is done is not run again | no |
 * | OutputEnded, skipped | a batch of it failed and the policy goes on: before anything after it commits | yes |
 * | BatchesDone | all batches up to a time are done | no |
 * | SnapshotCompleted | all partitions of a version of a state are safe, in these files | no |
 * | PlansDropped | what batches before a time were made of is not needed any more, also by the planners of inputs | no |
 * | SnapshotsDropped | the snapshots of an operator before a time are not needed any more | no |
 *
 * What does not wait is written in order all the same. The driver's state is the fold (`DriverState`): a beginning of the log is a
 * state that it was in.
 */
import { Schema } from "effect"
import { ReceivedBlockTrackerLogEvent } from "../blocks/ReceivedBlockTrackerLogEvent.ts"

export const Sealed = Schema.Struct({
  kind: Schema.Literal("Sealed"),
  /** Name of the checkpoint that was gone on from; none: there was none to go on from. */
  from: Schema.optional(Schema.String),
  /** Of each earlier epoch whose log is there: its segments, and how many bytes of each count. */
  predecessors: Schema.Array(
    Schema.Struct({
      epoch: Schema.Int,
      segments: Schema.Array(Schema.Struct({ segment: Schema.Int, length: Schema.Int }))
    })
  )
})

export const OutputEnded = Schema.Struct({
  kind: Schema.Literal("OutputEnded"),
  time: Schema.Int,
  output: Schema.String,
  result: Schema.Literals(["done", "skipped"])
})

export const BatchesDone = Schema.Struct({
  kind: Schema.Literal("BatchesDone"),
  upTo: Schema.Int
})

export const PlansDropped = Schema.Struct({
  kind: Schema.Literal("PlansDropped"),
  before: Schema.Int
})

/** A complete snapshot of a state. */
export const SnapshotReference = Schema.Struct({
  operator: Schema.String,
  time: Schema.Int,
  /** The version before it, of which its lineage tells. */
  previous: Schema.Int,
  /** By partition: full names of the files that it is restored from, in order. */
  files: Schema.Array(Schema.Array(Schema.String))
})

export type SnapshotReference = typeof SnapshotReference.Type

export const SnapshotCompleted = Schema.Struct({
  kind: Schema.Literal("SnapshotCompleted"),
  snapshot: SnapshotReference
})

export const SnapshotsDropped = Schema.Struct({
  kind: Schema.Literal("SnapshotsDropped"),
  operator: Schema.String,
  before: Schema.Int
})

export const DriverLogEvent = Schema.Union([
  ReceivedBlockTrackerLogEvent,
  Sealed,
  OutputEnded,
  BatchesDone,
  PlansDropped,
  SnapshotCompleted,
  SnapshotsDropped
])

export type DriverLogEvent = typeof DriverLogEvent.Type

export type Sealed = typeof Sealed.Type
