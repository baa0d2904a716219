/**
 * compression: the records of a batch as they lie in logs. What is decompressed is never longer than a limit, whatever the bytes say.
 *
 * | | |
 * | --- | --- |
 * | gzip, zstd | by node:zlib |
 * | snappy | `snappy.ts`, in blocks as the Java client writes them |
 * | lz4 | `lz4.ts`, the frame format |
 */
import * as zlib from "node:zlib"
import { describeError } from "../../../core/protocol/describeError.ts"
import * as lz4 from "./lz4.ts"
import { tooLong } from "./matching.ts"
import { BadBatch, type Compression } from "./RecordBatch.ts"
import * as snappy from "./snappy.ts"

type Compressed = Exclude<Compression, "none">

/** Throws a BadBatch for what is damaged, or longer than `limit` bytes. */
export const decompress = (compression: Compressed, bytes: Uint8Array, limit: number): Uint8Array => {
  try {
    return codecs[compression].decompress(bytes, limit)
  } catch (error) {
    if (error instanceof BadBatch) throw error
    if ((error as NodeJS.ErrnoException)?.code === "ERR_BUFFER_TOO_LARGE") throw tooLong(limit)
    throw new BadBatch(`it cannot be decompressed as ${compression} (${describeError(error)})`)
  }
}

export const compress = (compression: Compressed, bytes: Uint8Array): Uint8Array => codecs[compression].compress(bytes)

interface Codec {
  readonly compress: (bytes: Uint8Array) => Uint8Array
  readonly decompress: (bytes: Uint8Array, limit: number) => Uint8Array
}

const codecs: Readonly<Record<Compressed, Codec>> = {
  gzip: {
    compress: (bytes) => zlib.gzipSync(bytes),
    decompress: (bytes, limit) => zlib.gunzipSync(bytes, { maxOutputLength: limit })
  },
  zstd: {
    compress: (bytes) => zlib.zstdCompressSync(bytes),
    decompress: (bytes, limit) => zlib.zstdDecompressSync(bytes, { maxOutputLength: limit })
  },
  snappy,
  lz4
}
