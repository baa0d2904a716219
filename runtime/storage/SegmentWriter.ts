/**
 * SegmentWriter: puts the groups of a write-ahead log into its segments, one after the other.
 *
 * - A segment takes groups until it is older than `rollMillis` or has `rollBytes`; the next is then opened with the next number, and
 *   with `sync: "onRoll"` the old one is synced before. With `closeAfterWrite` each group is a segment, created whole.
 * - A write that fails ends its segment; it is tried again in a new one, as the same group, for a reader to tell.
 *   Attempts and the pauses between them are bounded; where the disk is full or read-only there is one attempt.
 * - Numbers have no gaps, or a reader would stop at one: a segment of which it is not known whether it was made is asked for again, and
 *   if it is there, it is this writer's, and the next is taken.
 * - While nothing can be written, segments would be made without end: after a segment that took nothing, writes are refused for a while
 *   without a try.
 *
 * One write at a time: `WriteAheadLog` sees to that.
 */
import { Effect, Exit, Random, Scope } from "effect"
import { uptime } from "../../core/time/Uptime.ts"
import type { Checksum as ChecksumOf } from "../../core/wal/crc32.ts"
import {
  decodeHeader,
  type EncodedGroup,
  encodeRecords,
  framedBytes,
  headerBytes,
  isHeader,
  placeGroup
} from "../../core/wal/Group.ts"
import { type LogPlace, type LogPosition, segmentName } from "../../core/wal/LogPosition.ts"
import { Checksum } from "./Checksum.ts"
import { fromStorage, type LogError, logTaken } from "./logErrors.ts"
import type { AppendFile, NameTaken, StableStorage, StorageError } from "./StableStorage.ts"

export interface SegmentWriterOptions {
  readonly storage: StableStorage
  readonly prefix: string
  readonly rollMillis: number
  readonly rollBytes: number
  readonly sync: "always" | "onRoll"
  readonly closeAfterWrite: boolean
  readonly attemptsMax: number
  readonly pauseMillis: number
  readonly restMillis: number
}

export interface SegmentWriter {
  /** Durable when it returns, unless the log is synced on rolling. */
  readonly write: (records: ReadonlyArray<Uint8Array>) => Effect.Effect<ReadonlyArray<LogPosition>, LogError>
  /** Behind the last group that was written. */
  readonly end: () => LogPlace
  /** The segment that is being written, or will be next. */
  readonly segment: () => number
  readonly close: Effect.Effect<void>
}

interface OpenSegment {
  readonly number: number
  readonly file: AppendFile
  readonly scope: Scope.Closeable
  readonly openedAt: number
  offset: number
}

/** What becomes of a group in its attempts. */
interface Attempt {
  readonly group: number
  readonly encoded: EncodedGroup
}

const word = Effect.map(Random.nextInt, (value) => (Math.abs(value) % 2 ** 32).toString(16).padStart(8, "0"))

export const make = (options: SegmentWriterOptions): Effect.Effect<SegmentWriter> =>
  Effect.gen(function* () {
    const writer = new Writer(options, yield* Checksum, (yield* word) + (yield* word))
    return {
      write: (records) => writer.write(records),
      end: () => writer.end,
      segment: () => writer.number,
      close: writer.close
    }
  })

/** Larger groups are put into bytes of their own. */
const roomBytesMax = 2 ** 23

class Writer {
  end: LogPlace = { segment: 1, offset: 0 }
  private readonly options: SegmentWriterOptions
  private readonly checksum: ChecksumOf
  private readonly log: string
  private open: OpenSegment | undefined
  /** For one group after the other: each in bytes of its own would cost more than the copy into them. */
  private room = new Uint8Array(0)
  private next = 1
  /** The segment that may be there although it could not be opened or created. */
  private doubtful = 0
  private group = 0
  private acknowledged = 0
  private durable = 0
  private refused: { readonly error: LogError; readonly until: number } | undefined

  constructor(options: SegmentWriterOptions, checksum: ChecksumOf, log: string) {
    this.options = options
    this.checksum = checksum
    this.log = log
  }

  get number(): number {
    return this.open?.number ?? this.next
  }

