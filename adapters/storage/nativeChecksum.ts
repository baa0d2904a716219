/**
 * nativeChecksum: the CRC-32 of zlib, for `Checksum`: the same as the table in core, at the speed of the machine.
 */
import * as zlib from "node:zlib"
import { Layer } from "effect"
import { type Checksum as ChecksumOf, crc32 } from "../../core/wal/crc32.ts"
import { Checksum } from "../../runtime/storage/Checksum.ts"

/** Short texts are done before the call would have reached zlib. */
const nativeBytesMin = 64

export const nativeChecksum: ChecksumOf = (bytes) => bytes.length < nativeBytesMin ? crc32(bytes) : zlib.crc32(bytes)

export const layer = Layer.succeed(Checksum, nativeChecksum)
