/**
 * recover: what the drivers before this one left: the furthest good checkpoint, and the logs from there on.
 *
 * A driver writes a checkpoint of what it recovered before anything of its own, so an epoch without one is an epoch in which nothing
 * happened: neither its log counts, nor what it accepted of those before it, which it may have read before that was durable. From the
 * checkpoint's epoch on every other log is read in order: one that a later driver has sealed as far as that driver accepted it, the
 * newest as far as it is whole. What a driver wrote after it was sealed is never read, nor a checkpoint of one that had written none
 * when a later one, which did, took over. A checkpoint that is damaged is told and passed over; a log that is damaged before its end
 * is an error, for what it held is nowhere else.
 */
import { Effect, Result, Schema } from "effect"
import * as Checkpoints from "../../../core/checkpoint/Checkpoint.ts"
import * as CheckpointFile from "../../../core/checkpoint/CheckpointFile.ts"
import { DriverLogEvent, type Sealed } from "../../../core/checkpoint/DriverLogEvent.ts"
import * as DriverStates from "../../../core/checkpoint/DriverState.ts"
import * as names from "../../../core/checkpoint/names.ts"
import { describeError } from "../../../core/protocol/describeError.ts"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import type { Checksum } from "../../../core/wal/crc32.ts"
import type { LogDamaged } from "../../storage/logErrors.ts"
import { type LogContents, readLog } from "../../storage/readLog.ts"
import { type StableStorage, StorageError } from "../../storage/StableStorage.ts"

/** There are checkpoints, and none can be read. */
export class NoUsableCheckpoint extends Schema.TaggedError<NoUsableCheckpoint>()("NoUsableCheckpoint", {
  place: Schema.String,
  message: Schema.String
}) {}

/** A record of a log is whole, and no event that this version knows. */
export class LogNotUnderstood extends Schema.TaggedError<LogNotUnderstood>()("LogNotUnderstood", {
  file: Schema.String,
  offset: Schema.Number,
  message: Schema.String
}) {}

export type RecoveryError = StorageError | NoUsableCheckpoint | LogDamaged | LogNotUnderstood

/** Something that could not be read, and that there was a way around. */
export interface PassedOver {
  readonly file: string
  readonly reason: string
}

export interface Chosen {
  readonly name: names.CheckpointName
  readonly checkpoint: Checkpoints.Checkpoint
  readonly bytes: number
}

export interface Recovered {
  readonly chosen: Chosen
  readonly state: DriverStates.DriverState
  /** What this driver accepts of the logs that it read. */
  readonly predecessors: Sealed["predecessors"]
  readonly passedOver: ReadonlyArray<PassedOver>
  readonly events: number
}

export interface Reading {
  readonly storage: StableStorage
  readonly codec: RecordCodec
  readonly checksum: Checksum
}

interface Choice {
  readonly chosen: Chosen | undefined
  readonly passedOver: ReadonlyArray<PassedOver>
  /** The epochs of which there is a checkpoint, good or not. */
  readonly epochs: ReadonlySet<number>
}

/** How often it is looked again, where a checkpoint goes between the list and the reading. */
const looksMax = 10

/**
 * The furthest checkpoint that is good; undefined: there is none at all. `earlier`: the epochs that are known, in order. One that is gone
 * when it is read was dropped by a driver that still works, and that had written a later one: then all is looked at again.
 */
export const choose = Effect.fnUntraced(function* (
  reading: Reading,
  earlier: ReadonlyArray<number> = [],
  refused: ReadonlySet<number> = new Set()
): Effect.fn.Return<Choice, StorageError | NoUsableCheckpoint> {
  for (let looks = 0; looks < looksMax; looks++) {
    const choice = yield* look(reading, earlier, refused)
    if (choice !== undefined) return choice
  }
  const { place } = reading.storage
  const message =
    `the checkpoints in ${place} go while they are read: a driver works there; start again when it has ended`
  return yield* new StorageError({ reason: "Unavailable", name: names.epochs, message })
})

