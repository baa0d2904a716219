/**
 * murmur2: the hash by which Kafka's own clients choose the partition of a key, so that records of one key come to one partition whoever
 * writes them. Of a text, the hash of its UTF-8 bytes; where it is ASCII they are not made.
 */
import { Buffer } from "node:buffer"

const seed = 0x9747b28c | 0
const factor = 0x5bd1e995

/** A number of 32 bits, with sign. */
export const murmur2 = (key: Uint8Array | string): number => {
  if (typeof key !== "string") return hashOf(key)
  return isAscii(key) ? hashOfAscii(key) : hashOf(Buffer.from(key))
}

/** What Kafka's Java client chooses for the key of a record. */
export const partitionOfKey = (key: Uint8Array | string, numPartitions: number): number =>
  (murmur2(key) & 0x7fffffff) % numPartitions

const isAscii = (text: string): boolean => {
  let all = 0
  for (let i = 0; i < text.length; i++) all |= text.charCodeAt(i)
  return all < 128
}

const hashOf = (bytes: Uint8Array): number => {
  const whole = bytes.length & ~3
  let hash = seed ^ bytes.length
  for (let i = 0; i < whole; i += 4) {
    hash = mixed(hash, bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24)
  }
  let rest = 0
  for (let i = bytes.length - 1; i >= whole; i--) rest = rest << 8 | bytes[i]!
  return finished(bytes.length > whole ? Math.imul(hash ^ rest, factor) : hash)
}

const hashOfAscii = (text: string): number => {
  const whole = text.length & ~3
  let hash = seed ^ text.length
  for (let i = 0; i < whole; i += 4) {
    hash = mixed(
      hash,
      text.charCodeAt(i) | text.charCodeAt(i + 1) << 8 | text.charCodeAt(i + 2) << 16 | text.charCodeAt(i + 3) << 24
    )
  }
  let rest = 0
  for (let i = text.length - 1; i >= whole; i--) rest = rest << 8 | text.charCodeAt(i)
  return finished(text.length > whole ? Math.imul(hash ^ rest, factor) : hash)
}

const mixed = (hash: number, word: number): number => {
  const scaled = Math.imul(word, factor)
  return Math.imul(hash, factor) ^ Math.imul(scaled ^ scaled >>> 24, factor)
}

const finished = (hash: number): number => {
  const folded = Math.imul(hash ^ hash >>> 13, factor)
  return folded ^ folded >>> 15
}
