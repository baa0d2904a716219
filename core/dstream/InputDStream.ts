/**
 * InputDStream: where records come in. Two kinds:
 *
 * - **receiver**: a `Receiver` runs on an executor and stores blocks; the tracker allocates them to batches. Blocks of raw bytes
 *   are decoded when they are read (`decode`).
 * - **direct**: the driver asks a planner at each batch what the batch shall read, the answer is recorded in the batch plan, and
 *   executors read just that. Reading a part again gives the same records: such an input needs no log.
 *
 * Source: Spark Streaming's `InputDStream` and `ReceiverInputDStream`.
 */
import { Effect, type Scope } from "effect"
import type { PartitionIndex } from "../protocol/Ids.ts"
import type { Receiver } from "../receiving/Receiver.ts"
import type { Millis, Time } from "../time/Time.ts"
import type { PartitionSpec, Position } from "./BatchPlan.ts"

/** Gives the records of a partition chunk by chunk; undefined is the end. */
export interface ChunkReader<out A, out E = unknown> {
  readonly next: Effect.Effect<ReadonlyArray<A> | undefined, E>
}

/** Records that live in the driver: it encodes them into the plan. */
export interface DriverRecords {
  readonly kind: "records"
  readonly records: ReadonlyArray<unknown>
}

/** What a batch shall read of an input; undefined: no data set at this time. */
export interface PlannedInput {
  readonly records: number
  readonly partitions: ReadonlyArray<PartitionSpec | DriverRecords>
  /** Where the records come from, for people: files, ranges of offsets. Listeners are told. */
  readonly description?: string | undefined
  /** Where the input stands after this batch, as far as that changed: `resume` is told the last of each place. */
  readonly positions?: ReadonlyArray<Position> | undefined
}

/** The batch that a planner is asked about. */
export interface PlannedBatch {
  readonly time: Time
  readonly zeroTime: Time
  /** When this driver began, before it wrote anything: its first batch may come much later. */
  readonly started: Time
  readonly batchMillis: Millis
  /** Records a second that this input may bring, for one that `keepsRate`; undefined: as many as it likes. */
  readonly rate?: number | undefined
}

/** What an earlier driver planned, as far back as it is remembered. */
export interface RecordedBatches {
  /** When the app first started. */
  readonly zeroTime: Time
  /** From when on the input has batches: zero time, or the last batch before it came into the program. */
  readonly begin: Time
  /** Oldest first; a batch without partitions of this input has none of it. */
  readonly batches: ReadonlyArray<{ readonly time: Time; readonly partitions: ReadonlyArray<PartitionSpec> }>
  /** Where the input stands, however long ago that was recorded. */
  readonly positions: ReadonlyMap<string, unknown>
}

/** Runs on the driver, one for the life of the context. */
export interface InputPlanner<out E = unknown> {
  readonly plan: (batch: PlannedBatch) => Effect.Effect<PlannedInput | undefined, E>
  /** After a recovery, before the first `plan`: what it plans goes on from there. */
  readonly resume?: ((recorded: RecordedBatches) => Effect.Effect<void, E>) | undefined
  /** Once, behind `resume` and before the first `plan`: what it reads begins now, if it has not before. */
  readonly begin?: Effect.Effect<void, E> | undefined
  /** All batches up to this one are done. It is not waited for long: what takes time goes on in the planner's scope. */
  readonly completed?: ((upTo: Time) => Effect.Effect<void>) | undefined
}

/** Runs on executors, one for the life of each. */
export interface InputReader<out A, out E = unknown> {
  readonly read: (
    part: { readonly value: unknown; readonly time: Time; readonly partition: PartitionIndex }
  ) => Effect.Effect<ChunkReader<A, E>, E>
}

/** Builds a reader, in each executor once. What it requires the app's layer has to provide. */
export type ReaderOf<A, E = unknown, R = any> = Effect.Effect<InputReader<A, E>, E, R>

/** A reader of one chunk. */
export const chunkOf = <A>(records: ReadonlyArray<A>): ChunkReader<A, never> => {
  let left: ReadonlyArray<A> | undefined = records
  return {
    next: Effect.sync(() => {
      const chunk = left
      left = undefined
      return chunk
    })
  }
}

export interface ReceiverInput<out A, out E = unknown, out R = unknown> {
  readonly kind: "receiver"
  readonly receiver: Receiver<A, E, R>
  /** Records of a block that was stored as bytes; without it, bytes blocks are one record each: the `Uint8Array`. */
  readonly decode: ((bytes: Uint8Array) => ReadonlyArray<A>) | undefined
}

export interface DirectInput<out A, out E = unknown, out R = unknown> {
  readonly kind: "direct"
  readonly planner: Effect.Effect<InputPlanner<E>, E, R | Scope.Scope>
  readonly reader: Effect.Effect<InputReader<A, E>, E, R | Scope.Scope>
  /** Its planner keeps to the `rate` that it is told, so backpressure controls it. */
  readonly keepsRate?: boolean | undefined
  /** How long its batches are remembered at least: after a recovery its planner is told of them. */
  readonly remembers?: ((batchMillis: Millis) => Millis) | undefined
  /** Its records live in this process alone: an app that shall be recovered cannot have it. */
  readonly inProcess?: boolean | undefined
}

export type InputDefinition<A, E = unknown, R = unknown> = ReceiverInput<A, E, R> | DirectInput<A, E, R>
