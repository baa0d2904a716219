/**
 * ownFormat: records that the user's function makes of a whole file, or of its bytes as they are read. One part per file.
 */
import { Effect } from "effect"
import type { ChunkReader } from "../../core/dstream/InputDStream.ts"
import { describeError } from "../../core/protocol/describeError.ts"
import { FileError } from "./FileError.ts"
import type { PartReader } from "./PartReader.ts"

/** Which file is read. */
export interface FileInfo {
  readonly path: string
  /** Bytes. */
  readonly length: number
  /** Milliseconds since the epoch. */
  readonly modified: number
}

/** Makes records of a file's bytes in order; it keeps what is not complete. */
export interface FileDecoder<out A> {
  /** `bytes` are not used again. */
  readonly push: (bytes: Uint8Array) => Iterable<A>
  readonly end?: (() => Iterable<A>) | undefined
}

const chunkBytes = 1024 * 1024
/** Records of a chunk; an iterable may be a generator that makes them one by one. */
const chunkRecords = 4096

/** All records of the file at once. */
export const readWhole = <A>(
  reader: PartReader,
  read: (bytes: Uint8Array, file: FileInfo) => Iterable<A>,
  maxFileBytes: number
): ChunkReader<A, FileError> => {
  const { length, path } = reader.part
  const tooLarge = new FileError({
    reason: "TooLarge",
    path,
    message:
      `The file ${path} has ${length} bytes, more than the ${maxFileBytes} that are read at once: raise maxFileBytes, ` +
      "or give a decoder, which reads it piece by piece"
  })
  const open = Effect.suspend(() => {
    if (length > maxFileBytes) return Effect.fail(tooLarge)
    const bytes = new Uint8Array(length)
    return Effect.map(reader.fill(0, bytes), () => () => read(bytes, infoOf(reader)))
  })
  let opened = false
  return inChunks(path, Effect.suspend(() => opened ? Effect.undefined : (opened = true, open)))
}

/** The records that `decoder` makes of the file piece by piece. */
export const readDecoded = <A>(
  reader: PartReader,
  makeDecoder: (file: FileInfo) => FileDecoder<A>
): ChunkReader<A, FileError> => {
  const { length, path } = reader.part
  let decoder: FileDecoder<A> | undefined
  let at = 0
  const push = Effect.suspend(() => {
    const bytes = new Uint8Array(Math.min(chunkBytes, length - at))
    return Effect.map(reader.fill(at, bytes), () => () => {
      decoder ??= makeDecoder(infoOf(reader))
      at += bytes.byteLength
      return decoder.push(bytes)
    })
  })
  let ended = false
  const end = Effect.sync(() => {
    ended = true
    return () => decoder?.end?.() ?? []
  })
  return inChunks(path, Effect.suspend(() => at < length ? push : ended ? Effect.undefined : end))
}

const infoOf = ({ part: { length, modified, path } }: PartReader): FileInfo => ({ path, length, modified })

/** Takes records from what `more` gives, one iterable after the other; undefined is the end. */
const inChunks = <A>(
  path: string,
  more: Effect.Effect<(() => Iterable<A>) | undefined, FileError>
): ChunkReader<A, FileError> => {
  let records: Iterator<A> | undefined
  const user = <B>(work: () => B): Effect.Effect<B, FileError> =>
    Effect.try({
      try: work,
      catch: (cause) => {
        const message =
          `The function that makes records of ${path} threw (${describeError(cause)}): correct the function, ` +
          "or keep the file out with a filter"
        return new FileError({ reason: "FormatFailed", path, message, cause })
      }
    })
  const next = Effect.fnUntraced(function* () {
    while (true) {
      if (records === undefined) {
        const iterable = yield* more
        if (iterable === undefined) return undefined
        records = yield* user(() => iterable()[Symbol.iterator]())
      }
      const from = records
      const chunk = yield* user(() => take(from))
      if (chunk.length < chunkRecords) records = undefined
      if (chunk.length > 0) return chunk
    }
  })
  return { next: Effect.suspend(next) }
}

const take = <A>(records: Iterator<A>): ReadonlyArray<A> => {
  const chunk: Array<A> = []
  while (chunk.length < chunkRecords) {
    const one = records.next()
    if (one.done === true) break
    chunk.push(one.value)
  }
  return chunk
}
