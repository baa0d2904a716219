/**
 * File: streams of the files that appear in a directory: lines of text, records of a fixed length, or a format of your own; and
 * outputs that save each batch to a directory (`adapters/save`).
 *
 * A batch reads the files that were modified since the last ones, each once; they have to be complete when they appear: write
 * them elsewhere, or under a hidden name, and rename them in. Their clocks are this machine's: times of modification are compared
 * with batch times. A file is read again by name when its batch is computed again, so it has to stay as long as that may happen.
 * On several machines all have to see the directory under the same path. Source: Spark Streaming's `textFileStream`,
 * `binaryRecordsStream` and `fileStream`.
 */
import { Effect } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import type { ChunkReader, InputReader } from "../../core/dstream/InputDStream.ts"
import { millisOf } from "../../core/time/Time.ts"
import { type BinaryFormat, readRecords, readRecordsOf, recordsIn } from "./binaryFormat.ts"
import { contentsOf, isCompressed } from "./decompression.ts"
import { type FileError, isGone } from "./FileError.ts"
import { type FilePart, partsOf } from "./FilePart.ts"
import * as FilePlanner from "./FilePlanner.ts"
import { isVisible, rememberedBatches } from "./FileSelection.ts"
import { type FileStatus, FileWorld } from "./FileWorld.ts"
import { defaults, type FileOptions, validate } from "./options.ts"
import { type FileDecoder, type FileInfo, readDecoded, readWhole } from "./ownFormat.ts"
import * as PartReader from "./PartReader.ts"
import { readLines, readLinesOf, type TextFormat } from "./textFormat.ts"

export { FileError } from "./FileError.ts"
export { type FileOperations, type FileStatus, FileWorld, type Listing, type RangeRead } from "./FileWorld.ts"
export { type MemoryFiles, memoryFiles } from "./memoryFiles.ts"
export { type FileOptions, InvalidFileStream } from "./options.ts"
export type { FileDecoder, FileInfo } from "./ownFormat.ts"
export {
  type FileSink,
  type FileSinkOptions,
  type ObjectFormat,
  type ObjectOptions,
  type RollOptions,
  saveAsObjectFiles,
  saveAsTextFiles,
  SaveError,
  sink
} from "../save/mod.ts"

export interface SplitOptions {
  /** A larger file is read as several partitions, unless it is compressed. 32 MiB */
  readonly maxPartitionBytes?: number | undefined
}

export interface TextOptions extends FileOptions, SplitOptions {
  /** A file with a longer line fails the batch. 16 MiB */
  readonly maxLineBytes?: number | undefined
  /** Bytes that are no UTF-8 are read as U+FFFD and told in the log (default), or fail the batch. */
  readonly onInvalid?: "replace" | "fail" | undefined
}

/**
 * Lines of UTF-8, ended by "\n" or "\r\n"; the last one needs no end. Files whose names end with `.gz` are decompressed, other
 * compressed ones fail the batch. Throws `InvalidFileStream`.
 */
export const textStream = (options: TextOptions): DStream.DStream<string, FileError> => {
  const { maxLineBytes = defaults.maxLineBytes, onInvalid = "replace" } = options
  const format: TextFormat = { maxLineBytes, onInvalid }
  return make("textFiles", options, [], {
    parts: (file) => partsOf(file, partitionBytes(file, options)),
    records: () => undefined,
    read: (reader) => {
      const contents = contentsOf(reader)
      return contents === undefined ? readLines(reader, format) : readLinesOf(contents, reader.part.path, format)
    }
  })
}

export interface BinaryOptions extends FileOptions, SplitOptions {
  /** Bytes of a record. */
  readonly recordLength: number
  /** A file whose length is no multiple fails the batch (default), or its last bytes are dropped and told in the log. */
  readonly onPartialRecord?: "fail" | "drop" | undefined
}

