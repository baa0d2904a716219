/**
 * readLog: the records of a write-ahead log, in order, from its beginning or from a place in it; `readRecord`: one of them, by its
 * position.
 *
 * The segments are asked for by number, for a list may be late. Reading ends at the first number of which there is nothing. What is torn
 * at the end of a segment is told and left out; what is damaged is an error that names file and byte, and so is whatever shows that
 * something durable is gone: a number that is missing before others, a segment that is shorter than the place to read from, or than
 * what was sealed of it. So of a log that syncs on rolling only a place before its last segment is one to read from. Damage before the
 * place to read from is of no matter.
 *
 * `sealed` is what an earlier reader accepted of each segment (its `segments`): just that is read, whatever was written later.
 * Memory: one segment at a time (16 where each group is one), besides the records that the caller keeps: a record is a view of its
 * segment's bytes; who keeps few of them copies them.
 */
import { Effect } from "effect"
import type { Checksum as ChecksumOf } from "../../core/wal/crc32.ts"
import { decodeRecord, groupBytesMax, headerBytes, recordHeaderBytes, segmentBytesMax } from "../../core/wal/Group.ts"
import { type LogPlace, type LogPosition, segmentName, segmentsInOrder } from "../../core/wal/LogPosition.ts"
import * as LogReading from "../../core/wal/LogReading.ts"
import { type Piece, scanSegment } from "../../core/wal/scanSegment.ts"
import { Checksum } from "./Checksum.ts"
import { type LogDamaged, logDamaged } from "./logErrors.ts"
import type { StableStorage, StorageError } from "./StableStorage.ts"

/** What was accepted of a segment. */
export interface SealedSegment {
  readonly segment: number
  readonly length: number
}

export interface ReadLogOptions {
  /** Records whose bodies begin before it are left out. */
  readonly from?: LogPlace | undefined
  readonly sealed?: ReadonlyArray<SealedSegment> | undefined
}

export interface LogRecord {
  readonly bytes: Uint8Array
  readonly position: LogPosition
  readonly segment: number
}

/** The end of a segment that is no whole group: a write that the crash cut short. */
export interface TornTail {
  readonly file: string
  readonly offset: number
  readonly reason: string
}

/** Groups that were acknowledged by a log that syncs on rolling, and that a crash took. */
export interface LostGroups {
  readonly file: string
  readonly offset: number
  readonly groups: number
}

export interface LogSummary {
  /** To seal the log with. */
  readonly segments: ReadonlyArray<SealedSegment>
  readonly torn: ReadonlyArray<TornTail>
  readonly lost: ReadonlyArray<LostGroups>
  /** Behind the last record. */
  readonly end: LogPlace
}

export interface LogContents extends LogSummary {
  readonly records: ReadonlyArray<LogRecord>
}

/** All records at once. */
export const readLog = (
  storage: StableStorage,
  prefix: string,
  options: ReadLogOptions = {}
): Effect.Effect<LogContents, LogDamaged | StorageError> =>
  Effect.suspend(() => {
    const records: Array<LogRecord> = []
    return Effect.map(
      visitLog(storage, prefix, options, (record) => void records.push(record)),
      (summary) => ({ ...summary, records })
    )
  })

/** One record after the other. What `visit` throws is a defect. */
export const visitLog = (
  storage: StableStorage,
  prefix: string,
  options: ReadLogOptions,
  visit: (record: LogRecord) => void
): Effect.Effect<LogSummary, LogDamaged | StorageError> =>
  Effect.gen(function* () {
    const checksum = yield* Checksum
    const reader = new Reader({ storage, prefix, options, visit, checksum })
    yield* options.sealed === undefined ? reader.readAll() : reader.readSealed(options.sealed)
    return yield* reader.finish()
  })

/** One record, checked. */
export const readRecord = (
  storage: StableStorage,
  { file, offset, length }: LogPosition
): Effect.Effect<Uint8Array, LogDamaged | StorageError> =>
  Effect.gen(function* () {
    const isPlace = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset <= segmentBytesMax &&
      offset >= headerBytes + recordHeaderBytes && length >= 0 && length <= groupBytesMax
    const damaged = (reason: string) => Effect.fail(logDamaged(storage.place, file, offset, reason))
    if (!isPlace) return yield* damaged(`there is no record of ${length} bytes`)
    const checksum = yield* Checksum
    const start = offset - recordHeaderBytes
    const bytes = yield* storage.read(file, { offset: start, length: recordHeaderBytes + length })
    if (bytes === undefined) return yield* damaged("the file is not there")
    const record = decodeRecord(bytes, start, checksum)
    if (typeof record === "string") return yield* damaged(record)
    if (record.length !== length) return yield* damaged(`the record has ${record.length} bytes, not ${length}`)
    return bytes.subarray(recordHeaderBytes)
  })

/** How many small segments are asked for at once. */
const aheadMax = 16

