/**
 * PartReader: reads ranges of one planned part through FileWorld, and holds the file against the plan at each read.
 *
 * | the file | then |
 * | --- | --- |
 * | is gone, cannot be read, is no file any more | the world's error |
 * | is shorter than planned, or its name means another file than when it was planned | `FileError` Changed |
 * | is longer than planned | the planned length is read; told, once, by the file's last part |
 * | was modified, its length as planned | told likewise |
 */
import { Effect } from "effect"
import { changed, type FileError } from "./FileError.ts"
import type { FilePart } from "./FilePart.ts"
import type { FileOperations, RangeRead } from "./FileWorld.ts"

export interface PartReader {
  readonly part: FilePart
  /** Fills `into` from `position`; the range has to lie within the planned length. */
  readonly fill: (position: number, into: Uint8Array) => Effect.Effect<void, FileError>
}

export const make = (world: FileOperations, part: FilePart): PartReader => {
  const { length, modified, path, to } = part
  let { identity } = part
  let told = to < length

  const check = (wanted: number, read: RangeRead): Effect.Effect<void, FileError> => {
    if (read.bytes < wanted) {
      return Effect.fail(changed(path, `is ${read.length} bytes long, and was ${length} when it was planned`))
    }
    if (identity !== undefined && identity !== read.identity) {
      return Effect.fail(changed(path, "was replaced by another after its batch had taken it"))
    }
    identity = read.identity
    if (told || (read.length === length && read.modified === modified)) return Effect.void
    told = true
    const what = read.length > length
      ? `${read.length - length} bytes were written to ${path} after it was taken, and are not read`
      : `${path} was written to after it was taken, and is read as it is now`
    return Effect.logWarning(`${what}: write files elsewhere and move them in`)
  }

  return {
    part,
    fill: (position, into) => Effect.flatMap(world.read(path, position, into), (read) => check(into.byteLength, read))
  }
}
