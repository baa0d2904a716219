/**
 * SizeEstimator: about how many bytes of memory a block takes. Records are sampled, evenly over the block, and walked to a
 * limited depth and number of values; encoded parts are known exactly. It is an estimate for accounting, with V8's layout in
 * mind, and the same for the same records in every process. Source: Spark's `SizeEstimator`.
 */
import type { BlockContents } from "./BlockContents.ts"

/** Records looked at per part. */
const samplesMax = 64
/** Values looked at per record; what lies beyond is taken to be like what was seen. */
const valuesMax = 256
/** Characters looked at to tell one byte from two bytes per character. */
const charactersMax = 256
/** Object, backing store and bookkeeping of a typed array. */
const typedArrayBytes = 200
const objectBytes = 32
const slotBytes = 8

export const estimateBytes = (contents: BlockContents): number => {
  let total = 0
  for (const part of contents.parts) {
    total += part.kind === "bytes" ? typedArrayBytes + part.bytes.byteLength : estimateRecords(part.records)
  }
  return total
}

/** One record, walked to a limited number of values. */
export const estimateRecordBytes = (record: unknown): number =>
  Math.ceil(slotBytes + estimateValue(record, { left: valuesMax }))

const estimateRecords = (records: ReadonlyArray<unknown>): number => {
  const samples = Math.min(samplesMax, records.length)
  if (samples === 0) return objectBytes
  let sampled = 0
  for (let i = 0; i < samples; i++) {
    sampled += estimateValue(records[Math.floor((i * records.length) / samples)], { left: valuesMax })
  }
  return Math.ceil(objectBytes + records.length * (slotBytes + sampled / samples))
}

const estimateValue = (value: unknown, budget: { left: number }): number => {
  budget.left--
  if (typeof value === "string") return stringBytes(value)
  if (typeof value === "bigint") return 24
  if (typeof value !== "object" || value === null) return slotBytes
  if (ArrayBuffer.isView(value)) return typedArrayBytes + value.byteLength
  if (value instanceof ArrayBuffer) return typedArrayBytes + value.byteLength
  if (Array.isArray(value)) return objectBytes + estimateMembers(value, value.length, budget)
  if (value instanceof Map) return objectBytes + 2 * estimateMembers(value.values(), value.size, budget)
  if (value instanceof Set) return objectBytes + estimateMembers(value, value.size, budget)
  const members = Object.values(value)
  return objectBytes + estimateMembers(members, members.length, budget)
}

const estimateMembers = (members: Iterable<unknown>, size: number, budget: { left: number }): number => {
  let seen = 0
  let bytes = 0
  for (const member of members) {
    if (budget.left <= 0) break
    bytes += slotBytes + estimateValue(member, budget)
    seen++
  }
  return seen === 0 ? size * slotBytes : (bytes / seen) * size
}

const stringBytes = (value: string): number => {
  const looked = Math.min(value.length, charactersMax)
  for (let i = 0; i < looked; i++) {
    if (value.charCodeAt(i) > 255) return 24 + 2 * value.length
  }
  return 24 + value.length
}
