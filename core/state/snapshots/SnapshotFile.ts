/**
 * SnapshotFile: the file of a snapshot of one partition of a state, and what is in it.
 *
 * ```
 * 0   "dsst"                      4 bytes
 * 4   format                      u32, little-endian as all numbers here
 * 8   length of the description   u32
 * 12  number of pieces            u32
 * 16  check sum of 0 to 16, description and table, u32
 * 20  description                 JSON: whose state, which version, which file it builds on
 *     table                       per piece: its length u32, its check sum u32
 *     pieces                      each encoded by itself, one after the other, to the end of the file
 * ```
 * A file is whole or it is refused: nothing can be cut off, added, swapped or changed without a check sum, or the length of the file,
 * telling. Nothing is trusted before it was checked, and no number in it makes anything be allocated that is larger than the file.
 * A piece is checked, and may be decoded, when its turn comes.
 */
import { Result, Schema } from "effect"
import { describeError } from "../../protocol/describeError.ts"
import type { RecordCodec } from "../../protocol/RecordCodec.ts"
import type { Checksum } from "../../wal/crc32.ts"
import { StateRefused } from "./StateRefused.ts"

/** Of what a file is a snapshot. */
export const SnapshotDescription = Schema.Struct({
  app: Schema.String,
  operator: Schema.String,
  partition: Schema.Natural,
  /** Over how many partitions the state is spread. */
  partitions: Schema.Natural,
  time: Schema.Finite,
  /** The file that it builds on; null: it is whole. */
  base: Schema.NullOr(Schema.String)
})
export type SnapshotDescription = typeof SnapshotDescription.Type

/** A file is no snapshot, or one that is damaged. */
export class SnapshotDamaged extends Schema.TaggedError<SnapshotDamaged>()("SnapshotDamaged", {
  file: Schema.String,
  /** Where in the file. */
  offset: Schema.Number,
  message: Schema.String
}) {}

export interface EncodedPiece {
  readonly bytes: Uint8Array
  readonly checksum: number
}

export interface SnapshotContents {
  readonly description: SnapshotDescription
  /** The bytes of each piece. Throws `SnapshotDamaged` where one is damaged. */
  readonly pieces: Iterable<Piece>
}

export interface Piece {
  readonly bytes: Uint8Array
  readonly offset: number
}

const magic = 0x74737364
const format = 1
const prefixLength = 20
const checkedLength = 16
const entryLength = 8
const descriptionLengthMax = 64 * 1024

const utf8 = new TextEncoder()
const text = new TextDecoder("utf-8", { fatal: true })
const isDescription = Schema.decodeUnknownResult(SnapshotDescription)

export const encode = (
  description: SnapshotDescription,
  pieces: ReadonlyArray<EncodedPiece>,
  checksum: Checksum
): Uint8Array => {
  const json = utf8.encode(JSON.stringify(description))
  const head = prefixLength + json.length + entryLength * pieces.length
  const file = new Uint8Array(pieces.reduce((length, { bytes }) => length + bytes.length, head))
  const view = new DataView(file.buffer)
  view.setUint32(0, magic, true)
  view.setUint32(4, format, true)
  view.setUint32(8, json.length, true)
  view.setUint32(12, pieces.length, true)
  file.set(json, prefixLength)
  let at = prefixLength + json.length
  let to = head
  for (const { bytes, checksum: sum } of pieces) {
    view.setUint32(at, bytes.length, true)
    view.setUint32(at + 4, sum, true)
    at += entryLength
    file.set(bytes, to)
    to += bytes.length
  }
  view.setUint32(checkedLength, headChecksum(file, head, checksum), true)
  return file
}

const headChecksum = (file: Uint8Array, head: number, checksum: Checksum): number => {
  const checked = new Uint8Array(head - prefixLength + checkedLength)
  checked.set(file.subarray(0, checkedLength))
  checked.set(file.subarray(prefixLength, head), checkedLength)
  return checksum(checked)
}

