/**
 * neededLogs: which files of the receivers' write-ahead logs are needed, a function of what the ReceivedBlockTracker knows.
 *
 * A file is needed as long as a block that waits or is of a batch is in it. Besides, blocks of a receiver's newest attempt may be in
 * its log and not reported yet: files from the one on that its last reports name are kept (`BlockLogs`). So what is not needed will
 * never be, for the state of a checkpoint as for the newest one. Called by whoever cleans up behind durable checkpoints.
 */
import type { StreamId } from "../protocol/Ids.ts"
import { compare, parse, partOf } from "./BlockLogs.ts"
import { heldBlocks, type ReceivedBlockTracker } from "./ReceivedBlockTracker.ts"

/** The files that hold a block that waits or is of a batch, and is not lost. */
export const loggedFiles = (state: ReceivedBlockTracker): ReadonlySet<string> =>
  new Set(heldBlocks(state).flatMap(({ log, lost }) => log === undefined || lost === true ? [] : [log.file]))

/**
 * Those of `files` that nobody will need again. `epoch`: that of this driver, `nameOf`: that of StableStorage. Files that are of no such log are none of them.
 */
export const unneededFiles = (
  state: ReceivedBlockTracker,
  files: Iterable<string>,
  epoch: number,
  nameOf: (stream: StreamId) => string
): ReadonlyArray<string> => {
  const needed = loggedFiles(state)
  const newest = new Map(Array.from(state.logs, ([stream, log]) => [partOf(stream, nameOf), log]))
  return Array.from(files).filter((file) => {
    const attempt = parse(file)
    if (attempt === undefined || needed.has(file)) return false
    const log = newest.get(attempt.stream)
    const order = log === undefined ? undefined : compare(attempt, log)
    if (order === 0) return attempt.epoch < epoch || (log?.from !== undefined && file < log.from)
    return attempt.epoch < epoch || (order !== undefined && order < 0)
  })
}
