/**
 * FileSelection: which files a batch takes. The state machine of a file stream's planner, without the world.
 *
 * A batch of time t takes each file that
 *
 * - was modified at or before t, and after the limit: the later of the start (with new files only) and t less the remembered
 *   time, which is the least whole number of batches that covers `minRemember`, and besides the time of batches that are
 *   missing before this one;
 * - no remembered batch took under the same path. So each file is read once, as long as names are not used again.
 *
 * Every file is decided on anew at each batch, by its time of modification as it is then:
 *
 * | a file that is listed | is |
 * | --- | --- |
 * | modified after t | left to a later batch |
 * | within the bounds, not remembered | taken |
 * | within the bounds, remembered with another time of modification | again: told, not taken, as long as it is remembered |
 * | at or before the limit, there at the first look and not newer than the start | existing: left out in silence |
 * | at or before the limit, otherwise | late: told, not taken |
 *
 * So a file that was too old is taken when it is touched, and a name that is used again when its batch is forgotten, if it is
 * still within the bounds then. What is told of a name is told once for each time of modification, while it is listed. One owner,
 * the planner; a batch that is asked for again gets the same answer while it is remembered. Source: Spark Streaming's
 * `FileInputDStream`.
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
  /** A remembered batch took the same name, with another time of modification. */
  readonly again: ReadonlyArray<FileStatus>
}

export interface Options {
  readonly startMillis: Time
  readonly newFilesOnly: boolean
  readonly minRememberMillis: Millis
}

export interface SelectedBatch {
  readonly time: Time
  readonly batchMillis: Millis
  /** When the app first started, if that is known. */
  readonly zeroTime?: Time | undefined
}

export class FileSelection {
  private readonly options: Options
  /** The last batch that was decided on. */
  private last: Time | undefined
  private readonly batches = new Map<Time, ReadonlyArray<FileStatus>>()
  /** Times of modification of the files of the remembered batches. */
  private readonly remembered = new Map<string, number>()
  /** The times of modification for which the paths that are listed were taken, told of, or left out. */
  private decided = new Map<string, number>()
  private isFirstLook = true

  constructor(options: Options) {
    this.options = options
  }

  get startMillis(): Time {
    return this.options.startMillis
  }

  /** Goes on where an earlier driver stopped; batches in order of time. */
  resume(batches: ReadonlyArray<{ readonly time: Time; readonly files: ReadonlyArray<FileStatus> }>): void {
    for (const { files, time } of batches) this.remember(time, files)
  }

  private remember(time: Time, taken: ReadonlyArray<FileStatus>): void {
    this.last = time
    this.batches.set(time, taken)
    for (const { modified, path } of taken) this.remembered.set(path, modified)
  }

  /**
   * Decides on `files`, what is known of `paths`. `complete`: the listing has no gaps, so that what it does not hold is not
   * there.
   */
  take(
    batch: SelectedBatch,
    paths: ReadonlyArray<string>,
    files: ReadonlyArray<FileStatus>,
    complete: boolean
  ): Selected {
    const before = this.batches.get(batch.time)
    if (before !== undefined) return { taken: before, late: [], again: [] }
    const bounds = this.bounds(batch)
    const limit = limitOf(bounds)
    this.forget(bounds.time - bounds.rememberMillis)
    const taken = [...select(bounds, files, (path) => this.remembered.has(path))].sort(inOrder)
    const late: Array<FileStatus> = []
    const again: Array<FileStatus> = []
    const decided = complete ? this.listed(paths) : this.decided
    for (const file of files) {
      const { modified, path } = file
      if (modified > bounds.time || decided.get(path) === modified) continue
      decided.set(path, modified)
      const before = this.remembered.get(path)
      if (before === modified) continue
      if (modified <= limit) {
        if (this.isLate(file)) late.push(file)
      } else if (before !== undefined) again.push(file)
    }
    this.decided = decided
    if (complete) this.isFirstLook = false
    this.remember(bounds.time, taken)
    return { taken, late, again }
  }

  /** What was decided of these paths. */
  private listed(paths: ReadonlyArray<string>): Map<string, number> {
    const decided = new Map<string, number>()
    for (const path of paths) {
      const modified = this.decided.get(path)
      if (modified !== undefined) decided.set(path, modified)
    }
    return decided
  }

  private bounds({ batchMillis, time, zeroTime }: SelectedBatch): Bounds {
    const { minRememberMillis, newFilesOnly, startMillis } = this.options
    // Where batches are missing, what they would have taken is this batch's.
    const last = this.last ?? zeroTime
    const missedMillis = last === undefined ? 0 : Math.max(0, time - last - batchMillis)
    const rememberMillis = rememberedBatches(batchMillis, minRememberMillis) * batchMillis + missedMillis
    return { time, startMillis, newFilesOnly, rememberMillis }
  }

  /** It was not there before the start. */
  private isLate({ modified }: FileStatus): boolean {
    const { newFilesOnly, startMillis } = this.options
    return !this.isFirstLook || !newFilesOnly || modified > startMillis
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
