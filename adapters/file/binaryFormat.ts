/**
 * binaryFormat: records of a fixed length. A file whose length is no multiple of it fails, or its last bytes are dropped and told.
 *
 * The records of a chunk are views of one buffer, which no other chunk uses: a record that is kept keeps its chunk.
 */
import { Effect } from "effect"
import type { ChunkReader } from "../../core/dstream/InputDStream.ts"
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
    return Array.from(
      { length: bytes / recordLength },
      (_, index) => buffer.subarray(index * recordLength, (index + 1) * recordLength)
    )
  })
  return { next: Effect.suspend(next) }
}

const partial = ({ length, path }: FilePart, rest: number, { onPartialRecord, recordLength }: BinaryFormat) => {
  const message =
    `The file ${path} has ${length} bytes, which is no multiple of the record length of ${recordLength}: ` +
    `its last ${rest} bytes are no record`
  if (onPartialRecord === "drop") return Effect.logWarning(`${message}, and are dropped`)
  const remedy = `correct the file or recordLength, or set onPartialRecord: "drop"`
  return Effect.fail(new FileError({ reason: "PartialRecord", path, message: `${message}; ${remedy}` }))
}
