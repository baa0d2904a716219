/**
 * FileWorld: the port through which file streams see directories and files: list, look at one, read a range of one.
 *
 * It promises nothing: what was listed may be gone when it is looked at, and other when it is read. So each read tells again
 * what it read from (length, time of modification, identity), and nothing stays open between two reads: a reader that is
 * dropped half-way leaves nothing behind. Makings: `nodeFiles` (real), `memoryFiles`.
 */
import { Context, type Effect } from "effect"
import type { FileError } from "./FileError.ts"
import { nodeFiles } from "./nodeFiles.ts"

/** A file as it was when it was looked at. */
export interface FileStatus {
  /** Absolute. */
  readonly path: string
  /** Bytes. */
  readonly length: number
  /** Milliseconds since the epoch, with fractions where the file system has them. */
  readonly modified: number
  /** The same as long as the name means the same file; undefined: not known. */
  readonly identity?: string | undefined
}

export interface Listing {
  /** Everything directly in the directories, files or not. */
  readonly paths: ReadonlyArray<string>
  /** Directories that are not there or cannot be listed, each in a sentence. */
  readonly problems: ReadonlyArray<string>
}

export interface RangeRead {
  /** How many bytes were read: less than wanted only where the file ends. */
  readonly bytes: number
  readonly length: number
  readonly modified: number
  /** The same as long as the name means the same file. */
  readonly identity: string
}

export interface FileOperations {
  /** `directory` may hold wildcards: all directories that match it. */
  readonly list: (directory: string) => Effect.Effect<Listing>
  /** undefined: there is no file (any more), or it is none. */
  readonly status: (path: string) => Effect.Effect<FileStatus | undefined, FileError>
  /** Fills `into` from the bytes at `position`. */
  readonly read: (path: string, position: number, into: Uint8Array) => Effect.Effect<RangeRead, FileError>
}

/** The real files, unless the app's layer provides others. */
export const FileWorld = Context.Reference<FileOperations>("dstreams/file/FileWorld", { defaultValue: () => nodeFiles })
