/**
 * Checksum: how bytes in stable storage are checked. CRC-32 by a table, unless adapters provide a native one; every making is the
 * same function, for what one process wrote another reads.
 */
import { Context } from "effect"
import { type Checksum as ChecksumOf, crc32 } from "../../core/wal/crc32.ts"

export const Checksum = Context.Reference<ChecksumOf>("dstreams/Checksum", { defaultValue: () => crc32 })