  write(records: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<LogPosition>, LogError> {
    const { attemptsMax, pauseMillis } = this.options
    return Effect.gen({ self: this }, function* () {
      if (this.refused !== undefined && (yield* uptime) < this.refused.until) return yield* this.refused.error
      const attempt: Attempt = { group: ++this.group, encoded: this.encode(records) }
      for (let tries = 1;; tries++) {
        const result = yield* Effect.result(this.attempt(attempt))
        if (result._tag === "Success") {
          this.refused = undefined
          return this.positions(attempt, result.success)
        }
        const error = result.failure
        if (error.reason !== "Unavailable" || tries >= attemptsMax) {
          yield* this.refuse(error)
          return yield* error
        }
        yield* Effect.sleep(pauseMillis * 2 ** (tries - 1))
      }
    })
  }

  /** What is appended is done with when the append ends; what is created may still be on its way after an attempt that failed. */
  private encode(records: ReadonlyArray<Uint8Array>): EncodedGroup {
    const { checksum, options, room } = this
    if (options.closeAfterWrite) return encodeRecords(records, checksum)
    const length = headerBytes + framedBytes(records)
    if (length > room.length && length <= roomBytesMax) {
      this.room = new Uint8Array(Math.min(roomBytesMax, Math.max(length, 2 * room.length)))
    }
    return encodeRecords(records, checksum, this.room)
  }

  /** Syncs what is not, and closes the segment. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => this.open === undefined ? Effect.void : this.roll(this.open))
  }

  private attempt({ encoded, group }: Attempt): Effect.Effect<LogPlace, LogError> {
    const { closeAfterWrite, prefix } = this.options
    const place = closeAfterWrite ? this.create(encoded, group) : this.append(encoded, group)
    return Effect.map(
      Effect.mapError(
        place,
        (error) => error._tag === "StorageError" ? fromStorage(prefix, error) : logTaken(prefix, error.name)
      ),
      (place) => {
        this.acknowledged = group
        if (closeAfterWrite || this.options.sync === "always") this.durable = group
        this.end = { segment: place.segment, offset: place.offset + encoded.bytes.length }
        return place
      }
    )
  }

  private append(encoded: EncodedGroup, group: number): Effect.Effect<LogPlace, StorageError | NameTaken> {
    return Effect.flatMap(this.current(), (segment) => {
      const { number, offset } = segment
      this.stamp(encoded, group, number, offset)
      return segment.file.append(encoded.bytes, { sync: this.options.sync === "always" }).pipe(
        Effect.tapError((error) => Effect.andThen(this.leaveUnsynced(error), this.abandon(segment))),
        Effect.map(() => {
          segment.offset += encoded.bytes.length
          return { segment: number, offset }
        })
      )
    })
  }

  private create(encoded: EncodedGroup, group: number): Effect.Effect<LogPlace, StorageError | NameTaken> {
    return Effect.suspend(() => {
      const number = this.next
      const name = segmentName(this.options.prefix, number)
      this.stamp(encoded, group, number, 0)
      const place = Effect.sync(() => {
        this.next = number + 1
        return { segment: number, offset: 0 }
      })
      return this.options.storage.create(name, encoded.bytes).pipe(
        Effect.andThen(place),
        Effect.tapError((error) => Effect.sync(() => this.doubt(error, number))),
        Effect.catchTag("NameTaken", (taken) => {
          if (this.doubtful !== number) return Effect.fail(taken)
          return Effect.flatMap(this.ownGroup(name, number), (own) => {
            if (own === undefined) return Effect.fail(taken)
            return own === group ? place : Effect.andThen(place, this.create(encoded, group))
          })
        })
      )
    })
  }

  /** The number of the group that a segment begins with; undefined: it is another writer's. */
  private ownGroup(name: string, segment: number): Effect.Effect<number | undefined, StorageError> {
    return Effect.map(this.options.storage.read(name, { offset: 0, length: headerBytes }), (bytes) => {
      const header = bytes === undefined ? undefined : decodeHeader(bytes, 0, this.checksum)
      if (header === undefined || !isHeader(header)) return undefined
      return header.log === this.log && header.segment === segment ? header.group : undefined
    })
  }

  private stamp(encoded: EncodedGroup, group: number, segment: number, offset: number): void {
    const { acknowledged: follows, durable, log } = this
    placeGroup(encoded, { log, segment, offset, group, follows, durable }, this.checksum)
  }

  /** The segment to write to, after rolling where that is due. */
  private current(): Effect.Effect<OpenSegment, StorageError | NameTaken> {
    return Effect.flatMap(uptime, (now) => {
      const { open, options } = this
      if (open === undefined) return this.openNext(now)
      const isDue = now - open.openedAt > options.rollMillis || open.offset >= options.rollBytes
      return isDue ? Effect.andThen(this.roll(open), this.openNext(now)) : Effect.succeed(open)
    })
  }

  private openNext(now: number): Effect.Effect<OpenSegment, StorageError | NameTaken> {
    return Effect.suspend(() => {
      const number = this.next
      const scope = Scope.makeUnsafe()
      return this.options.storage.open(segmentName(this.options.prefix, number)).pipe(
        Scope.provide(scope),
        Effect.map((file) => {
          this.next = number + 1
          this.open = { number, file, scope, openedAt: now, offset: 0 }
          return this.open
        }),
        Effect.tapError((error) => {
          this.doubt(error, number)
          return Scope.close(scope, Exit.void)
        }),
        Effect.catchTag("NameTaken", (taken) => {
          if (this.doubtful !== number) return Effect.fail(taken)
          this.next = number + 1
          return this.openNext(now)
        })
      )
    })
  }

  private doubt(error: StorageError | NameTaken, number: number): void {
    if (error._tag === "StorageError") this.doubtful = number
  }

  /** Where the last sync fails, what was written since the one before may be lost: `durable` keeps saying so. */
  private roll(segment: OpenSegment): Effect.Effect<void> {
    const syncing = this.options.sync === "always"
      ? Effect.void
      : segment.file.append(new Uint8Array(0), { sync: true }).pipe(
        Effect.tap(() => Effect.sync(() => void (this.durable = this.acknowledged))),
        Effect.catch((error) => this.leaveUnsynced(error))
      )
    return Effect.andThen(syncing, this.abandon(segment))
  }

  private leaveUnsynced({ message }: StorageError): Effect.Effect<void> {
    const { prefix, sync } = this.options
    if (sync === "always" || this.acknowledged === this.durable) return Effect.void
    return Effect.logWarning(
      `a segment of the log ${prefix} was not synced: what was acknowledged since the last roll may be lost when the machine stops: ${message}`
    )
  }

  private abandon(segment: OpenSegment): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.open === segment) this.open = undefined
      return Scope.close(segment.scope, Exit.void)
    })
  }

  private refuse(error: LogError): Effect.Effect<void> {
    const { closeAfterWrite, restMillis } = this.options
    return Effect.map(uptime, (now) => {
      const tookNothing = this.end.segment < this.next - 1
      this.refused = closeAfterWrite || !tookNothing ? undefined : { error, until: now + restMillis }
    })
  }

  private positions({ encoded }: Attempt, { offset: start, segment }: LogPlace): ReadonlyArray<LogPosition> {
    const file = segmentName(this.options.prefix, segment)
    return encoded.places.map(({ length, offset }) => ({ file, offset: start + offset, length }))
  }
}
