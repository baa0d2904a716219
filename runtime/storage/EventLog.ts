/**
 * EventLog: the port to which a persisted machine logs its events before they count.
 *
 * Promised: when `append` succeeds, all its events are in the log, in order, after those before; when it fails, some of them may
 * be, and a fold has to bear that (an event twice is no change). `readAll` gives what was appended, oldest first. One writer.
 * Makings: `none` keeps nothing (a run without a place for checkpoints), `memory` keeps a journal that tests read.
 */
import { Context, Effect, Schema } from "effect"
import type { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"

export class EventLogError extends Schema.TaggedError<EventLogError>()("EventLogError", {
  message: Schema.String,
  /** Nobody knows whether the events will be found in the log: nobody may be told that they are not. */
  undecided: Schema.optional(Schema.Boolean)
}) {}

export interface EventLog<in out Event> {
  readonly append: (events: ReadonlyArray<Event>) => Effect.Effect<void, EventLogError>
  readonly readAll: Effect.Effect<ReadonlyArray<Event>, EventLogError>
}

export const none: EventLog<any> = {
  append: () => Effect.void,
  readAll: Effect.succeed([])
}

export interface MemoryEventLog<in out Event> extends EventLog<Event> {
  readonly journal: ReadonlyArray<Event>
}

export const memory = <Event>(initial: ReadonlyArray<Event> = []): MemoryEventLog<Event> => {
  const journal = initial.slice()
  return {
    journal,
    append: (events) => Effect.sync(() => void journal.push(...events)),
    readAll: Effect.sync(() => journal.slice())
  }
}

/** Where the driver logs what becomes of received blocks; nowhere, unless a log is provided. */
export const ReceivedBlockLog = Context.Reference<EventLog<ReceivedBlockTrackerLogEvent>>("dstreams/ReceivedBlockLog", {
  defaultValue: () => none
})
