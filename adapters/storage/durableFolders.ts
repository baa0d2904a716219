/**
 * durableFolders: folders that are there after a crash: each is made in a folder that is then synced, from the root down.
 *
 * Which ones are is remembered, so that this costs once. Others may remove a folder that is empty for a moment; whoever finds it gone
 * makes it again and tries once more, within limits.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { makeDirectory } from "./makeDirectory.ts"
import { codeOf } from "./directoryErrors.ts"

export interface DurableFolders {
  /** Runs what needs the file's folder, which is made where it is not there. */
  readonly inFolderOf: <A>(file: string, work: () => Promise<A>) => Promise<A>
  readonly forget: (folder: string) => void
}

const attemptsMax = 5

/** Systems without a sync of folders have their own ways to keep names. */
const withoutSync = new Set(["EISDIR", "EINVAL", "EPERM", "ENOTSUP"])

export const syncFolder = async (folder: string): Promise<void> => {
  let handle: fs.FileHandle | undefined
  try {
    handle = await fs.open(folder, "r")
    await handle.sync()
  } catch (error) {
    if (!withoutSync.has(codeOf(error))) throw error
  } finally {
    await handle?.close()
  }
}

const isDirectory = (folder: string): Promise<boolean> =>
  fs.stat(folder).then((found) => found.isDirectory(), () => false)

/** A file in its place is not a name that is taken. */
const makeFolder = async (folder: string): Promise<void> => {
  try {
    await makeDirectory(folder)
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
    throw Object.assign(new Error(`${folder} is not a folder`, { cause: error }), { code: "ENOTDIR" })
  }
}

export const durableFolders = (root: string): DurableFolders => {
  const known = new Set<string>()

  const make = async (folder: string): Promise<void> => {
    if (known.has(folder)) return
    const parent = path.dirname(folder)
    // What is there above the place is not ours to sync; in the place, who made it may not have come to that yet.
    const isAbove = folder.length <= root.length
    if (!isAbove || !await isDirectory(folder)) {
      if (parent !== folder) await make(parent)
      await makeFolder(folder)
      await syncFolder(parent)
    }
    known.add(folder)
  }

  return {
    inFolderOf: async (file, work) => {
      const folder = path.dirname(file)
      for (let attempt = 1;; attempt++) {
        try {
          await make(folder)
          return await work()
        } catch (error) {
          if (codeOf(error) !== "ENOENT" || attempt >= attemptsMax) throw error
          for (const it of known) if (folder.startsWith(it)) known.delete(it)
        }
      }
    },
    forget: (folder) => void known.delete(folder)
  }
}
