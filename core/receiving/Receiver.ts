/**
 * Receiver: a program that runs on an executor, takes records from the outside world and stores them.
 *
 * `onStart` is scoped: what it acquires is released when the receiver stops or restarts. It may return at once and leave
 * scoped fibers or callbacks at work, or run for as long as it receives. Failing restarts the receiver with back-off.
 *
 * The forms of `store`: `single` is synchronous, for records as they come; its answer says whether to go on, and after `false`
 * the receiver awaits `ready`. `array`, `iterator` and `bytes` wait until the rate allows so many records, in the order in which
 * they were called, and return when the block is safe, as the input's storage asks, so that a reliable receiver acknowledges its
 * source then and only then. What onStop stores does not wait.
 *
 * A receiver whose source numbers its records and can send them again says of each block which they are (`range`). Then each is
 * received once: after whatever was lost it goes on behind `highWaterMark`, and what is stored already is not stored again. Blocks
 * of a source have to be given in order; they count in order, and after one that failed the next has to begin where that began.
 * Source: Spark Streaming's `Receiver`.
 */
import { Effect, Schema, type Scope } from "effect"
import type { SourceRange } from "../blocks/ReceivedBlock.ts"
import { type StorageLevel, storageLevelDefault } from "./StorageLevel.ts"
import type { Survives } from "./Survival.ts"

export type { SourceRange } from "../blocks/ReceivedBlock.ts"
export type { StorageLevel } from "./StorageLevel.ts"
export type { Survives } from "./Survival.ts"

/** A block could not be stored; nothing of it will be in any batch. */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  stream: Schema.String,
  message: Schema.String
}) {}

export interface StoreOptions {
  /** Which records of which source the block holds. */
  readonly range?: SourceRange | undefined
}

export interface Store<in A> {
  /**
   * One record, to the block being filled. `true`: go on. `false`: kept, but await `ready` before the next.
   * Records pushed regardless are kept up to the hard limits (2,000,000 records, or about 128 MiB, that wait to be stored);
   * beyond them this throws a `StoreError`, synchronously, and counts the record as lost: who pushes from a callback without
   * awaiting `ready` has to catch it. After its run has ended it answers `false`; the record is dropped, counted and reported.
   */
  readonly single: (record: A) => boolean
  /** Encoded records, to the block being filled; they are decoded when read. Answers and throws as `single` does. */
  readonly chunk: (bytes: Uint8Array, records: number) => boolean
  /** Waits until there is room again. */
  readonly ready: Effect.Effect<void>
  /** The records as a block of their own. */
  readonly array: (records: ReadonlyArray<A>, options?: StoreOptions) => Effect.Effect<void, StoreError>
  readonly iterator: (records: Iterator<A>, options?: StoreOptions) => Effect.Effect<void, StoreError>
  /** Encoded records as a block of their own. `records`: how many they are, if known; if not, the rate counts them as one. */
  readonly bytes: (bytes: Uint8Array, records?: number, options?: StoreOptions) => Effect.Effect<void, StoreError>
  /** The last record of a source that is stored, by this receiver or one before it; undefined: none is. */
  readonly highWaterMark: (source: string) => number | undefined
  /** Tells the driver and its listeners; the receiver goes on. */
  readonly reportError: (message: string, error?: unknown) => void
  /** Ends this run of `onStart`, waits `delayMillis` (default 2,000), starts anew. */
  readonly restart: (message: string, error?: unknown, delayMillis?: number) => void
  /** Stops the receiver for good. */
  readonly stop: (message: string, error?: unknown) => void
}

export interface Receiver<out A, out E = unknown, out R = unknown> {
  readonly name: string
  readonly onStart: (store: Store<A>) => Effect.Effect<void, E, R | Scope.Scope>
  /** Runs when the receiver stops or restarts, after its scope has closed; what it stores still counts. */
  readonly onStop: Effect.Effect<void, never, R>
  readonly storageLevel: StorageLevel
  /** How its blocks survive; undefined: with a checkpoint place `cold`, else as the storage level has it. */
  readonly survives?: Survives | undefined
  /** Host on which it would best run. */
  readonly preferredHost: string | undefined
}

/** A receiver; what is left out has its default. */
export const make = <A, E, R>(options: {
  readonly name: string
  readonly onStart: (store: Store<A>) => Effect.Effect<void, E, R | Scope.Scope>
  readonly onStop?: Effect.Effect<void, never, R> | undefined
  /** MEMORY_AND_DISK_2. */
  readonly storageLevel?: StorageLevel | undefined
  /** With a checkpoint place `cold`, else as the storage level has it. See `Survival.ts`. */
  readonly survives?: Survives | undefined
  readonly preferredHost?: string | undefined
}): Receiver<A, E, Exclude<R, Scope.Scope>> => ({
  name: options.name,
  onStart: options.onStart as Receiver<A, E, Exclude<R, Scope.Scope>>["onStart"],
  onStop: (options.onStop ?? Effect.void) as Effect.Effect<void, never, Exclude<R, Scope.Scope>>,
  storageLevel: options.storageLevel ?? storageLevelDefault,
  survives: options.survives,
  preferredHost: options.preferredHost
})
