/**
 * WriteAheadLog: records that are durable before they count, in order, in rolling segments of stable storage.
 *
 * One writer, many callers: what is appended while a group is written shares the next group, its one write and its one sync.
 * All records of one append are in one group: after a crash all of them are there, or none. A log is made anew under a prefix of its own,
 * never continued: whoever comes after writes another, and reads this one with `readLog`.
 *
 * | `sync` | an append returns | what a crash costs |
 * | --- | --- | --- |
 * | always | when its records are durable | nothing that was acknowledged |
 * | onRoll | when they are written | of the process: nothing. Of the machine: any records since the last roll, also from the middle; and of a segment that could not be synced, which is logged |
 *
 * So `onRoll` is for logs whose records do not build on each other; reading tells what was lost. Where storage takes no appends, or
 * with `closeAfterWrite`, each group is a file of its own and always durable.
 *
 * Offered records are written with the next append, or some milliseconds later; when they could not be, the log is broken: what comes
 * after may build on them. Bounded: what one append takes (TooLarge), and what waits: appends wait for room, and offers beyond it break
 * the log. The bytes of a record belong to the log until they are written: do not change them.
 * The log closes with its scope: what waits is written, then nothing is taken any more.
 */
import { Deferred, Effect, Exit, Fiber, Latch, type Scope } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { framedBytes, groupBytesMax, segmentBytesMax } from "../../core/wal/Group.ts"
import { type LogPlace, type LogPosition, segmentName } from "../../core/wal/LogPosition.ts"
import { LogError } from "./logErrors.ts"
import * as SegmentWriter from "./SegmentWriter.ts"
import type { StableStorage, StorageError } from "./StableStorage.ts"

export interface WriteAheadLogOptions {
  readonly storage: StableStorage
  /** Of this log alone: its segments are `prefix/00000001` and so on. */
  readonly prefix: string
  /** A segment that is older takes no more groups. */
  readonly rollMillis?: number | undefined
  /** Nor does one that has so many bytes. */
  readonly rollBytes?: number | undefined
  readonly sync?: "always" | "onRoll" | undefined
  /** Each group is a file of its own. True where storage takes no appends. */
  readonly closeAfterWrite?: boolean | undefined
  /** The longest that an offered record waits for an append to be written with. */
  readonly offerMillis?: number | undefined
  /** Appends that wait share a group up to so many bytes. */
  readonly groupBytes?: number | undefined
  /** So many bytes wait for being written at most. */
  readonly waitingBytesMax?: number | undefined
  /** How often a group is tried to be written, and the pause before the second time; it doubles. */
  readonly attemptsMax?: number | undefined
  readonly pauseMillis?: number | undefined
  /** How long writes are refused without a try, after a segment could be opened and took nothing. */
  readonly restMillis?: number | undefined
}

export const defaults = {
  rollMillis: 60_000,
  rollBytes: 2 ** 26,
  sync: "always",
  offerMillis: 50,
  groupBytes: 2 ** 22,
  waitingBytesMax: 2 ** 26,
  attemptsMax: 5,
  pauseMillis: 20,
  restMillis: 1000
} as const

export interface WriteAheadLog {
  /**
   * The places of the records, which `readRecord` reads. Of an append that fails nothing counts, unless the program ends before another
   * one succeeds. An append of no records returns when all that was offered before is written.
   */
  readonly append: (records: ReadonlyArray<Uint8Array>) => Effect.Effect<ReadonlyArray<LogPosition>, LogError>
  /** In order with the appends, written some time later. That it could not be is told by the next append. */
  readonly offer: (record: Uint8Array) => void
  /**
   * Behind all that was written: also behind appends that have not yet returned. Whoever notes a state with the place from which to
   * read on takes `behind` of the last record that is in it.
   */
  readonly end: () => LogPlace
  /** Removes the segments before this one; never the one that is being written. */
  readonly dropBefore: (segment: number) => Effect.Effect<void, StorageError>
}

/** What waits for being written together. */
interface Waiting {
  readonly records: ReadonlyArray<Uint8Array>
  readonly bytes: number
  /** undefined: they were offered. */
  readonly done: Deferred.Deferred<ReadonlyArray<LogPosition>, LogError> | undefined
}

export const make = (options: WriteAheadLogOptions): Effect.Effect<WriteAheadLog, LogError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = settingsOf(options)
    const mistake = mistakeOf(settings)
    if (mistake !== undefined) return yield* new LogError({ reason: "Invalid", log: settings.prefix, message: mistake })
    const segments = yield* SegmentWriter.make(settings)
    const queue = new Queue(settings, segments)
    const writer = yield* Effect.forkScoped(queue.run)
    yield* Effect.addFinalizer(() => Effect.andThen(queue.close, Effect.andThen(Fiber.await(writer), segments.close)))
    let first = 1
    return {
      append: (records) => queue.append(records),
      offer: (record) => queue.offer(record),
      end: segments.end,
      dropBefore: (segment) =>
        Effect.gen(function* () {
          const { prefix, storage } = settings
          for (let number = first; number < Math.min(segment, segments.segment()); number++) {
            yield* storage.remove(segmentName(prefix, number))
            first = Math.max(first, number + 1)
          }
        })
    }
  })

const settingsOf = (options: WriteAheadLogOptions) => {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const closeAfterWrite = options.closeAfterWrite === true || !options.storage.appends
  return { ...defaults, ...given as WriteAheadLogOptions, closeAfterWrite } as Settings
}

type Settings = { readonly [K in keyof WriteAheadLogOptions]-?: Exclude<WriteAheadLogOptions[K], undefined> }