/** Records of a fixed length. Compressed files as in `textStream`. Throws `InvalidFileStream`. */
export const binaryRecordsStream = (options: BinaryOptions): DStream.DStream<Uint8Array, FileError> => {
  const { onPartialRecord = "fail", recordLength } = options
  const format: BinaryFormat = { onPartialRecord, recordLength }
  return make("binaryRecords", options, ["recordLength"], {
    parts: (file) => partsOf(file, partitionBytes(file, options), recordLength),
    records: (part) => isCompressed(part.path) ? undefined : recordsIn(part, format),
    read: (reader) => {
      const contents = contentsOf(reader)
      return contents === undefined ? readRecords(reader, format) : readRecordsOf(contents, reader.part.path, format)
    }
  })
}

const partitionBytes = (
  { path }: FileStatus,
  { maxPartitionBytes = defaults.maxPartitionBytes }: SplitOptions
): number => isCompressed(path) ? Infinity : maxPartitionBytes

/** How records are made of a file: of all its bytes at once, or of one piece after the other. */
export type FormatOptions<A> =
  & FileOptions
  & ({
    /** Gives the records of a file; a generator makes them as they are needed. */
    readonly read: (bytes: Uint8Array, file: FileInfo) => Iterable<A>
    /** A larger file fails the batch. 256 MiB */
    readonly maxFileBytes?: number | undefined
  } | {
    /** Called anew for each file. */
    readonly decoder: (file: FileInfo) => FileDecoder<A>
  })

/** Records of a format of your own, one partition per file, of its bytes as they are. Throws `InvalidFileStream`. */
export const stream = <A>(options: FormatOptions<A>): DStream.DStream<A, FileError> =>
  make("files", options, ["read" in options ? "read" : "decoder"], {
    parts: (file) => partsOf(file, Infinity),
    records: () => undefined,
    read: (reader) =>
      "read" in options
        ? readWhole(reader, options.read, options.maxFileBytes ?? defaults.maxFileBytes)
        : readDecoded(reader, options.decoder)
  })

interface Format<A> {
  readonly parts: (file: FileStatus) => ReadonlyArray<FilePart>
  /** Records of a part, where the format tells without reading. */
  readonly records: (part: FilePart) => number | undefined
  readonly read: (reader: PartReader.PartReader) => ChunkReader<A, FileError>
}

const make = <A>(
  kind: string,
  options: FileOptions,
  required: ReadonlyArray<string>,
  format: Format<A>
): DStream.DStream<A, FileError> => {
  validate({ ...options }, ["directory", ...required])
  const { filter = isVisible, minRemember = defaults.minRemember, newFilesOnly = true, onMissing = "fail" } = options
  return DStream.fromInput<A, FileError, never>(kind, {
    kind: "direct",
    remembers: (batchMillis) => rememberedBatches(batchMillis, millisOf(minRemember)) * batchMillis,
    planner: FilePlanner.make({
      directory: options.directory,
      filter,
      newFilesOnly,
      minRememberMillis: millisOf(minRemember),
      parts: format.parts,
      records: format.records
    }),
    reader: Effect.map(FileWorld, (world): InputReader<A, FileError> => ({
      read: ({ value }) =>
        Effect.sync(() => {
          const reader = format.read(PartReader.make(world, value as FilePart))
          return onMissing === "skip" ? skipping(reader) : reader
        })
    }))
  }, { ...options })
}

/** Ends where the file is not what was planned. */
const skipping = <A>({ next }: ChunkReader<A, FileError>): ChunkReader<A, FileError> => {
  let skipped = false
  const told = (error: FileError) =>
    Effect.as(Effect.logWarning(`${error.message}; what is left of it is skipped`), undefined)
  return {
    next: Effect.suspend(() =>
      skipped ? Effect.undefined : Effect.catch(next, (error) => {
        if (!isGone(error)) return Effect.fail(error)
        skipped = true
        return told(error)
      })
    )
  }
}