export const decode = (
  name: string,
  file: Uint8Array,
  checksum: Checksum
): Result.Result<SnapshotContents, SnapshotDamaged> => {
  const damaged = (offset: number, why: string) =>
    Result.fail(
      new SnapshotDamaged({ file: name, offset, message: `snapshot ${name} is damaged at ${offset}: ${why}` })
    )
  if (file.length < prefixLength) return damaged(file.length, "it ends before its head does")
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const number = (at: number) => view.getUint32(at, true)
  if (number(0) !== magic) return damaged(0, "this is no snapshot of a state")
  if (number(4) !== format) {
    return damaged(
      4,
      `it is of format ${number(4)}, and this program reads format ${format}: was it written by a later one?`
    )
  }
  const length = number(8)
  const count = number(12)
  const table = prefixLength + length
  const head = table + entryLength * count
  if (length > descriptionLengthMax || head > file.length) return damaged(8, "its head is longer than it can be")
  if (headChecksum(file, head, checksum) !== number(checkedLength)) {
    return damaged(checkedLength, "the check sum of its head is another")
  }
  let end = head
  for (let i = 0; i < count; i++) end += number(table + i * entryLength)
  if (end !== file.length) return damaged(head, `it should have ${end} bytes, and has ${file.length}`)
  const description = describe(file.subarray(prefixLength, table))
  if (typeof description === "string") return damaged(prefixLength, `its description cannot be read: ${description}`)
  const pieces = function* (): Generator<Piece, void> {
    let offset = head
    for (let i = 0; i < count; i++) {
      const bytes = file.subarray(offset, offset + number(table + i * entryLength))
      if (checksum(bytes) !== number(table + i * entryLength + 4)) {
        throw pieceDamaged(name, i, offset, "its check sum is another")
      }
      yield { bytes, offset }
      offset += bytes.length
    }
  }
  return Result.succeed({ description, pieces: { [Symbol.iterator]: pieces } })
}

/**
 * Why a file is not the one that was looked for: the snapshot of this partition at `time` - or before it, where others build on it -
 * which builds on `base`. It is refused where the state is spread otherwise.
 */
export const faultOf = (
  file: string,
  found: SnapshotDescription,
  wanted: SnapshotDescription,
  isLast: boolean
): SnapshotDamaged | StateRefused | undefined => {
  if (found.app === wanted.app && found.operator === wanted.operator && found.partitions !== wanted.partitions) {
    return StateRefused.otherPartitions(wanted.operator, found.partitions, wanted.partitions)
  }
  const isWanted = found.app === wanted.app && found.operator === wanted.operator &&
    found.partition === wanted.partition && found.base === wanted.base &&
    (isLast ? found.time === wanted.time : found.time < wanted.time)
  if (isWanted) return undefined
  return new SnapshotDamaged({
    file,
    offset: prefixLength,
    message: `snapshot ${file} is of ${textOf(found)}, and not of ${textOf(wanted)}`
  })
}

const textOf = ({ app, base, operator, partition, time }: SnapshotDescription): string =>
  `partition ${partition} of "${operator}" of the app "${app}" at ${time} ms, ` +
  (base === null ? "whole" : `building on ${base}`)

/** The pieces of the files of a chain, base first. Throws `SnapshotDamaged`. */
export function* piecesOf(
  chain: Iterable<readonly [file: string, contents: SnapshotContents]>,
  codec: Pick<RecordCodec, "decode">
): Generator<unknown, void> {
  for (const [file, { pieces }] of chain) {
    let index = 0
    for (const { bytes, offset } of pieces) {
      let piece: unknown
      try {
        piece = codec.decode(bytes.slice().buffer)
      } catch (error) {
        throw pieceDamaged(file, index, offset, describeError(error))
      }
      yield piece
      index++
    }
  }
}

const pieceDamaged = (file: string, index: number, offset: number, why: string): SnapshotDamaged =>
  new SnapshotDamaged({ file, offset, message: `snapshot ${file}: piece ${index} is damaged at ${offset}: ${why}` })

/** A text: why it is none. */
const describe = (bytes: Uint8Array): SnapshotDescription | string => {
  try {
    const decoded = isDescription(JSON.parse(text.decode(bytes)))
    return Result.isSuccess(decoded) ? decoded.success : decoded.failure.message
  } catch (error) {
    return describeError(error)
  }
}
