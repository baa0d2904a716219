/**
 * directoryErrors: what a file system says, as errors of StableStorage, with what to do about it.
 */
import { describeError } from "../../core/protocol/describeError.ts"
import { StorageError } from "../../runtime/storage/StableStorage.ts"

/** A file that is open has been removed. */
export class RemovedError extends Error {
  readonly code = "REMOVED"

  constructor() {
    super("no name leads to it any more")
  }
}

export const codeOf = (error: unknown): string => {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return typeof code === "string" ? code : ""
}

interface Meaning {
  readonly reason: StorageError["reason"]
  readonly text: string
}

const full = (text: string): Meaning => ({ reason: "Full", text })
const readOnly = (text: string): Meaning => ({ reason: "ReadOnly", text })
const invalid = (text: string): Meaning => ({ reason: "Invalid", text })

const noRight = "this user may not: give it the right to read and write there, or name another place"
const tooMany = "this process has too many files open: raise the limit of open files"

const meanings: Readonly<Record<string, Meaning>> = {
  ENOSPC: full("the disk is full: make room, or name a place on another"),
  EDQUOT: full("the quota of this user is used up: make room, or raise it"),
  EFBIG: full("a file would be larger than the system allows"),
  EROFS: readOnly("it is mounted read-only: mount it for writing, or name another place"),
  EACCES: readOnly(noRight),
  EPERM: readOnly(`${noRight}. If it may, the file system has no hard links, and cannot serve`),
  ENOTSUP: invalid("the file system lacks what is needed (hard links, sync): name a place on another"),
  ENOSYS: invalid("the file system lacks what is needed (hard links, sync): name a place on another"),
  ENOTDIR: invalid("a file is where a folder should be: name another place, or remove it"),
  EISDIR: invalid("a folder is where a file should be: name another place, or remove it"),
  ENAMETOOLONG: invalid("the path is longer than the file system allows: name a shorter place"),
  ELOOP: invalid("its symbolic links go in a circle"),
  REMOVED: invalid(
    "it was removed while it was written to, by hand or by a driver that has taken over, and what it held is lost: leave the place to " +
      "the app while it runs; to begin anew, stop the app, remove the place, and start it again"
  ),
  EMFILE: { reason: "Unavailable", text: tooMany },
  ENFILE: { reason: "Unavailable", text: tooMany }
}

export const storageError = (root: string, name: string, error: unknown): StorageError => {
  const code = codeOf(error)
  const { reason, text } = Object.hasOwn(meanings, code)
    ? meanings[code]!
    : { reason: "Unavailable", text: "it may be there again later" } as const
  const what = name === "" ? root : `${name} in ${root}`
  return new StorageError({ reason, name, message: `access to ${what} failed: ${text} (${describeError(error)})` })
}
