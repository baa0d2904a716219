/**
 * writeRecords: the records of a partition to a new file, encoded, in chunks, synced.
 */
import * as fs from "node:fs/promises"
import type { Encode } from "./formats.ts"

/** Bytes, or characters, of a file that are written at once. */
const chunkLength = 1 << 20

/** How many bytes there are. The file is not there before; when this fails it may be, in part. */
export const writeRecords = async (
  name: string,
  records: ReadonlyArray<unknown>,
  encode: Encode,
  signal: AbortSignal
): Promise<number> => {
  const file = await fs.open(name, "wx")
  try {
    let written = 0
    let texts = ""
    let bytes: Array<Uint8Array> = []
    let bytesLength = 0
    const write = async (chunk: Uint8Array) => {
      await file.appendFile(chunk)
      written += chunk.byteLength
    }
    const flush = async () => {
      signal.throwIfAborted()
      if (texts !== "") await write(Buffer.from(texts))
      if (bytesLength > 0) await write(Buffer.concat(bytes))
      texts = ""
      bytes = []
      bytesLength = 0
    }
    for (let i = 0; i < records.length; i++) {
      const encoded = encode(records[i])
      if (typeof encoded === "string") texts += encoded
      else bytesLength += bytes[bytes.push(encoded) - 1]!.length
      if (texts.length + bytesLength >= chunkLength) await flush()
    }
    await flush()
    await file.datasync()
    return written
  } finally {
    await file.close()
  }
}
