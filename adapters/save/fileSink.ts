/**
 * fileSink: a sink that saves exactly once to a directory of files: a directory for each batch, or files of many batches.
 *
 * The commit id stands in what one rename makes seen, and a driver that was replaced cannot rename (`WorkDirectory`): the guarantee is
 * "transactional". A batch that runs again finds itself and leaves what is there. The directory belongs to one output.
 */
import * as path from "node:path"
import { Effect } from "effect"
import { permanent } from "../../core/protocol/permanent.ts"
import * as Sink from "../../core/output/Sink.ts"
import { type DurationInput, millisOrNaN } from "../../core/time/Time.ts"
import * as BatchDirectory from "./BatchDirectory.ts"
import { type Encode, jsonl, msgpack, text } from "./formats.ts"
import * as RollingFiles from "./RollingFiles.ts"
import { noSuchFormat, SaveError } from "./SaveError.ts"
import { pathOf } from "./savePath.ts"
import * as WorkDirectory from "./WorkDirectory.ts"

/** A file is done as soon as one of these holds of the batches for it. At least one has to be given. */
export interface RollOptions {
  readonly batches?: number | undefined
  readonly bytes?: number | undefined
  /** Between the times of its first and its last batch. */
  readonly interval?: DurationInput | undefined
}

export interface FileSinkOptions {
  /** `jsonl` (default): a line of JSON per record; `msgpack`; `text`: a line per record, as `print` shows it. */
  readonly format?: "jsonl" | "msgpack" | "text" | undefined
  /** Files of many batches, seen when they are done. Without it each batch is a directory. */
  readonly roll?: RollOptions | undefined
}

export type FileSink = Sink.Sink<unknown, BatchDirectory.PreparedFile, SaveError | Sink.Fenced, never, "transactional">

const formats: ReadonlyMap<string, Encode> = new Map([["jsonl", jsonl], ["msgpack", msgpack], ["text", text]])

/** Saves each batch to the directory `TIME` in `directory`, or many to the file `FIRST-LAST.FORMAT`. */
export const sink = (directory: string, { format = "jsonl", roll }: FileSinkOptions = {}): FileSink => {
  const encode = formats.get(format)
  const root = Effect.tap(
    pathOf(directory, [directory], "the directory has to be a text, and"),
    (root) => mistakeOf(root, encode, roll)
  )
  const work = Effect.map(
    root,
    (directory) => ({ directory, work: path.join(directory, ".dstreams"), ending: `.${format}` })
  )
  const placeOf = (time: number) =>
    Effect.map(work, (at) => ({
      ...at,
      target: roll === undefined ? path.join(at.directory, String(time)) : RollingFiles.batchDirectory(at.work, time)
    }))
  return Sink.transactional({
    name: "file",
    fence: (output) =>
      Effect.flatMap(work, (at) =>
        BatchDirectory.attempt(at.directory, async () => {
          await WorkDirectory.fence(at.work, output)
          if (roll !== undefined) await RollingFiles.finish(at)
        })),
    prepare: (records: ReadonlyArray<unknown>, context) =>
      Effect.flatMap(placeOf(context.time), (place) => BatchDirectory.writePartition(place, context, records, encode!)),
    commit: (batch, prepared) =>
      Effect.flatMap(
        placeOf(batch.time),
        (place) =>
          roll === undefined
            ? BatchDirectory.commit(place, batch, prepared)
            : commitRolling(place, limitsOf(roll), batch, prepared)
      )
  })
}

const commitRolling = (
  place: RollingFiles.RollingPlace & BatchDirectory.Place,
  limits: RollingFiles.RollLimits,
  batch: Sink.CommitContext,
  prepared: ReadonlyArray<BatchDirectory.PreparedFile>
) =>
  Effect.gen(function* () {
    const { directory, work } = place
    const isRolled = BatchDirectory.attempt(directory, async () => batch.time <= await RollingFiles.rolledUpTo(work))
    if (yield* isRolled) return yield* Effect.promise(() => BatchDirectory.discard(place, batch.epoch))
    yield* BatchDirectory.commit(place, batch, prepared)
    yield* BatchDirectory.attempt(directory, () => RollingFiles.rollIfDue(place, limits, batch))
  })

const limitsOf = ({ batches = Infinity, bytes = Infinity, interval }: RollOptions): RollingFiles.RollLimits => ({
  batches,
  bytes,
  millis: interval === undefined ? Infinity : millisOrNaN(interval)
})

/** What was given and cannot be. */
const mistakeOf = (
  root: string,
  encode: Encode | undefined,
  roll: RollOptions | undefined
): Effect.Effect<void, SaveError> => {
  if (encode === undefined) return Effect.fail(final(noSuchFormat(root, formats)))
  if (roll === undefined) return Effect.void
  const limits = Object.values(limitsOf(roll))
  if (limits.every((limit) => limit > 0) && limits.some(Number.isFinite)) return Effect.void
  const message =
    `cannot save ${root}: roll has to say when a file is done: give batches, bytes or interval, greater than 0`
  return Effect.fail(final(new SaveError({ path: root, message })))
}

/** It can only come again. */
const final = (error: SaveError) => Object.assign(error, { [permanent]: true })
