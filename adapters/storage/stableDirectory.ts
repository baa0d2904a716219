/**
 * stableDirectory: StableStorage in a directory of this machine (or one that is mounted and keeps the promises of a local one: no names
 * that appear late, a sync that is one).
 *
 * - `create` writes another file beside, syncs it, and links it to its name, which fails if the name is there; then the folder is
 *   synced, for a name is durable only with its folder. So is a folder that is made, in the folder that holds it.
 * - `append` is one write and one `fdatasync`. After one that failed nobody knows what the file holds: it takes no more. Nor is a file
 *   written to that has no name any more: it was removed by others, and what it takes is gone when it is closed.
 * - Nothing is made before the first write: who only reads a place changes nothing in it.
 * - A removal is not synced: a crash of the machine may undo it. Folders that became empty go too.
 * - A write cannot be taken back: no call ends before the system has answered, also when it is interrupted.
 *
 * Files whose names begin with a dot are being created; those that a crash left behind are removed when a list finds them after a while.
 */
import { randomUUID } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Effect, type Scope } from "effect"
import {
  type AppendFile,
  type ByteRange,
  NameTaken,
  type StableStorage,
  StorageError
} from "../../runtime/storage/StableStorage.ts"
import { invalidName, invalidRange } from "../../runtime/storage/storageName.ts"
import { codeOf, RemovedError, storageError } from "./directoryErrors.ts"
import { type DurableFolders, durableFolders, syncFolder } from "./durableFolders.ts"

/** Made under a directory, which need not be there. Fails where something else is in its place. */
export const stableDirectory = (directory: string): Effect.Effect<StableStorage, StorageError> => {
  const root = path.resolve(directory)
  const isDirectory = call(root, "", async () => {
    const found = await orUndefined(fs.stat(root))
    return found === undefined || found.isDirectory()
  })
  return Effect.flatMap(isDirectory, (is) =>
    is ? Effect.succeed(storageIn(root)) : Effect.fail(
      new StorageError({
        reason: "Invalid",
        name: "",
        message: `${root} is a file, not a directory: name another place`
      })
    ))
}

