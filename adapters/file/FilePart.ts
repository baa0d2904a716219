/**
 * FilePart: one partition of a file stream, as plain data in the batch plan: a range of bytes of a file as it was when planned.
 *
 * The ranges of a file's parts follow each other from 0 to its length. For text a range is a first guess: a line belongs to the
 * part in whose range it begins, so that `boundary`, the same function on both sides, says where a part begins and the one
 * before it ends.
 */
import type { FileStatus } from "./FileWorld.ts"

export interface FilePart {
  readonly path: string
  readonly from: number
  /** Exclusive. */
  readonly to: number
  /** Of the whole file, when planned. */
  readonly length: number
  readonly modified: number
  readonly identity?: string | undefined
}

/** Parts of about the same size, none larger than `maxBytes` or `unit`, at multiples of `unit`. No part for an empty file. */
export const partsOf = (
  { identity, length, modified, path }: FileStatus,
  maxBytes: number,
  unit = 1
): ReadonlyArray<FilePart> => {
  const units = Math.ceil(length / unit)
  const atMost = Math.max(1, Math.floor(maxBytes / unit))
  const count = Math.max(Math.min(1, units), Math.ceil(units / atMost))
  const edge = (index: number) => Math.min(length, Math.floor(index * units / count) * unit)
  return Array.from({ length: count }, (_, index) => ({
    path,
    from: edge(index),
    to: edge(index + 1),
    length,
    modified,
    ...(identity === undefined ? {} : { identity })
  }))
}
