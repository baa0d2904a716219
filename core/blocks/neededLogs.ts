/**
 * neededLogs: which files of the receivers' write-ahead logs are needed, a function of what the ReceivedBlockTracker knows.
 *
 * A file is needed as long as a block that waits or is of a batch is in it. Besides, blocks of a receiver's newest attempt may be in
 * its log and not reported yet: files from the one on that its last reports name are kept (`BlockLogs`). So what is not needed will
 * never be, for the state of a checkpoint as for the newest one. Called by whoever cleans up behind durable checkpoints.
 */
import type { StreamId } from "../protocol/Ids.ts"
import { compare, type NewestLog, parse, partOf } from "./BlockLogs.ts"
import { heldBlocks, type ReceivedBlockTracker } from "./ReceivedBlockTracker.ts"

/** The files that hold a block that waits or is of a batch, and is not lost. */
export const loggedFiles = (state: ReceivedBlockTracker): ReadonlySet<string> =>
  new Set(heldBlocks(state).flatMap(({ log, lost }) => log === undefined || lost === true ? [] : [log.file]))

/**
 * Whether nothing that is still to be reported can be in a file, by the newest logs (`ReceivedBlockTracker.logs`): of any state that the
 * log or a checkpoint is gone on from. A file may go if it is over, and not needed. `epoch`: that of this driver, `nameOf`: that of
 * StableStorage. Files that are of no receiver's log are never over.
 */
export const isOver = (
  logs: ReadonlyMap<StreamId, NewestLog>,
  epoch: number,
  nameOf: (stream: StreamId) => string
): (file: string) => boolean => {
  const newest = new Map(Array.from(logs, ([stream, log]) => [partOf(stream, nameOf), log]))
  return (file) => {
    const attempt = parse(file)
    if (attempt === undefined) return false
    if (attempt.epoch < epoch) return true
    const log = newest.get(attempt.stream)
    if (log === undefined) return false
    const order = compare(attempt, log)
    return order < 0 || (order === 0 && log.from !== undefined && file < log.from)
  }
}

/** Those of `files` that nobody will need again. */
export const unneededFiles = (
  state: ReceivedBlockTracker,
  files: Iterable<string>,
  epoch: number,
  nameOf: (stream: StreamId) => string
): ReadonlyArray<string> => {
  const needed = loggedFiles(state)
  const over = isOver(state.logs, epoch, nameOf)
  return Array.from(files).filter((file) => !needed.has(file) && over(file))
}
