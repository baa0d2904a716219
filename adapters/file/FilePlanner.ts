/**
 * FilePlanner: asks the world at each batch what is in the directory, has FileSelection choose, cuts files into parts.
 *
 * A directory that is not there or cannot be listed makes empty batches until it is back: what it holds then is taken as far as
 * it is still within the remembered time. This, every file that is not read, and a look that takes longer than a batch, is told in
 * the log; a filter that throws fails the batch. Nothing is taken by a batch whose planning fails.
 */
import * as nodePath from "node:path"
import { Effect } from "effect"
import { uptime } from "../../core/time/Uptime.ts"
import type { PartitionSpec } from "../../core/dstream/BatchPlan.ts"
import type { InputPlanner, PlannedBatch, PlannedInput } from "../../core/dstream/InputDStream.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import type { Millis, Time } from "../../core/time/Time.ts"
import { FileError } from "./FileError.ts"
import type { FilePart } from "./FilePart.ts"
import { FileSelection } from "./FileSelection.ts"
import { type FileStatus, FileWorld, type Listing } from "./FileWorld.ts"

export interface PlannerOptions {
  readonly directory: string
  readonly filter: (path: string) => boolean
  readonly newFilesOnly: boolean
  readonly minRememberMillis: Millis
  readonly parts: (file: FileStatus) => ReadonlyArray<FilePart>
  /** Records of a part, where its format tells. */
  readonly records: (part: FilePart) => number | undefined
}

/** Files that are looked at together. */
const looksAtOnce = 32
/** Names in a message. */
const namesMax = 5

/** The place of an input's positions at which its start stands. */
const startPlace = "start"

/** The start is that of the first driver; it is recorded with the first batch. */
export const make = Effect.fnUntraced(function* (
  options: PlannerOptions
): Effect.fn.Return<InputPlanner<FileError>> {
  const world = yield* FileWorld
  const tellListing = makeListingTeller(options.directory)
  const tellSlowness = makeSlownessTeller(options.directory)
  const tellUnreadable = makeUnreadableTeller()
  let selection: FileSelection | undefined
  let isRecorded = false
  const startedAt = (startMillis: Time) => selection ??= new FileSelection({ ...options, startMillis })

  const look = (path: string): Effect.Effect<FileStatus | FileError | undefined> =>
    Effect.catch(world.status(path), Effect.succeed)

  const plan = Effect.fnUntraced(function* (batch: PlannedBatch) {
    const since = yield* uptime
    const selection = startedAt(batch.started)
    const listing = yield* world.list(options.directory)
    yield* tellListing(listing)
    const paths = yield* filtered(listing.paths, options.filter)
    const looks = yield* Effect.forEach(paths, look, { concurrency: looksAtOnce })
    yield* tellUnreadable(looks.filter((found) => found instanceof FileError))
    yield* tellSlowness(paths.length, Math.round((yield* uptime) - since), batch.batchMillis)
    const selected = selection.take(
      batch,
      paths,
      looks.flatMap((found) => found === undefined || found instanceof FileError ? [] : [found]),
      listing.problems.length === 0
    )
    yield* tell(
      selected.late,
      "will not be read: they were modified before the start, or longer ago than is remembered, " +
        "when they became visible; raise minRemember, or give a file a new time of modification when it is moved in"
    )
    yield* tell(
      selected.again,
      "were written after files of the same names were read before, and are not read while that is remembered: " +
        "give each file a name of its own"
    )
    yield* tell(
      selected.taken.filter(({ length }) => length === 0),
      "are empty, and what is written to them later is not " +
        "read: write files elsewhere and move them in"
    )
    const positions = isRecorded ? {} : { positions: [[startPlace, selection.startMillis]] as const }
    isRecorded = true
    return { ...planned(selected.taken, options), ...positions }
  })
  return {
    plan,
    resume: ({ batches, begin, positions }) =>
      Effect.sync(() => {
        const start = positions.get(startPlace)
        isRecorded = typeof start === "number"
        startedAt(typeof start === "number" ? start : begin)
          .resume(batches.map(({ partitions, time }) => ({ time, files: filesOf(partitions) })))
      })
  }
})

/** The files that a recorded batch took. */
const filesOf = (partitions: ReadonlyArray<PartitionSpec>): ReadonlyArray<FileStatus> => {
  const files = new Map<string, FileStatus>()
  for (const part of partitions) {
    if (part.kind !== "source") continue
    const { identity, length, modified, path } = part.value as FilePart
    files.set(path, { path, length, modified, identity })
  }
  return [...files.values()]
}

const filtered = (paths: ReadonlyArray<string>, filter: (path: string) => boolean) =>
  Effect.suspend(() => {
    let at = ""
    try {
      return Effect.succeed([...new Set(paths)].filter((path) => filter(at = path)))
    } catch (cause) {
      const message = `The filter of a file stream threw at ${at} (${describeError(cause)}): correct it`
      return Effect.fail(new FileError({ reason: "FilterFailed", path: at, message, cause }))
    }
  })

const planned = (taken: ReadonlyArray<FileStatus>, { parts, records }: PlannerOptions): PlannedInput => {
  const partitions = taken.flatMap(parts).map((part) => ({
    kind: "source" as const,
    value: part,
    records: records(part)
  }))
  return {
    records: partitions.reduce((sum, part) => sum + (part.records ?? 0), 0),
    partitions,
    description: taken.length === 0 ? undefined : `${countOf(taken)}: ${namesOf(taken)}`
  }
}

const countOf = ({ length }: ReadonlyArray<unknown>) => length === 1 ? "1 file" : `${length} files`

const namesOf = (files: ReadonlyArray<FileStatus>): string => {
  const names = files.slice(0, namesMax).map(({ path }) => path).join(", ")
  return files.length > namesMax ? `${names}, ...` : names
}

const tell = (files: ReadonlyArray<FileStatus>, what: string): Effect.Effect<void> =>
  files.length === 0 ? Effect.void : Effect.logWarning(`${countOf(files)} (${namesOf(files)}) ${what}`)

/** Says once what is wrong with the directories, and once that nothing is any more. */
const makeListingTeller = (directory: string) => {
  let told = ""
  return ({ problems }: Listing): Effect.Effect<void> =>
    Effect.suspend(() => {
      const now = [...problems].sort().slice(0, namesMax).join("; ")
      if (now === told) return Effect.void
      told = now
      return now === ""
        ? Effect.logInfo(`${nodePath.resolve(directory)} is there again`)
        : Effect.logWarning(`${now}; batches take nothing from there until it is put right`)
    })
}

/** Says once of a file why it cannot be read, and again when it could be in between. */
const makeUnreadableTeller = () => {
  let told: ReadonlySet<string> = new Set()
  return (errors: ReadonlyArray<FileError>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const now = new Set(errors.map(({ message }) => message))
      const added = [...now].filter((message) => !told.has(message))
      told = now
      return Effect.forEach(added, (message) => Effect.logWarning(`${message}; it is tried again with each batch`), {
        discard: true
      })
    })
}

/** Says it once, and again after a look that was fast enough. */
const makeSlownessTeller = (directory: string) => {
  let told = false
  return (files: number, millis: Millis, batchMillis: Millis): Effect.Effect<void> =>
    Effect.suspend(() => {
      const tells = millis > batchMillis && !told
      told = millis > batchMillis
      if (!tells) return Effect.void
      return Effect.logWarning(
        `To look at the ${files} files of ${
          nodePath.resolve(directory)
        } took ${millis} ms, longer than a batch: move files ` +
          "away when they have been read, or raise the batch duration"
      )
    })
}
