/**
 * crc32: the check sum of logs, checkpoints and snapshots: CRC-32 (IEEE 802.3), that of zlib and Ethernet, by a table.
 *
 * Adapters supply a native one where speed counts; it is the same function, so that files of one can be read with the other.
 */

/** Of all bytes, as an unsigned integer of 32 bits. */
export type Checksum = (bytes: Uint8Array) => number

/** Four tables: four bytes a turn. */
const tables: ReadonlyArray<Uint32Array> = (() => {
  const made = Array.from({ length: 4 }, () => new Uint32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
    made[0]![byte] = value >>> 0
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let k = 1; k < 4; k++) {
      const before = made[k - 1]![byte]!
      made[k]![byte] = ((before >>> 8) ^ made[0]![before & 255]!) >>> 0
    }
  }
  return made
})()

export const crc32: Checksum = (bytes) => {
  const [t0, t1, t2, t3] = tables as readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array]
  let crc = -1
  let i = 0
  for (const whole = bytes.length - 3; i < whole; i += 4) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    crc = t3[crc & 255]! ^ t2[(crc >>> 8) & 255]! ^ t1[(crc >>> 16) & 255]! ^ t0[crc >>> 24]!
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]!) & 255]!
  return ~crc >>> 0
}
