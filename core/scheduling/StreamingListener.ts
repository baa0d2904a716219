/**
 * StreamingListener: what listeners are told, as tagged plain data.
 *
 * The first group are Spark Streaming's `StreamingListenerEvent`s, in its order for each batch: BatchSubmitted, BatchStarted,
 * then per output OutputOperationStarted and OutputOperationCompleted, then BatchCompleted, failed or not. The second group
 * tells what Spark only logs. A batch without jobs has no events, as in Spark.
 */
import type { Effect } from "effect"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "../protocol/Ids.ts"
import type { CompleteSnapshot } from "../state/SnapshotTracker.ts"
import type { RecoveryReport } from "../checkpoint/RecoveryReport.ts"
import type { Time } from "../time/Time.ts"
import type { BatchInfo, OutputOperationInfo } from "./BatchInfo.ts"

export interface ReceiverInfo {
  readonly stream: StreamId
  readonly name: string
  readonly active: boolean
  readonly host: string | undefined
  readonly executor: ExecutorId | undefined
  /** What it last reported; empty: nothing. */
  readonly lastErrorMessage: string
  readonly lastError: string | undefined
  readonly lastErrorTime: Time | undefined
}

/** A task did not end well, and will run again. */
export interface TaskRetried {
  readonly kind: "TaskRetried"
  readonly stage: RddId
  readonly partition: PartitionIndex
  /** The attempt that failed, from 0. */
  readonly attempt: number
  readonly reason: string
}

export type StreamingEvent =
  /** The context runs; `time` is the clock's. */
  | { readonly kind: "StreamingStarted"; readonly time: Time }
  | { readonly kind: "BatchSubmitted"; readonly batch: BatchInfo }
  /** Its first job starts. */
  | { readonly kind: "BatchStarted"; readonly batch: BatchInfo }
  /** All its jobs have ended; the failed ones say why in `outputs`. */
  | { readonly kind: "BatchCompleted"; readonly batch: BatchInfo }
  | { readonly kind: "OutputOperationStarted"; readonly operation: OutputOperationInfo }
  | { readonly kind: "OutputOperationCompleted"; readonly operation: OutputOperationInfo }
  | { readonly kind: "ReceiverStarted"; readonly receiver: ReceiverInfo }
  | { readonly kind: "ReceiverError"; readonly receiver: ReceiverInfo }
  | { readonly kind: "ReceiverStopped"; readonly receiver: ReceiverInfo }
  /** `count` ticks from `first` to `last` were not on time; by policy they are replayed late, coalesced into the next, or skipped. */
  | {
    readonly kind: "TicksMissed"
    readonly first: Time
    readonly last: Time
    readonly count: number
    readonly policy: "replay" | "coalesce" | "skip"
  }
  /** The clock shows `now`, a batch duration or more before the last tick: no batch comes until it is past that. */
  | { readonly kind: "ClockSetBack"; readonly now: Time; readonly lastTick: Time }
  /** The jobs of a batch could not be made. */
  | { readonly kind: "GenerationFailed"; readonly time: Time; readonly reason: string }
  | { readonly kind: "ExecutorAdded"; readonly executor: ExecutorId; readonly host: string }
  /** It is gone; `removed`: because it was not needed any more, and nothing takes its place. */
  | { readonly kind: "ExecutorRemoved"; readonly executor: ExecutorId; readonly reason: string }
  /** Dynamic allocation wants so many executors, more than there are. */
  | { readonly kind: "ExecutorsRequested"; readonly total: number }
  /** A user's listener was too slow and lost `count` events since it was last told. */
  | { readonly kind: "ListenerEventsDropped"; readonly listener: string; readonly count: number }
  /** A receiver may now store so many records a second. */
  | { readonly kind: "RateUpdated"; readonly stream: StreamId; readonly rate: number }
  /** Blocks of a batch were lost and are read as empty. */
  | {
    readonly kind: "BlocksLost"
    readonly stream: StreamId
    readonly time: Time
    readonly blocks: number
    readonly reason: string
  }
  /** A version of a state is safe: what came before it is not needed any more. */
  | ({ readonly kind: "SnapshotCompleted" } & CompleteSnapshot)
  /** A snapshot of one partition could not be written: what is needed to make that version again is kept. */
  | {
    readonly kind: "SnapshotFailed"
    readonly state: RddId
    readonly partition: PartitionIndex
    readonly reason: string
  }
  /** A checkpoint is durable: its file beneath the checkpoint place. */
  | { readonly kind: "CheckpointCompleted"; readonly time: Time; readonly name: string; readonly bytes: number }
  /** It could not be written; the ones before it and the log are there. */
  | { readonly kind: "CheckpointFailed"; readonly time: Time; readonly reason: string }
  /** What is not needed any more could not be removed; it is tried again. */
  | { readonly kind: "CleaningFailed"; readonly reason: string }
  /** The driver went on from what another one left. */
  | { readonly kind: "Recovered"; readonly report: RecoveryReport }
  | TaskRetried

/**
 * Told every event in order. An Effect is awaited before the next. It never slows the engine: a listener that is too slow
 * loses events, and is told how many; one that throws is reported once and goes on.
 */
export type StreamingListener = (event: StreamingEvent) => void | Effect.Effect<void, unknown>
