/**
 * nodeFiles: the real files of this machine, for FileWorld. Wildcards are those of `fs.glob`: `*`, `?`, `[abc]`, `{a,b}`, and
 * `**` for directories however deep; they do not match names that begin with a dot. Symbolic links are followed.
 */
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Effect } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { changed, FileError } from "./FileError.ts"
import type { FileOperations, FileStatus, Listing, RangeRead } from "./FileWorld.ts"

const wildcard = /[*?[{]/

const codeOf = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

/** A part of the way to it may have become something else. */
const isAbsence = (cause: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(codeOf(cause) as string)

const listDirectories = async (directory: string): Promise<Listing> => {
  const pattern = path.resolve(directory)
  if (!wildcard.test(pattern)) return await listDirectory(pattern)
  const listings: Array<Listing> = []
  for await (const found of fs.glob(pattern)) {
    if (await isDirectory(found)) listings.push(await listDirectory(found))
  }
  if (listings.length === 0) return { paths: [], problems: [`No directory matches ${pattern}`] }
  return {
    paths: listings.flatMap(({ paths }) => paths),
    problems: listings.flatMap(({ problems }) => problems)
  }
}

const isDirectory = (found: string): Promise<boolean> =>
  fs.stat(found).then((status) => status.isDirectory(), () => false)

const listDirectory = async (directory: string): Promise<Listing> => {
  try {
    const names = await fs.readdir(directory)
    return { paths: names.map((name) => path.join(directory, name)), problems: [] }
  } catch (cause) {
    const problem = await isFile(directory)
      ? `${directory} is a file, not a directory; give the directory that it lies in`
      : isAbsence(cause)
      ? `There is no directory ${directory}`
      : `The directory ${directory} cannot be listed: ${describeError(cause)}`
    return { paths: [], problems: [problem] }
  }
}

const isFile = (path: string): Promise<boolean> => fs.stat(path).then((found) => found.isFile(), () => false)

const identityOf = ({ dev, ino }: { readonly dev: number; readonly ino: number }) => `${dev}:${ino}`

const statusOf = async (file: string): Promise<FileStatus | undefined> => {
  try {
    const status = await fs.stat(file)
    return status.isFile()
      ? { path: file, length: status.size, modified: status.mtimeMs, identity: identityOf(status) }
      : undefined
  } catch (cause) {
    if (!isAbsence(cause)) throw cause
    const why = await whyUnreachable(file)
    if (why === undefined) return undefined
    throw new FileError({ reason: "Unreadable", path: file, message: `The file ${file} cannot be read: ${why}` })
  }
}

/** Why what is listed is not there for who looks at it; undefined: it is gone. */
const whyUnreachable = async (file: string): Promise<string | undefined> => {
  const found = await fs.lstat(file).catch(() => undefined)
  if (found?.isSymbolicLink() === true) return "it is a link that leads to nothing; make what it names, or remove it"
  // What is no UTF-8 in a name is listed as U+FFFD, and no name that is given leads there.
  return found === undefined && file.includes("\uFFFD") ? "its name is not UTF-8; rename it" : undefined
}

const readRange = async (file: string, position: number, into: Uint8Array): Promise<RangeRead> => {
  // Without waiting: something else in the place of a file, such as a pipe, would never open.
  const handle = await fs.open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw changed(file, "is no file any more")
    let bytes = 0
    while (bytes < into.byteLength) {
      const { bytesRead } = await handle.read(into, bytes, into.byteLength - bytes, position + bytes)
      if (bytesRead === 0) break
      bytes += bytesRead
    }
    return { bytes, length: status.size, modified: status.mtimeMs, identity: identityOf(status) }
  } finally {
    await handle.close()
  }
}

const unreadable = (file: string) => (cause: unknown): FileError =>
  cause instanceof FileError ? cause : isAbsence(cause)
    ? new FileError({
      reason: "Missing",
      path: file,
      message:
        `The file ${file} is gone since its batch was planned: keep files where they are for as long as batches may ` +
        `read them, or set onMissing: "skip"`
    })
    : new FileError({
      reason: "Unreadable",
      path: file,
      message: `The file ${file} cannot be read (${describeError(cause)}): let this process read it, or set ` +
        `onMissing: "skip"`,
      cause
    })

export const nodeFiles: FileOperations = {
  list: (directory) => Effect.promise(() => listDirectories(directory)),
  status: (file) => Effect.tryPromise({ try: () => statusOf(file), catch: unreadable(file) }),
  read: (file, position, into) =>
    Effect.tryPromise({ try: () => readRange(file, position, into), catch: unreadable(file) })
}
