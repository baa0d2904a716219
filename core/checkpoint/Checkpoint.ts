/**
 * Checkpoint: the driver's state of a moment as data, never code, and what it is a state of.
 *
 * With the log from `log` on it is all that another driver needs. Of each field either the checkpoint or the new start wins: see the
 * table of `precedence.ts`. Later versions of the format read every earlier one.
 * Source: Spark Streaming's `Checkpoint`.
 */
import { Schema } from "effect"
import * as TrackerSnapshot from "../blocks/trackerSnapshot.ts"
import { Asked, History, Positions } from "../dstream/planSchema.ts"
import type { StreamId } from "../protocol/Ids.ts"
import { LogPlace } from "../wal/LogPosition.ts"
import { SnapshotReference } from "./DriverLogEvent.ts"
import type { DriverState } from "./DriverState.ts"
import * as DriverStates from "./DriverState.ts"

/** Of what is written now. */
export const formatVersion = 1

export const ManifestSchema = Schema.Struct({
  app: Schema.String,
  batchMillis: Schema.Number,
  operators: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      kind: Schema.String,
      parents: Schema.Array(Schema.String),
      shape: Schema.optional(Schema.String),
      state: Schema.optional(Schema.Struct({ kind: Schema.String, version: Schema.Int }))
    })
  ),
  outputs: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      kind: Schema.String,
      stream: Schema.String,
      named: Schema.optional(Schema.Boolean),
      commits: Schema.optional(Schema.Boolean)
    })
  )
})

/** What a checkpoint says of the run that wrote it. */
export const RunInfo = Schema.Struct({
  app: Schema.String,
  epoch: Schema.Int,
  zeroTime: Schema.Int,
  /** The program's module, and a digest of its code; empty: not known. */
  program: Schema.String,
  codeFingerprint: Schema.String,
  /** Where its executors ran, such as `local[2]`; empty: not known. */
  master: Schema.String,
  /** How many executors there were at the start. */
  executors: Schema.Int,
  place: Schema.String,
  manifest: ManifestSchema,
  history: Schema.optional(History),
  /** How long each stream remembers its batches, in milliseconds. */
  remember: Schema.Array(Schema.Tuple([Schema.String, Schema.Number])),
  /** Every setting as it was resolved; none is a secret. */
  settings: Schema.Record(Schema.String, Schema.Unknown)
})

export type RunInfo = typeof RunInfo.Type

export const Checkpoint = Schema.Struct({
  format: Schema.Literal(formatVersion),
  run: RunInfo,
  /** Its number among those of its epoch. */
  sequence: Schema.Int,
  /** The batch that it was written for, and when, by the driver's clock. */
  time: Schema.Int,
  written: Schema.Number,
  /** All before this position of the epoch's log is in the checkpoint. */
  log: LogPlace,
  tracker: TrackerSnapshot.TrackerSnapshot,
  asked: Schema.Array(Schema.Tuple([Schema.Int, Asked])),
  /** Outputs of pending batches that need not run again. */
  ended: Schema.Array(
    Schema.Tuple([Schema.Int, Schema.Array(Schema.Tuple([Schema.String, Schema.Literals(["done", "skipped"])]))])
  ),
  done: Schema.optional(Schema.Int),
  /** Where inputs stand that are read by position. */
  positions: Schema.optional(Schema.Array(Schema.Tuple([Schema.String, Positions]))),
  snapshots: Schema.Array(SnapshotReference)
})

export type Checkpoint = typeof Checkpoint.Type

export type Header = Pick<Checkpoint, "run" | "sequence" | "time" | "written" | "log">

/** Takes the state of this moment. */
export const capture = (header: Header, state: DriverState): Checkpoint => ({
  format: formatVersion,
  ...header,
  tracker: TrackerSnapshot.capture(state.tracker),
  asked: [...state.asked],
  ended: Array.from(state.ended, ([time, outputs]) => [time, [...outputs]] as const),
  ...(state.done === undefined ? {} : { done: state.done }),
  positions: Array.from(state.positions, ([stream, places]) => [stream, [...places]] as const),
  snapshots: [...state.snapshots.values()].flat()
})

/** `streams`: the receivers' streams of the graph as it is now. */
export const stateOf = (checkpoint: Checkpoint, streams: Iterable<StreamId>): DriverState => {
  const state: DriverState = {
    ...DriverStates.make(),
    tracker: TrackerSnapshot.restore(checkpoint.tracker, streams),
    asked: new Map(checkpoint.asked),
    ended: new Map(checkpoint.ended.map(([time, outputs]) => [time, new Map(outputs)])),
    done: checkpoint.done,
    positions: new Map(checkpoint.positions?.map(([stream, places]) => [stream, new Map(places)]))
  }
  for (const snapshot of checkpoint.snapshots) DriverStates.apply(state, { kind: "SnapshotCompleted", snapshot })
  return state
}
