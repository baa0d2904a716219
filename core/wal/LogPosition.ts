/**
 * LogPosition: where one record of a write-ahead log lies: the body's place in a file of stable storage, by absolute name. It
 * travels in block infos, plans and checkpoints; `readRecord` reads and checks what it names.
 */
import { Schema } from "effect"

export const LogPosition = Schema.Struct({
  file: Schema.String,
  offset: Schema.Int,
  length: Schema.Int
})

export type LogPosition = typeof LogPosition.Type

/** A place in a log between two records. */
export const LogPlace = Schema.Struct({
  segment: Schema.Int,
  offset: Schema.Int
})

export type LogPlace = typeof LogPlace.Type

const digits = 8

/** The file of a segment; segments are counted from 1. */
export const segmentName = (prefix: string, segment: number): string =>
  `${prefix}/${String(segment).padStart(digits, "0")}`

/** The place behind a record, from which reading goes on after it. */
export const behind = (prefix: string, { file, length, offset }: LogPosition): LogPlace => ({
  segment: segmentOf(prefix, file) ?? 1,
  offset: offset + length
})

/** The numbers of the segments among these names, in order. */
export const segmentsInOrder = (prefix: string, names: ReadonlyArray<string>): ReadonlyArray<number> =>
  names.map((name) => segmentOf(prefix, name)).filter((segment) => segment !== undefined).toSorted((a, b) => a - b)

/** undefined: it is no segment of this log. */
export const segmentOf = (prefix: string, name: string): number | undefined => {
  if (!name.startsWith(`${prefix}/`)) return undefined
  const text = name.slice(prefix.length + 1)
  const segment = /^\d{8,15}$/.test(text) ? Number(text) : 0
  return segment > 0 && segmentName(prefix, segment) === name ? segment : undefined
}
