/**
 * DriverLog: the driver's log and its fold: one writer, which makes what waits durable together, in order.
 *
 * `append` returns when its events are durable and count; `note` returns at once. An event counts, in `state`, from the moment when it
 * is durable and no later driver was there then: the next driver reads it; `position` is where the log goes on behind all that counts.
 *
 * A log that cannot be written ends the context: nothing that comes could be recovered. What was appended then may be durable, which the
 * failure says (`undecided`); what is appended after it is not written, for it may build on what is not there, and fails in the same way.
 * An event that cannot be encoded fails its own append alone.
 */
import { Cause, Deferred, Effect, Exit, Queue, type Scope } from "effect"
import type { DriverLogEvent } from "../../../core/checkpoint/DriverLogEvent.ts"
import { apply, type DriverState } from "../../../core/checkpoint/DriverState.ts"
import { describeError } from "../../../core/protocol/describeError.ts"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import type { LogPlace } from "../../../core/wal/LogPosition.ts"
import * as Supervisor from "../../Supervisor.ts"
import { EventLogError } from "../../storage/EventLog.ts"
import type { StorageError } from "../../storage/StableStorage.ts"
import type { WriteAheadLog } from "../../storage/WriteAheadLog.ts"
import type { Superseded } from "./Epoch.ts"

export interface DriverLog {
  readonly append: (events: ReadonlyArray<DriverLogEvent>) => Effect.Effect<void, EventLogError>
  readonly note: (event: DriverLogEvent) => void
  readonly state: DriverState
  readonly position: () => LogPlace
  /** Whole segments before this one are not needed any more. */
  readonly dropBefore: WriteAheadLog["dropBefore"]
}

interface Entry {
  readonly events: ReadonlyArray<DriverLogEvent>
  readonly records: ReadonlyArray<Uint8Array>
  readonly done: Deferred.Deferred<void, EventLogError> | undefined
}

/** What waits is written together up to so many bytes. */
const groupBytes = 2 ** 22

const closed = new EventLogError({ message: "the driver's log is closed: the context has ended", undecided: true })

const sizeOf = ({ records }: Entry): number => records.reduce((sum, { byteLength }) => sum + byteLength, 0)

/** `state`: what was recovered, to which the log adds. */
export const make = Effect.fnUntraced(function* (
  { assertLatest, codec, fail, state, wal }: {
    readonly assertLatest: Effect.Effect<void, StorageError | Superseded>
    readonly wal: WriteAheadLog
    readonly codec: RecordCodec
    readonly state: DriverState
    readonly fail: Supervisor.Fail<EventLogError | Superseded>
  }
): Effect.fn.Return<DriverLog, never, Scope.Scope> {
  const waiting = yield* Queue.unbounded<Entry>()
  let position = wal.end()
  let broken: EventLogError | undefined

  const answer = (entries: ReadonlyArray<Entry>, exit: Exit.Exit<void, EventLogError>) => {
    for (const { done } of entries) if (done !== undefined) Deferred.doneUnsafe(done, exit)
  }

  const write = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
    if (broken !== undefined) return answer(entries, Exit.fail(broken))
    const records = entries.flatMap((entry) => entry.records)
    const written = yield* Effect.result(Effect.andThen(wal.append(records), assertLatest)).pipe(
      Effect.onInterrupt(() => Effect.sync(() => answer(entries, Exit.fail(closed))))
    )
    if (written._tag === "Failure") {
      const { failure } = written
      const message = `the driver's log cannot be written: ${failure.message}`
      broken = new EventLogError({ message, undecided: true })
      answer(entries, Exit.fail(broken))
      return fail(Cause.fail(failure._tag === "Superseded" ? failure : broken))
    }
    position = wal.end()
    for (const { events } of entries) for (const event of events) apply(state, event)
    answer(entries, Exit.void)
  })

  const writeAll = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
    for (let from = 0, to = 0; from < entries.length; from = to) {
      let bytes = 0
      do bytes += sizeOf(entries[to++]!)
      while (to < entries.length && bytes + sizeOf(entries[to]!) <= groupBytes)
      yield* write(entries.slice(from, to))
    }
  })

  // What was noted before the end is written, and whoever still waits is told.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      const left = yield* Queue.clear(waiting)
      if (broken === undefined) yield* Effect.ignore(wal.append(left.flatMap(({ records }) => records)))
      broken ??= closed
      answer(left, Exit.fail(broken))
    })
  )
  const fork = yield* Supervisor.make(fail)
  fork(Effect.gen(function* () {
    while (true) yield* writeAll(yield* Queue.takeAll(waiting))
  }))

  const encoded = (events: ReadonlyArray<DriverLogEvent>) => events.map((event) => new Uint8Array(codec.encode(event)))

  return {
    append: (events) =>
      Effect.suspend(() => {
        if (events.length === 0) return Effect.void
        if (broken !== undefined) return Effect.fail(broken)
        try {
          const done = Deferred.makeUnsafe<void, EventLogError>()
          Queue.offerUnsafe(waiting, { events, records: encoded(events), done })
          return Deferred.await(done)
        } catch (error) {
          const what = events.map(({ kind }) => kind).join(", ")
          const message = `${what} cannot be recorded, for it holds what is no plain data: ${describeError(error)}`
          return Effect.fail(new EventLogError({ message }))
        }
      }),
    note: (event) => {
      try {
        Queue.offerUnsafe(waiting, { events: [event], records: encoded([event]), done: undefined })
      } catch (error) {
        fail(Cause.die(error))
      }
    },
    state,
    position: () => position,
    dropBefore: wal.dropBefore
  }
})
