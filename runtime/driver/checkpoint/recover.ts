/**
 * recover: what the drivers before this one left: the furthest good checkpoint, and the logs from there on.
 *
 * A driver writes a checkpoint of what it recovered before anything of its own, so an epoch without one is an epoch in which nothing
 * happened. From the checkpoint's epoch on every log is read in order: one that a later driver has sealed as far as that driver
 * accepted it, the newest as far as it is whole. What a driver wrote after it was sealed is never read. A checkpoint that is damaged is
 * told and passed over; a log that is damaged before its end is an error, for what it held is nowhere else.
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
import type { StableStorage, StorageError } from "../../storage/StableStorage.ts"

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

/** The furthest checkpoint that is good; undefined: there is none at all. `earlier`: the epochs that are known, in order. */
export const choose = Effect.fnUntraced(function* (
  { checksum, codec, storage }: Reading,
  earlier: ReadonlyArray<number> = []
): Effect.fn.Return<
  { readonly chosen: Chosen | undefined; readonly passedOver: ReadonlyArray<PassedOver> },
  StorageError | NoUsableCheckpoint
> {
  const passedOver: Array<PassedOver> = []
  const candidates = yield* unlisted(storage, names.furthestFirst(yield* storage.list(names.epochs)), earlier)
  for (const name of candidates) {
    const read = yield* Effect.result(storage.read(name.name))
    if (Result.isFailure(read)) {
      passedOver.push({ file: name.name, reason: `it cannot be read: ${read.failure.message}` })
      continue
    }
    const bytes = read.success
    if (bytes === undefined) continue
    const decoded = CheckpointFile.decode(bytes, codec, checksum)
    if (Result.isSuccess(decoded)) {
      return { chosen: { name, checkpoint: decoded.success, bytes: bytes.byteLength }, passedOver }
    }
    passedOver.push({ file: name.name, reason: decoded.failure })
  }
  if (passedOver.length === 0) return { chosen: undefined, passedOver }
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
  const { chosen, passedOver } = yield* choose(reading, earlier)
  if (chosen === undefined) return yield* nothingHappened(reading, earlier)
  const { checkpoint } = chosen
  const { epoch } = chosen.name
  const state = Checkpoints.stateOf(checkpoint, streams)
  const told = [...passedOver]
  const predecessors: Array<Sealed["predecessors"][number]> = []
  const later = earlier.filter((other) => other >= epoch)
  const seals = yield* sealsOf(reading, later.filter((other) => other > epoch))
  let events = 0
  for (const each of later) {
    const sealed = seals.find(({ of }) => of === each)?.segments
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
  return { chosen, state, predecessors, passedOver: told, events }
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

interface Seal {
  readonly of: number
  readonly segments: Sealed["predecessors"][number]["segments"]
}

/** What later drivers accepted of earlier logs; the first seal of a log counts. */
const sealsOf = Effect.fnUntraced(function* (
  reading: Reading,
  epochs: ReadonlyArray<number>
): Effect.fn.Return<ReadonlyArray<Seal>, RecoveryError> {
  const seals: Array<Seal> = []
  for (const by of epochs) {
    const contents = yield* readLog(reading.storage, names.logPrefix(by))
    const [first] = yield* eventsOf(reading, { records: contents.records.slice(0, 1) })
    if (first?.kind !== "Sealed") continue
    for (const { epoch: of, segments } of first.predecessors) {
      if (!seals.some((seal) => seal.of === of)) seals.push({ of, segments })
    }
  }
  return seals
})

/** `run`: of the checkpoint that they come after. */
const eventsOf = (
  { codec }: Reading,
  { records }: Pick<LogContents, "records">,
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