/** A segment of a log is not longer than this and one group. */
const wholeSegment = { offset: 0, length: segmentBytesMax + 1 }

interface ReaderOptions {
  readonly storage: StableStorage
  readonly prefix: string
  readonly options: ReadLogOptions
  readonly visit: (record: LogRecord) => void
  readonly checksum: ChecksumOf
}

class Reader {
  private readonly given: ReaderOptions
  private state: LogReading.LogReading
  private log: string | undefined
  /** By segment, so that a group can be given out when the next segment has been read. */
  private readonly bytes = new Map<number, Uint8Array>()
  private readonly segments: Array<SealedSegment> = []
  private readonly torn: Array<TornTail> = []
  private readonly lost: Array<LostGroups> = []
  private end: LogPlace

  constructor(given: ReaderOptions) {
    this.given = given
    this.end = given.options.from ?? { segment: 1, offset: 0 }
    this.state = LogReading.initial(this.end.segment === 1 && this.end.offset === 0)
  }

  readAll(): Effect.Effect<void, LogDamaged | StorageError> {
    return Effect.flatMap(
      this.start(),
      ({ first, listed }) =>
        this.given.storage.appends ? this.readAppended(first, listed) : this.readCreated(first, listed)
    )
  }

  /** Its writer may be alive: a segment is whole when the next has been begun, and what came until then is read too. */
  private readAppended(
    first: number,
    listed: ReadonlyArray<number>
  ): Effect.Effect<void, LogDamaged | StorageError> {
    const { storage } = this.given
    const read = (number: number) => storage.read(this.name(number), wholeSegment)
    return Effect.gen({ self: this }, function* () {
      for (let number = first;; number++) {
        const bytes = yield* read(number)
        if (bytes === undefined) return yield* this.checkEnd(number, listed)
        const isLast = (yield* storage.size(this.name(number + 1))) === undefined
        const hasGrown = !isLast && (yield* storage.size(this.name(number))) !== bytes.length
        yield* this.segment(number, hasGrown ? (yield* read(number)) ?? bytes : bytes)
        if (isLast) return yield* this.checkEnd(number + 1, listed)
      }
    })
  }

  /** Each group is a segment. One that was not there may have been made since by a writer that is alive, and others behind it. */
  private readCreated(
    first: number,
    listed: ReadonlyArray<number>
  ): Effect.Effect<void, LogDamaged | StorageError> {
    const { storage } = this.given
    return Effect.gen({ self: this }, function* () {
      let number = first
      while (true) {
        const numbers = Array.from({ length: aheadMax }, (_, i) => number + i)
        const read = yield* Effect.forEach(numbers, (it) => storage.read(this.name(it), wholeSegment), {
          concurrency: aheadMax
        })
        const count = read.indexOf(undefined)
        const there = count < 0 ? read : read.slice(0, count)
        for (const [i, bytes] of there.entries()) yield* this.segment(number + i, bytes!)
        number += there.length
        if (count < 0) continue
        const ahead = numbers.filter((_, i) => i > count && read[i] !== undefined)
        if (ahead.length > 0 && (yield* storage.size(this.name(number))) !== undefined) continue
        return yield* this.checkEnd(number, [...ahead, ...listed])
      }
    })
  }

  readSealed(sealed: ReadonlyArray<SealedSegment>): Effect.Effect<void, LogDamaged | StorageError> {
    const { options: { from }, storage } = this.given
    return Effect.gen({ self: this }, function* () {
      const inOrder = sealed.filter(({ segment }) => segment >= (from?.segment ?? 1))
        .toSorted((a, b) => a.segment - b.segment)
      const first = inOrder[0]
      if (from === undefined && first !== undefined && first.segment > 1) this.state = LogReading.initial(false)
      const isBefore = from !== undefined && from.offset > 0 &&
        !(first?.segment === from.segment && first.length >= from.offset)
      if (isBefore) return yield* this.tooShort(from, `only ${first?.length ?? 0} bytes of it were accepted`)
      for (const { length, segment } of inOrder) {
        const bytes = yield* storage.read(this.name(segment), { offset: 0, length })
        if (bytes === undefined || bytes.length < length) {
          return yield* this.damaged(segment, bytes?.length ?? 0, `${length} bytes of it were there and accepted`)
        }
        yield* this.segment(segment, bytes)
        const torn = this.torn.pop()
        if (torn !== undefined) return yield* this.damaged(segment, torn.offset, `${torn.reason}, and it was whole`)
      }
    })
  }

  finish(): Effect.Effect<LogSummary, LogDamaged> {
    return Effect.map(this.take(LogReading.end(this.state)), () => {
      const { end, lost, segments, torn } = this
      return { segments, torn, lost, end }
    })
  }

  private name(segment: number): string {
    return segmentName(this.given.prefix, segment)
  }

