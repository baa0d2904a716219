/**
 * memoryFiles: files that live in memory, with times of modification as they are given, for tests and simulations:
 * `StreamingApp.make({ ..., layer: Layer.succeed(File.FileWorld, files) })`. Of wildcards it knows `*` and `?`.
 */
import { Effect } from "effect"
import { FileError } from "./FileError.ts"
import type { FileOperations, FileStatus } from "./FileWorld.ts"

export interface MemoryFiles extends FileOperations {
  /** Makes or replaces a file, and the directories above it. Text is written as UTF-8. */
  readonly write: (path: string, contents: string | Uint8Array, modified: number) => void
  /** Makes a directory that need not hold anything. */
  readonly makeDirectory: (path: string) => void
  /** Takes away a file, or a directory with all that is in it. */
  readonly remove: (path: string) => void
  /** A file keeps its time of modification when it gets another name. */
  readonly rename: (from: string, to: string) => void
}

interface Entry {
  readonly identity: string
  readonly bytes: Uint8Array
  readonly modified: number
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")))
const trimmed = (path: string): string => path.replace(/\/+$/, "")

export const memoryFiles = (): MemoryFiles => {
  const files = new Map<string, Entry>()
  const directories = new Set<string>()
  let made = 0

  const makeDirectory = (path: string): void => {
    for (let at = trimmed(path); at !== ""; at = parentOf(at)) directories.add(at)
  }
  const matching = (directory: string): ReadonlyArray<string> => {
    const pattern = trimmed(directory).replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, "[^/]*").replace(
      /\?/g,
      "[^/]"
    )
    return [...directories].filter((path) => new RegExp(`^${pattern}$`).test(path)).sort()
  }
  const missing = (path: string) =>
    new FileError({ reason: "Missing", path, message: `The file ${path} is gone: keep it, or set onMissing: "skip"` })

  return {
    write: (path, contents, modified) => {
      makeDirectory(parentOf(path))
      const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents
      files.set(path, { identity: String(made++), bytes, modified })
    },
    makeDirectory,
    remove: (path) => {
      const isIn = (one: string) => one === path || one.startsWith(`${trimmed(path)}/`)
      for (const one of [...files.keys()].filter(isIn)) files.delete(one)
      for (const one of [...directories].filter(isIn)) directories.delete(one)
    },
    rename: (from, to) => {
      const file = files.get(from)
      if (file === undefined) throw missing(from)
      files.delete(from)
      makeDirectory(parentOf(to))
      files.set(to, file)
    },
    list: (directory) =>
      Effect.sync(() => {
        const found = matching(directory)
        const none = /[*?]/.test(directory)
          ? `No directory matches ${directory}`
          : `There is no directory ${trimmed(directory)}`
        return {
          paths: [...files.keys(), ...directories].filter((path) => found.includes(parentOf(path))),
          problems: found.length === 0 ? [none] : []
        }
      }),
    status: (path) =>
      Effect.sync((): FileStatus | undefined => {
        const file = files.get(path)
        return file && { path, length: file.bytes.byteLength, modified: file.modified, identity: file.identity }
      }),
    read: (path, position, into) =>
      Effect.suspend(() => {
        const file = files.get(path)
        if (file === undefined) return Effect.fail(missing(path))
        const bytes = file.bytes.subarray(position, position + into.byteLength)
        into.set(bytes)
        const { identity, modified } = file
        return Effect.succeed({ bytes: bytes.byteLength, length: file.bytes.byteLength, modified, identity })
      })
  }
}