const storageIn = (root: string): StableStorage => {
  const folders = durableFolders(root)
  const pathOf = (name: string) => path.join(root, ...name.split("/"))
  const checked = <A, E, R>(
    name: string,
    work: (file: string) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StorageError, R> =>
    Effect.suspend((): Effect.Effect<A, E | StorageError, R> => {
      const mistake = invalidName(name)
      return mistake === undefined ? work(pathOf(name)) : Effect.fail(mistake)
    })
  return {
    place: root,
    appends: true,
    create: (name, bytes) =>
      checked(name, (file) => exclusive(root, name, () => folders.inFolderOf(file, () => createWhole(file, bytes)))),
    open: (name) => checked(name, (file) => openIn(root, name, file, folders)),
    read: (name, range) =>
      checked(name, (file) => {
        const mistake = invalidRange(name, range)
        return mistake === undefined ? call(root, name, () => readRange(file, range)) : Effect.fail(mistake)
      }),
    size: (name) =>
      checked(name, (file) =>
        call(root, name, async () => {
          const found = await orUndefined(fs.stat(file))
          return found?.isFile() === true ? found.size : undefined
        })),
    list: (prefix) => call(root, prefix, () => listNames(root, prefix)),
    remove: (name) => checked(name, (file) => call(root, name, () => removeFile(root, file, folders)))
  }
}

/** What the system does goes on when a fiber is interrupted; so nobody is told that it ended before it has. */
const call = <A>(root: string, name: string, work: () => Promise<A>): Effect.Effect<A, StorageError> =>
  Effect.uninterruptible(Effect.tryPromise({ try: work, catch: (error) => storageError(root, name, error) }))

const exclusive = <A>(
  root: string,
  name: string,
  work: () => Promise<A>
): Effect.Effect<A, StorageError | NameTaken> =>
  Effect.uninterruptible(Effect.tryPromise({
    try: work,
    catch: (error) =>
      codeOf(error) === "EEXIST"
        ? new NameTaken({ name, message: `${name} is there already in ${root}: nothing is ever written over a name` })
        : storageError(root, name, error)
  }))

const orUndefined = <A>(found: Promise<A>): Promise<A | undefined> =>
  found.catch((error) => {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined
    throw error
  })

const temporary = /^\.new-/

const createWhole = async (file: string, bytes: Uint8Array): Promise<void> => {
  const folder = path.dirname(file)
  const beside = path.join(folder, `.new-${randomUUID()}`)
  try {
    await writeSynced(beside, bytes)
    await linkTo(beside, file)
  } finally {
    await fs.rm(beside, { force: true })
  }
  await syncFolder(folder)
}

const writeSynced = async (file: string, bytes: Uint8Array): Promise<void> => {
  const handle = await fs.open(file, "wx")
  try {
    await writeAll(handle, bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Over a network a link may be made and yet be said to have failed: the file then has two names. */
const linkTo = async (from: string, to: string): Promise<void> => {
  try {
    await fs.link(from, to)
  } catch (error) {
    if (codeOf(error) !== "EEXIST" || (await fs.stat(from)).nlink !== 2) throw error
  }
}

const writeAll = async (handle: fs.FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written)
    written += bytesWritten
  }
}

const openIn = (
  root: string,
  name: string,
  file: string,
  folders: DurableFolders
): Effect.Effect<AppendFile, StorageError | NameTaken, Scope.Scope> => {
  const opened = exclusive(root, name, () =>
    folders.inFolderOf(file, async () => {
      const handle = await fs.open(file, "ax")
      try {
        await syncFolder(path.dirname(file))
        return { handle, hasNames: (await handle.stat()).nlink > 0 }
      } catch (error) {
        await handle.close()
        throw error
      }
    }))
  return Effect.map(
    Effect.acquireRelease(opened, ({ handle }) => Effect.ignore(call(root, name, () => handle.close()))),
    ({ handle, hasNames }) => appendTo(root, name, handle, hasNames)
  )
}

/** `hasNames`: whether the file system counts the names of a file. */
const appendTo = (root: string, name: string, handle: fs.FileHandle, hasNames: boolean): AppendFile => {
  let failed = false
  return {
    append: (bytes, options) =>
      Effect.suspend(() => {
        if (failed) {
          const message = `${name} takes no more appends, for one failed: go on in another file`
          return Effect.fail(new StorageError({ reason: "Invalid", name, message }))
        }
        const writing = call(root, name, async () => {
          await writeAll(handle, bytes)
          if (options?.sync === false) return
          const [{ nlink }] = await Promise.all([handle.stat(), handle.datasync()])
          if (nlink === 0 && hasNames) throw new RemovedError()
        })
        return Effect.tapError(writing, () => Effect.sync(() => void (failed = true)))
      })
  }
}

/** Larger files are nothing that was written here. */
const readBytesMax = 2 ** 30

const readRange = async (file: string, range: ByteRange | undefined): Promise<Uint8Array | undefined> => {
  // Without waiting: something else in the place of a file, such as a pipe, would never open.
  const handle = await orUndefined(fs.open(file, constants.O_RDONLY | constants.O_NONBLOCK))
  if (handle === undefined) return undefined
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) return undefined
    const offset = range?.offset ?? 0
    const length = Math.max(0, Math.min(stat.size - offset, range?.length ?? stat.size))
    if (length > readBytesMax) throw new Error(`it has ${length} bytes, and at most ${readBytesMax} are read at once`)
    const bytes = new Uint8Array(length)
    let read = 0
    while (read < length) {
      const { bytesRead } = await handle.read(bytes, read, length - read, offset + read)
      if (bytesRead === 0) break
      read += bytesRead
    }
    return bytes.subarray(0, read)
  } finally {
    await handle.close()
  }
}

/** What a crash may have left behind by now. */
const staleMillis = 3_600_000

const listNames = async (root: string, prefix: string): Promise<ReadonlyArray<string>> => {
  const names: Array<string> = []
  const walk = async (folder: string): Promise<void> => {
    const entries = await orUndefined(fs.readdir(path.join(root, folder), { withFileTypes: true }))
    for (const entry of entries ?? []) {
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`
      const leadsThere = name.startsWith(prefix) || prefix.startsWith(`${name}/`)
      if (temporary.test(entry.name)) await removeStale(path.join(root, name))
      else if (!leadsThere || invalidName(name) !== undefined) continue
      else if (entry.isDirectory()) await walk(name)
      else if (entry.isFile() && name.startsWith(prefix)) names.push(name)
    }
  }
  const end = prefix.lastIndexOf("/")
  const folder = end < 0 ? "" : prefix.slice(0, end)
  if (folder === "" || invalidName(folder) === undefined) await walk(folder)
  return names.sort()
}

const removeStale = async (file: string): Promise<void> => {
  const found = await orUndefined(fs.stat(file))
  if (found !== undefined && found.mtimeMs < Date.now() - staleMillis) {
    await fs.rm(file, { force: true }).catch(() => {})
  }
}

const removeFile = async (root: string, file: string, folders: DurableFolders): Promise<void> => {
  await orUndefined(fs.unlink(file))
  for (let folder = path.dirname(file); folder.length > root.length; folder = path.dirname(folder)) {
    folders.forget(folder)
    try {
      await fs.rmdir(folder)
    } catch {
      // something is in it, or it is gone already
      return
    }
  }
}
