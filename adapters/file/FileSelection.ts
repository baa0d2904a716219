/**
 * FileSelection: which files a batch takes. The state machine of a file stream's planner, without the world.
 *
 * A batch of time t takes each file that
 *
 * - was modified at or before t, and after the limit: the later of the start (with new files only) and t less the remembered
 *   time, which is the least whole number of batches that covers `minRemember`;
 * - no remembered batch took under the same path. So each file is read once, as long as names are not used again.
 *
 * | a path that is listed | is |
 * | --- | --- |
 * | modified after t | left to a later batch |
 * | within the bounds, not remembered | taken |
 * | within the bounds, remembered with another time of modification | again: told, not taken |
 * | at or before the limit, there at the first look and not newer than the start | existing: left out in silence |
 * | at or before the limit, otherwise | late: told, not taken |
 *
 * A path that has been decided on is not looked at again while it is listed. One owner, the planner; a batch that is asked for
 * again gets the same answer while it is remembered. Source: Spark Streaming's `FileInputDStream`.
 */
import type { Millis, Time } from "../../core/time/Time.ts"
import type { FileStatus } from "./FileWorld.ts"

/** The least number of batches that covers `minRememberMillis`. */
export const rememberedBatches = (batchMillis: Millis, minRememberMillis: Millis): number =>
  Math.ceil(minRememberMillis / batchMillis)

/** Names that begin with a dot are hidden: files that are still being written. */
export const isVisible = (path: string): boolean => !/(^|[\\/])\.[^\\/]*$/.test(path)

export interface Bounds {
  readonly time: Time
  readonly startMillis: Time
  readonly newFilesOnly: boolean
  /** A whole number of batches. */
  readonly rememberMillis: Millis
}

/** Files modified at or before it are not taken. */
export const limitOf = ({ newFilesOnly, rememberMillis, startMillis, time }: Bounds): Time =>
  Math.max(newFilesOnly ? startMillis : 0, time - rememberMillis)

/** The files that a batch takes; `isTaken`: whether a remembered batch took this path. */
export const select = <F extends Pick<FileStatus, "path" | "modified">>(
  bounds: Bounds,
  files: ReadonlyArray<F>,
  isTaken: (path: string) => boolean = () => false
): ReadonlyArray<F> => {
  const limit = limitOf(bounds)
  return files.filter(({ modified, path }) => modified > limit && modified <= bounds.time && !isTaken(path))
}

export interface Selected {
  /** In the order of their modification, then of their paths. */
  readonly taken: ReadonlyArray<FileStatus>
  /** They became visible after they could be taken. */
  readonly late: ReadonlyArray<FileStatus>
  /** Another file of the same name was taken. */
  readonly again: ReadonlyArray<FileStatus>
}

export interface Options {
  readonly startMillis: Time
  readonly newFilesOnly: boolean
  readonly minRememberMillis: Millis
}

export class FileSelection {
  private readonly options: Options
  private readonly batches = new Map<Time, ReadonlyArray<FileStatus>>()
  /** Times of modification of the files of the remembered batches. */
  private readonly remembered = new Map<string, number>()
  /** Paths that have been decided on, and were still listed the last time. */
  private known: ReadonlySet<string> = new Set()
  private isFirstLook = true

  constructor(options: Options) {
    this.options = options
  }

  /** Those of the paths that have to be looked at. */
  unknown(paths: ReadonlyArray<string>): ReadonlyArray<string> {
    return paths.filter((path) => !this.known.has(path))
  }

  /**
   * Decides on `files`, what is known of the unknown ones among `paths`. `complete`: the listing has no gaps, so that what it
   * does not hold is not there.
   */
  take(
    batch: { readonly time: Time; readonly batchMillis: Millis },
    paths: ReadonlyArray<string>,
    files: ReadonlyArray<FileStatus>,
    complete: boolean
  ): Selected {
    const before = this.batches.get(batch.time)
    if (before !== undefined) return { taken: before, late: [], again: [] }
    const bounds = this.bounds(batch)
    this.forget(bounds.time - bounds.rememberMillis)
    const taken = [...select(bounds, files, (path) => this.remembered.has(path))].sort(inOrder)
    const late = files.filter((file) => this.isLate(file, limitOf(bounds)))
    const again = files.filter(({ modified, path }) => modified > limitOf(bounds) && this.isAnother(path, modified))
    const listed = complete ? new Set(paths) : undefined
    const known = new Set([...this.known].filter((path) => listed?.has(path) ?? true))
    for (const { modified, path } of files) if (modified <= bounds.time) known.add(path)
    this.known = known
    if (complete) this.isFirstLook = false
    this.batches.set(bounds.time, taken)
    for (const { modified, path } of taken) this.remembered.set(path, modified)
    return { taken, late, again }
  }

  private bounds({ batchMillis, time }: { readonly time: Time; readonly batchMillis: Millis }): Bounds {
    const { minRememberMillis, newFilesOnly, startMillis } = this.options
    const rememberMillis = rememberedBatches(batchMillis, minRememberMillis) * batchMillis
    return { time, startMillis, newFilesOnly, rememberMillis }
  }

  private isLate({ modified, path }: FileStatus, limit: Time): boolean {
    if (modified > limit || this.remembered.has(path)) return false
    const { newFilesOnly, startMillis } = this.options
    return !this.isFirstLook || !newFilesOnly || modified > startMillis
  }

  private isAnother(path: string, modified: number): boolean {
    const before = this.remembered.get(path)
    return before !== undefined && before !== modified
  }

  /** Forgets the batches before `time`. */
  private forget(time: Time): void {
    for (const [batch, files] of this.batches) {
      if (batch >= time) continue
      this.batches.delete(batch)
      for (const { path } of files) this.remembered.delete(path)
    }
  }
}

const inOrder = (a: FileStatus, b: FileStatus): number =>
  a.modified - b.modified || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)
