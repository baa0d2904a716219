/**
 * binaryFormat: records of a fixed length. A file whose length is no multiple of it fails, or its last bytes are dropped and told.
 *
 * The records of a chunk are views of one buffer, which no other chunk uses: a record that is kept keeps its chunk.
 */
import { Buffer } from "node:buffer"
import { Effect } from "effect"
import type { ChunkReader } from "../../core/dstream/InputDStream.ts"
import type { ByteStream } from "./decompression.ts"
import { FileError } from "./FileError.ts"
import type { FilePart } from "./FilePart.ts"
import type { PartReader } from "./PartReader.ts"

export interface BinaryFormat {
  readonly recordLength: number
  readonly onPartialRecord: "fail" | "drop"
}

const chunkBytes = 256 * 1024

export const recordsIn = ({ from, to }: FilePart, { recordLength }: BinaryFormat): number =>
  Math.floor((to - from) / recordLength)

export const readRecords = (reader: PartReader, format: BinaryFormat): ChunkReader<Uint8Array, FileError> => {
  const { part } = reader
  const { recordLength } = format
  const step = Math.max(1, Math.floor(chunkBytes / recordLength)) * recordLength
  const rest = (part.to - part.from) % recordLength
  let at = part.from
  const next = Effect.fnUntraced(function* () {
    if (rest > 0 && at === part.from) yield* partial(part, rest, format)
    const bytes = Math.min(step, part.to - rest - at)
    if (bytes <= 0) return undefined
    const buffer = new Uint8Array(bytes)
    yield* reader.fill(at, buffer)
    at += bytes
    return cut(buffer, bytes / recordLength, format)
  })
  return { next: Effect.suspend(next) }
}

/** The records of a file that is decompressed: how many there are shows at its end. */
export const readRecordsOf = (
  contents: ByteStream,
  path: string,
  format: BinaryFormat
): ChunkReader<Uint8Array, FileError> => {
  const { recordLength } = format
  let rest: Array<Uint8Array> = []
  let restBytes = 0
  let length = 0
  const next = Effect.fnUntraced(function* () {
    while (true) {
      const bytes = yield* contents.next
      if (bytes === undefined) {
        if (restBytes > 0) yield* partial({ length, path }, restBytes, format)
        restBytes = 0
        return undefined
      }
      length += bytes.byteLength
      rest.push(bytes)
      restBytes += bytes.byteLength
      const count = Math.floor(restBytes / recordLength)
      if (count === 0) continue
      const buffer = Buffer.concat(rest)
      restBytes -= count * recordLength
      rest = [buffer.subarray(count * recordLength)]
      return cut(buffer, count, format)
    }
  })
  return { next: Effect.suspend(next) }
}

const cut = (buffer: Uint8Array, count: number, { recordLength }: BinaryFormat): ReadonlyArray<Uint8Array> =>
  Array.from({ length: count }, (_, index) => buffer.subarray(index * recordLength, (index + 1) * recordLength))

const partial = (
  { length, path }: Pick<FilePart, "length" | "path">,
  rest: number,
  { onPartialRecord, recordLength }: BinaryFormat
) => {
  const message =
    `The file ${path} has ${length} bytes, which is no multiple of the record length of ${recordLength}: ` +
    `its last ${rest} bytes are no record`
  if (onPartialRecord === "drop") return Effect.logWarning(`${message}, and are dropped`)
  const remedy = `correct the file or recordLength, or set onPartialRecord: "drop"`
  return Effect.fail(new FileError({ reason: "PartialRecord", path, message: `${message}; ${remedy}` }))
}