  /** The first segment, and those that a list knows of. */
  private start(): Effect.Effect<{ readonly first: number; readonly listed: ReadonlyArray<number> }, StorageError> {
    const { options: { from }, prefix, storage } = this.given
    return Effect.gen({ self: this }, function* () {
      const listed = segmentsInOrder(prefix, yield* storage.list(`${prefix}/`))
      if (from !== undefined) return { first: from.segment, listed }
      if ((yield* storage.size(this.name(1))) !== undefined) return { first: 1, listed }
      // The first ones were dropped; a list may still have some of them.
      this.state = LogReading.initial(false)
      for (const first of listed) if ((yield* storage.size(this.name(first))) !== undefined) return { first, listed }
      this.state = LogReading.initial(true)
      return { first: 1, listed: [] }
    })
  }

  /** Nothing of this number: is it the end? */
  private checkEnd(number: number, known: ReadonlyArray<number>): Effect.Effect<void, LogDamaged | StorageError> {
    const { options: { from }, storage } = this.given
    return Effect.gen({ self: this }, function* () {
      if (from !== undefined && number === from.segment && from.offset > 0) {
        return yield* this.tooShort(from, "the file is not there")
      }
      for (const later of known) {
        if (later <= number || (yield* storage.size(this.name(later))) === undefined) continue
        return yield* this.damaged(number, 0, `the file is not there, although ${this.name(later)} is`)
      }
    })
  }

  private segment(segment: number, bytes: Uint8Array): Effect.Effect<void, LogDamaged> {
    const { checksum, options: { from } } = this.given
    return Effect.gen({ self: this }, function* () {
      if (bytes.length > segmentBytesMax) {
        return yield* this.damaged(segment, segmentBytesMax, "no log writes so long a segment")
      }
      const isFirst = from?.segment === segment
      if (isFirst && bytes.length < from.offset) {
        return yield* this.tooShort(from, `the file ends at byte ${bytes.length}`)
      }
      this.bytes.set(segment, bytes)
      const scanned = scanSegment({ bytes, segment, log: this.log }, checksum)
      this.log = scanned.log
      const pieces = isFirst ? this.behind(from, scanned.pieces) : scanned.pieces
      let length = 0
      for (const piece of pieces) {
        const [state, outcomes] = LogReading.step(this.state, segment, piece)
        this.state = state
        if (piece.kind === "Group") length = piece.end
        yield* this.take(outcomes)
      }
      const [state, outcomes] = LogReading.segmentEnd(this.state)
      this.state = state
      this.segments.push({ segment, length: Math.max(length, isFirst ? from.offset : 0) })
      yield* this.take(outcomes)
      for (const held of this.bytes.keys()) {
        if (held !== segment && held !== this.state.held?.segment) this.bytes.delete(held)
      }
    })
  }

  /** What is not wholly before the place; a group right before it tells which one follows. */
  private behind(from: LogPlace, pieces: ReadonlyArray<Piece>): ReadonlyArray<Piece> {
    const first = pieces.findIndex(({ end }) => end > from.offset)
    const before = pieces[(first < 0 ? pieces.length : first) - 1]
    if (before?.kind === "Group") this.state = { ...this.state, last: before.header.group }
    return first < 0 ? [] : pieces.slice(first)
  }

  private take(outcomes: ReadonlyArray<LogReading.Outcome>): Effect.Effect<void, LogDamaged> {
    return Effect.suspend(() => {
      for (const outcome of outcomes) {
        const { kind, segment } = outcome
        if (kind === "Damaged") return this.damaged(segment, outcome.offset, outcome.reason)
        if (kind === "Counts") this.visitGroup(outcome)
        else if (kind === "Torn") {
          this.torn.push({ file: this.name(segment), offset: outcome.offset, reason: outcome.reason })
        } else {
          const groups = outcome.lastGroup - outcome.firstGroup + 1
          this.lost.push({ file: this.name(segment), offset: outcome.offset, groups })
        }
      }
      return Effect.void
    })
  }

  private visitGroup({ group, segment }: LogReading.PlacedGroup): void {
    const { options: { from }, visit } = this.given
    const bytes = this.bytes.get(segment)!
    const file = this.name(segment)
    for (const { length, offset } of group.records) {
      if (segment === from?.segment && offset < from.offset) continue
      visit({ bytes: bytes.subarray(offset, offset + length), position: { file, offset, length }, segment })
    }
    this.end = { segment, offset: group.end }
  }

  private tooShort({ offset, segment }: LogPlace, reason: string): Effect.Effect<never, LogDamaged> {
    return this.damaged(segment, offset, `the log is to be read from here on, and ${reason}`)
  }

  private damaged(segment: number, offset: number, reason: string): Effect.Effect<never, LogDamaged> {
    return Effect.fail(logDamaged(this.given.storage.place, this.name(segment), offset, reason))
  }
}