/** undefined: a checkpoint is gone. */
const look = Effect.fnUntraced(function* (
  reading: Reading,
  earlier: ReadonlyArray<number>,
  refused: ReadonlySet<number>
): Effect.fn.Return<Choice | undefined, StorageError | NoUsableCheckpoint> {
  const { checksum, codec, storage } = reading
  const passedOver: Array<PassedOver> = []
  const candidates = yield* unlisted(storage, names.furthestFirst(yield* storage.list(names.epochs)), earlier)
  const epochs = new Set(candidates.map(({ epoch }) => epoch))
  for (const name of candidates) {
    if (refused.has(name.epoch)) {
      passedOver.push({ file: name.name, reason: "its driver had been taken over from when it was written" })
      continue
    }
    const read = yield* Effect.result(storage.read(name.name))
    if (Result.isFailure(read)) {
      passedOver.push({ file: name.name, reason: `it cannot be read: ${read.failure.message}` })
      continue
    }
    const bytes = read.success
    if (bytes === undefined) return undefined
    const decoded = CheckpointFile.decode(bytes, codec, checksum)
    if (Result.isSuccess(decoded)) {
      return { chosen: { name, checkpoint: decoded.success, bytes: bytes.byteLength }, passedOver, epochs }
    }
    passedOver.push({ file: name.name, reason: decoded.failure })
  }
  if (passedOver.length === 0) return { chosen: undefined, passedOver, epochs }
  return yield* new NoUsableCheckpoint({
    place: storage.place,
    message: `none of the checkpoints in ${storage.place} can be read: ${
      passedOver.map(({ file, reason }) => `${file}: ${reason}`).join("; ")
    }. Nothing was changed: bring a copy of one back, or give another directory to begin anew`
  })
})

/** Lists may be late: the furthest known one may have successors, of its epoch and of those after it. */
const unlisted = Effect.fnUntraced(function* (
  storage: StableStorage,
  listed: ReadonlyArray<names.CheckpointName>,
  earlier: ReadonlyArray<number>
): Effect.fn.Return<ReadonlyArray<names.CheckpointName>, StorageError> {
  const furthest = listed[0] ?? { epoch: 0, sequence: 0 }
  const more: Array<names.CheckpointName> = []
  for (const epoch of [furthest.epoch, ...earlier.filter((epoch) => epoch > furthest.epoch)]) {
    for (let sequence = epoch === furthest.epoch ? furthest.sequence + 1 : 1;; sequence++) {
      const name = names.checkpoint(epoch, sequence)
      if ((yield* storage.size(name)) === undefined) break
      more.unshift({ name, epoch, sequence })
    }
  }
  return [...more, ...listed]
})

const decodeEvent = Schema.decodeUnknownResult(DriverLogEvent)

/** `earlier`: the epochs before this one. */
export const recover = Effect.fnUntraced(function* (
  reading: Reading,
  earlier: ReadonlyArray<number>,
  streams: Iterable<StreamId>
): Effect.fn.Return<Recovered | undefined, RecoveryError> {
  const found = yield* accepted(reading, earlier)
  if (found === undefined) return yield* nothingHappened(reading, earlier)
  const { chosen, happened, idle, passedOver } = found
  const { checkpoint, name: { epoch } } = chosen
  const state = Checkpoints.stateOf(checkpoint, streams)
  const told = [...passedOver]
  const predecessors: Array<Sealed["predecessors"][number]> = []
  // The first seal of a log counts.
  const seals = happened.flatMap(({ seals }) => seals)
  let events = 0
  for (const each of [epoch, ...happened.map((life) => life.epoch)]) {
    const sealed = seals.find((seal) => seal.epoch === each)?.segments
    const contents = yield* readLog(reading.storage, names.logPrefix(each), {
      ...(each === epoch ? { from: checkpoint.log } : {}),
      ...(sealed === undefined ? {} : { sealed })
    })
    for (const { file, offset, reason } of contents.torn) {
      told.push({ file, reason: `torn at byte ${offset}: ${reason}` })
    }
    for (const event of yield* eventsOf(reading, contents, checkpoint.run)) {
      DriverStates.apply(state, event)
      events++
    }
    predecessors.push({ epoch: each, segments: contents.segments })
  }
  // Should one of them yet wake up and write a checkpoint: nothing of its log was accepted.
  const sealed = idle.map(({ epoch }) => ({ epoch, segments: [] }))
  return { chosen, state, predecessors: [...predecessors, ...sealed], passedOver: told, events }
})

