/**
 * SaveError: a batch could not be saved: which path, why, and what to do.
 */
import { Schema } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"

export class SaveError extends Schema.TaggedError<SaveError>()("SaveError", {
  path: Schema.String,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {}

/** By the code of a system's error: what it means here, and the remedy. */
const reasons: ReadonlyMap<string, readonly [what: string, remedy: string]> = new Map([
  ["ENOSPC", ["the disk is full", "free some space there, or save elsewhere"]],
  ["EDQUOT", ["the quota of this user is used up", "free some space there, or save elsewhere"]],
  ["EACCES", ["there is no permission", "let the program's user write there, or save elsewhere"]],
  ["EPERM", ["there is no permission", "let the program's user write there, or save elsewhere"]],
  ["EROFS", ["the file system can only be read", "save elsewhere"]],
  ["EEXIST", ["something is in the way", "move it away, or save under another prefix"]],
  ["ENOTDIR", ["a part of the path is a file, not a directory", "move it away, or save under another prefix"]],
  ["ENOTEMPTY", ["another program wrote there meanwhile", "save under another prefix"]],
  ["EISDIR", ["a directory is in the way", "move it away, or save under another prefix"]],
  ["ENAMETOOLONG", ["the name is too long for the file system", "save under a shorter prefix"]],
  ["EMFILE", ["too many files are open", "raise the limit of open files, or lower concurrentJobs"]]
])

/** What the system refused, as a sentence. */
export const saveErrorOf = (path: string, cause: unknown): SaveError => {
  if (cause instanceof SaveError) return cause
  const code = String((cause as { readonly code?: unknown } | undefined)?.code)
  const known = reasons.get(code)
  const why = known === undefined ? describeError(cause) : `${known[0]} (${code}); ${known[1]}`
  return new SaveError({ path, message: `cannot write ${path}: ${why}`, cause })
}

export const noSuchFormat = (path: string, formats: ReadonlyMap<string, unknown>): SaveError =>
  new SaveError({
    path,
    message: `cannot save ${path}: there is no such format; the formats are ${[...formats.keys()].join(" and ")}`
  })