const mistakeOf = ({ prefix, rollBytes, sync }: Settings): string | undefined => {
  const rollBytesMax = segmentBytesMax - groupBytesMax
  if (rollBytes > rollBytesMax) return `the log ${prefix} cannot roll at ${rollBytes} bytes: at most at ${rollBytesMax}`
  if (sync !== "always" && sync !== "onRoll") return `the log ${prefix} syncs "always" or "onRoll", not "${sync}"`
  return undefined
}

class Queue {
  private readonly settings: Settings
  private readonly segments: SegmentWriter.SegmentWriter
  private waiting: Array<Waiting> = []
  private waitingBytes = 0
  /** Of those that wait, the ones that somebody waits for. */
  private appends = 0
  private closing = false
  private broken: LogError | undefined
  /** Open while there is something to do; something that cannot be put off; room for more. */
  private readonly work = Latch.makeUnsafe()
  private readonly urgent = Latch.makeUnsafe()
  private readonly room = Latch.makeUnsafe(true)

  constructor(settings: Settings, segments: SegmentWriter.SegmentWriter) {
    this.settings = settings
    this.segments = segments
  }

  append(records: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<LogPosition>, LogError> {
    const bytes = framedBytes(records)
    return Effect.gen({ self: this }, function* () {
      if (bytes > groupBytesMax) return yield* this.tooLarge(bytes)
      while (!this.hasRoom(bytes)) yield* this.room.await
      if (this.broken !== undefined) return yield* this.broken
      if (this.closing) return yield* this.error("Closed", "is closed: it takes no more records")
      const done = Deferred.makeUnsafe<ReadonlyArray<LogPosition>, LogError>()
      this.add({ records, bytes, done })
      return yield* Deferred.await(done)
    })
  }

  offer(record: Uint8Array): void {
    const bytes = framedBytes([record])
    if (this.broken !== undefined) return
    if (this.closing) this.break("Closed", "is closed: a record that was offered is not in it")
    else if (bytes > groupBytesMax) this.broken = this.tooLarge(bytes)
    else if (!this.hasRoom(bytes)) {
      this.break("Broken", `has ${this.waitingBytes} bytes waiting: a record that was offered found no room`)
    } else this.add({ records: [record], bytes, done: undefined })
  }

  /** Writes what waits, for ever, or until it is closed and nothing waits. */
  get run(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (!this.closing || this.waiting.length > 0) {
        yield* this.work.await
        if (this.appends === 0 && !this.closing) {
          yield* Effect.raceFirst(this.urgent.await, Effect.sleep(this.settings.offerMillis))
        }
        const group = this.take()
        if (group.length > 0) yield* this.write(group)
      }
    })
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.closing = true
      this.room.openUnsafe()
      this.tellWriter()
    })
  }

  private add(waiting: Waiting): void {
    this.waiting.push(waiting)
    this.waitingBytes += waiting.bytes
    if (waiting.done !== undefined) this.appends++
    this.tellWriter()
  }

  private tellWriter(): void {
    if (this.closing || this.appends > 0) this.urgent.openUnsafe()
    else this.urgent.closeUnsafe()
    if (this.closing || this.waiting.length > 0) this.work.openUnsafe()
    else this.work.closeUnsafe()
  }

  /** The oldest, as many as make a group. */
  private take(): ReadonlyArray<Waiting> {
    let count = 0
    let bytes = 0
    while (
      count < this.waiting.length && (count === 0 || bytes + this.waiting[count]!.bytes <= this.settings.groupBytes)
    ) {
      bytes += this.waiting[count++]!.bytes
    }
    const group = this.waiting.splice(0, count)
    this.appends -= group.filter(({ done }) => done !== undefined).length
    this.tellWriter()
    return group
  }

  private write(group: ReadonlyArray<Waiting>): Effect.Effect<void> {
    const records = group.flatMap(({ records }) => records)
    const writing = Effect.suspend(() => {
      if (this.broken !== undefined) return Effect.fail(this.broken)
      return records.length === 0 ? Effect.succeed([]) : this.segments.write(records)
    })
    return Effect.map(Effect.exit(writing), (exit) => {
      const offered = group.some(({ done }) => done === undefined)
      if (Exit.isFailure(exit) && offered && this.broken === undefined) {
        const [reason] = exit.cause.reasons
        const why = reason?._tag === "Fail" ? reason.error.message : describeError(reason)
        this.break("Broken", `could not take a record that was offered: ${why}`)
      }
      this.waitingBytes -= group.reduce((sum, { bytes }) => sum + bytes, 0)
      this.room.openUnsafe()
      let from = 0
      for (const { done, records: { length } } of group) {
        const start = from
        from += length
        if (done === undefined) continue
        Deferred.doneUnsafe(done, Exit.isSuccess(exit) ? Exit.succeed(exit.value.slice(start, from)) : exit)
      }
    })
  }

  private hasRoom(bytes: number): boolean {
    const has = this.closing || this.waitingBytes === 0 || this.waitingBytes + bytes <= this.settings.waitingBytesMax
    if (!has) this.room.closeUnsafe()
    return has
  }

  private break(reason: LogError["reason"], what: string): void {
    this.broken = this.error(reason, what)
  }

  private tooLarge(bytes: number): LogError {
    return this.error("TooLarge", `was given ${bytes} bytes at once, and takes ${groupBytesMax}: append less`)
  }

  private error(reason: LogError["reason"], what: string): LogError {
    return new LogError({ reason, log: this.settings.prefix, message: `the log ${this.settings.prefix} ${what}` })
  }
}
