/**
 * decompression: the contents of files that are compressed, told by their extensions, piece by piece.
 *
 * | extension | |
 * | --- | --- |
 * | `.gz` | read by node:zlib, member after member; a file that is cut short or damaged fails |
 * | `.bz2`, `.deflate`, `.lz4`, `.lzo`, `.snappy`, `.xz`, `.zst` | refused: what they hold would be read as if it were records |
 *
 * `.zst` is refused although node:zlib knows it: of several frames it reads the first only, and not on every host does it tell a
 * file that was cut short from a whole one. Memory is bounded however much a file grows: input is given as long as
 * output is taken. A stream that is dropped half-way holds nothing but memory. Source: Hadoop's `CompressionCodecFactory`.
 */
import { createGunzip } from "node:zlib"
import { Effect } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { FileError } from "./FileError.ts"
import type { PartReader } from "./PartReader.ts"

/** Bytes in order; undefined is the end. */
export interface ByteStream {
  readonly next: Effect.Effect<Uint8Array | undefined, FileError>
}

const inputBytes = 64 * 1024
const outputBytes = 256 * 1024

const gzip = /\.gz$/i
const refused = /\.(bz2|deflate|lz4|lzo|snappy|xz|zst)$/i

/** Such a file cannot be read from its middle, nor is it told how long its contents are. */
export const isCompressed = (path: string): boolean => gzip.test(path) || refused.test(path)

/** The contents of a file that is compressed; undefined: it is not. */
export const contentsOf = (reader: PartReader): ByteStream | undefined => {
  const { path } = reader.part
  if (gzip.test(path)) return gunzipped(reader)
  const [extension] = refused.exec(path) ?? []
  return extension === undefined ? undefined : { next: Effect.fail(unknown(path, extension)) }
}

const gunzipped = (reader: PartReader): ByteStream => {
  const { length, path } = reader.part
  const gunzip = createGunzip({ chunkSize: outputBytes })
  let at = 0
  let isHungry = true
  let isEnded = false
  let failure: Error | undefined
  /** Something happened since it was last looked at. */
  let changed = false
  let wake = () => {}
  const tell = () => {
    changed = true
    wake()
  }
  gunzip.on("readable", tell)
  gunzip.on("end", () => {
    isEnded = true
    tell()
  })
  gunzip.on("error", (error) => {
    failure = error
    tell()
  })

  const feed = Effect.fnUntraced(function* () {
    const bytes = new Uint8Array(Math.min(inputBytes, length - at))
    yield* reader.fill(at, bytes)
    at += bytes.byteLength
    isHungry = false
    if (at === length) gunzip.end(bytes)
    else {gunzip.write(bytes, () => {
        isHungry = true
        tell()
      })}
  })
  const change = Effect.callback<void>((resume) => {
    wake = () => resume(Effect.void)
    if (changed) wake()
  })
  const next = Effect.fnUntraced(function* () {
    while (true) {
      changed = false
      const bytes: Uint8Array | null = gunzip.read()
      if (bytes !== null) return bytes
      if (failure !== undefined) return yield* damaged(path, failure)
      if (isEnded) return undefined
      yield* isHungry ? feed() : change
    }
  })
  return { next: Effect.suspend(next) }
}

const damaged = (path: string, cause: Error) =>
  new FileError({
    reason: "Damaged",
    path,
    message: `The file ${path} cannot be decompressed as gzip (${describeError(cause)}): write it anew as a whole, ` +
      "give it a name that does not end with .gz if it is not compressed, or keep it out with a filter",
    cause
  })

const unknown = (path: string, extension: string) =>
  new FileError({
    reason: "UnknownCompression",
    path,
    message:
      `The file ${path} is compressed as ${extension}, which is not read: compress files with gzip (.gz), or not ` +
      "at all, read them with File.stream and a decoder that decompresses, or keep them out with a filter"
  })