/** The furthest good checkpoint of a driver that none after it refuses, and of those after it who did something and who did not. */
const accepted = Effect.fnUntraced(function* (reading: Reading, earlier: ReadonlyArray<number>) {
  const refused = new Set<number>()
  while (true) {
    const { chosen, epochs, passedOver } = yield* choose(reading, earlier, refused)
    if (chosen === undefined) return undefined
    const { epoch } = chosen.name
    const later = yield* Effect.forEach(
      earlier.filter((other) => other > epoch),
      (other) => lifeOf(reading, other, epochs)
    )
    const isRefused = (epoch: number) => later.some((other) => other.happened && refuses(other, epoch))
    if (!isRefused(epoch)) {
      const isLife = (life: DriverLife) => life.happened && !isRefused(life.epoch)
      return { chosen, passedOver, happened: later.filter(isLife), idle: later.filter((life) => !isLife(life)) }
    }
    refused.add(epoch)
  }
})

/** Without a checkpoint there was no driver that did anything; a log that says otherwise has lost its checkpoints. */
const nothingHappened = Effect.fnUntraced(function* (reading: Reading, earlier: ReadonlyArray<number>) {
  const { storage } = reading
  for (const epoch of earlier) {
    const events = yield* eventsOf(reading, yield* readLog(storage, names.logPrefix(epoch)))
    if (!events.some(({ kind }) => kind === "BatchAllocation" || kind === "BlockAddition")) continue
    const log = `${names.logPrefix(epoch)} in ${storage.place}`
    return yield* new NoUsableCheckpoint({
      place: storage.place,
      message:
        `the log ${log} tells of batches or blocks, and there is no checkpoint to go on from. Nothing was changed: bring ` +
        "the checkpoints back, or give another directory to begin anew"
    })
  }
  return undefined
})

/** What is written to a log before the first checkpoint. */
const isOpening = ({ kind }: DriverLogEvent): boolean =>
  kind === "Sealed" || kind === "SnapshotsDropped" || kind === "BlocksLost"

interface DriverLife {
  readonly epoch: number
  /** It wrote a checkpoint, or its log shows that it must have. */
  readonly happened: boolean
  /** What it accepted of earlier logs. */
  readonly seals: Sealed["predecessors"]
}

/** One that had not happened yet when the other began, and did so later. */
const refuses = ({ seals }: DriverLife, epoch: number): boolean =>
  seals.some((seal) => seal.epoch === epoch && seal.segments.length === 0)

/** `withCheckpoint`: the epochs of which there are checkpoints. */
const lifeOf = Effect.fnUntraced(function* (
  reading: Reading,
  epoch: number,
  withCheckpoint: ReadonlySet<number>
): Effect.fn.Return<DriverLife, RecoveryError> {
  const events = yield* eventsOf(reading, yield* readLog(reading.storage, names.logPrefix(epoch)))
  const [first] = events
  return {
    epoch,
    happened: withCheckpoint.has(epoch) || !events.every(isOpening),
    seals: first?.kind === "Sealed" ? first.predecessors : []
  }
})

/** `run`: of the checkpoint that they come after. */
const eventsOf = (
  { codec }: Reading,
  { records }: LogContents,
  run?: Checkpoints.RunInfo
) =>
  Effect.forEach(records, ({ bytes, position: { file, offset } }) =>
    Effect.suspend(() => {
      const decoded = decodedEvent(bytes, codec)
      const fail = (message: string) => Effect.fail(new LogNotUnderstood({ file, offset, message }))
      const record = `the record at byte ${offset} of ${file}`
      if (Result.isFailure(decoded)) {
        return fail(
          `${record} is no event that this version of dstreams knows (${decoded.failure}): use the version that wrote it, or a later one`
        )
      }
      const event = decoded.success
      if (run !== undefined && event.kind === "BatchAllocation" && !CheckpointFile.isBatchTime(event.time, run)) {
        const { manifest: { batchMillis }, zeroTime } = run
        return fail(
          `${record} is of a batch of ${event.time} ms, where batches of ${batchMillis} ms grow from ${zeroTime} ms: no ` +
            "driver wrote that; put back the file as it was written, from a copy of it"
        )
      }
      return Effect.succeed(event)
    }))

/** An event from the bytes of a record; fails with what is wrong. */
export const decodedEvent = (bytes: Uint8Array, codec: RecordCodec): Result.Result<DriverLogEvent, string> => {
  try {
    return Result.mapError(decodeEvent(codec.decode(bytes.slice().buffer)), (error) => error.message)
  } catch (error) {
    return Result.fail(describeError(error))
  }
}
