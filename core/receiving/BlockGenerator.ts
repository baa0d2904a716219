/**
 * BlockGenerator: collects records, cuts them into blocks at block intervals, keeps the blocks until they are pushed. Pure.
 *
 * | phase | add | cut | take |
 * | --- | --- | --- | --- |
 * | Active | to the current buffer | if there is something and the queue has room, a block | the oldest block |
 * | StoppedAdding | refused | as above, and past the queue's size: it is the last | as above |
 *
 * Invariants: what was added and not refused is in exactly one block, in order; what one call added is in one block; a block is
 * never empty; blocks are taken in the order in which they were cut. What is buffered counts until its block is `release`d, so
 * that the soft limit (answer "pause") covers current buffer, queue and the block being pushed; beyond the hard limit a call is
 * refused whole and its records counted. Records count with about their memory (`RecordSizes`), encoded parts with
 * their bytes. While the queue is full, cutting waits and the current buffer grows up to the limits.
 * Source: Spark Streaming's `BlockGenerator`.
 */
import type { BlockContents, BlockPart } from "../blocks/BlockContents.ts"
import type { Time } from "../time/Time.ts"
import type { ReceivingSettings } from "./ReceivingSettings.ts"
import { RecordSizes } from "./RecordSizes.ts"

export interface GeneratedBlock {
  /** Start of the interval that it was cut from: shown, not an identity. */
  readonly intervalStart: Time
  readonly contents: BlockContents
  readonly records: number
  /** Of records by estimate, of encoded parts exactly. */
  readonly bytes: number
}

/** `go`: kept, go on. `pause`: kept, wait for room. `refused`: not kept. */
export type Answer = "go" | "pause" | "refused"

type Limits = Pick<
  ReceivingSettings,
  | "blockIntervalMillis"
  | "blockQueueSize"
  | "bufferedRecordsSoftMax"
  | "bufferedRecordsHardMax"
  | "bufferedBytesSoftMax"
  | "bufferedBytesHardMax"
>

/** Owned by one supervisor: only the functions of this module change it. */
export interface BlockGenerator {
  readonly limits: Limits
  readonly sizes: RecordSizes
  phase: "Active" | "StoppedAdding"
  /** The current buffer: closed parts, and the records that follow them. */
  parts: Array<BlockPart>
  open: Array<unknown>
  currentRecords: number
  currentBytes: number
  readonly queue: Array<GeneratedBlock>
  /** In the current buffer, the queue, and the blocks not yet released. */
  bufferedRecords: number
  bufferedBytes: number
  /** Records refused so far. */
  refused: number
}

export const make = (limits: Limits): BlockGenerator => ({
  limits,
  sizes: new RecordSizes(),
  phase: "Active",
  parts: [],
  open: [],
  currentRecords: 0,
  currentBytes: 0,
  queue: [],
  bufferedRecords: 0,
  bufferedBytes: 0,
  refused: 0
})

export const addRecord = (self: BlockGenerator, record: unknown): Answer => {
  const bytes = self.sizes.estimate(record)
  if (!hasRoom(self, 1, bytes)) return refuse(self, 1)
  self.open.push(record)
  return count(self, 1, bytes)
}

/** All in one block. */
export const addRecords = (self: BlockGenerator, records: ReadonlyArray<unknown>): Answer => {
  let bytes = 0
  for (const record of records) bytes += self.sizes.estimate(record)
  if (!hasRoom(self, records.length, bytes)) return refuse(self, records.length)
  for (const record of records) self.open.push(record)
  return count(self, records.length, bytes)
}

/** Encoded records; the bytes are the generator's from now on. */
export const addChunk = (self: BlockGenerator, bytes: Uint8Array, records: number): Answer => {
  if (!hasRoom(self, records, bytes.byteLength)) return refuse(self, records)
  closeOpen(self)
  self.parts.push({ kind: "bytes", bytes, records })
  return count(self, records, bytes.byteLength)
}

const hasRoom = ({ phase, limits, bufferedRecords, bufferedBytes }: BlockGenerator, records: number, bytes: number) =>
  phase === "Active" && bufferedRecords + records <= limits.bufferedRecordsHardMax &&
  bufferedBytes + bytes <= limits.bufferedBytesHardMax

const refuse = (self: BlockGenerator, records: number): Answer => {
  self.refused += records
  return "refused"
}

const count = (self: BlockGenerator, records: number, bytes: number): Answer => {
  self.currentRecords += records
  self.currentBytes += bytes
  self.bufferedRecords += records
  self.bufferedBytes += bytes
  return isFull(self) ? "pause" : "go"
}

const closeOpen = (self: BlockGenerator): void => {
  if (self.open.length === 0) return
  self.parts.push({ kind: "records", records: self.open })
  self.open = []
}

/** At or over a soft limit: who adds should wait. */
export const isFull = ({ limits, queue, bufferedRecords, bufferedBytes }: BlockGenerator): boolean =>
  queue.length >= limits.blockQueueSize || bufferedRecords >= limits.bufferedRecordsSoftMax ||
  bufferedBytes >= limits.bufferedBytesSoftMax

/** Whether the current buffer holds anything. */
export const hasCurrent = (self: BlockGenerator): boolean => self.open.length > 0 || self.parts.length > 0

/** Nothing is buffered, waits or is being pushed. */
export const isDrained = (self: BlockGenerator): boolean => self.bufferedRecords === 0 && self.bufferedBytes === 0

/** A tick: the current buffer becomes a block. Answers whether it did. */
export const cut = (self: BlockGenerator, time: Time): boolean => {
  const isLast = self.phase === "StoppedAdding"
  if (!hasCurrent(self) || (!isLast && self.queue.length >= self.limits.blockQueueSize)) return false
  closeOpen(self)
  self.queue.push({
    intervalStart: time - self.limits.blockIntervalMillis,
    contents: { parts: self.parts },
    records: self.currentRecords,
    bytes: self.currentBytes
  })
  self.parts = []
  self.currentRecords = 0
  self.currentBytes = 0
  return true
}

/** The oldest block; its records stay buffered until it is released. */
export const take = (self: BlockGenerator): GeneratedBlock | undefined => self.queue.shift()

/** The block is pushed, or given up. */
export const release = (self: BlockGenerator, block: GeneratedBlock): void => {
  self.bufferedRecords -= block.records
  self.bufferedBytes -= block.bytes
}

/** No more is added; what is there is still cut and taken. */
export const stopAdding = (self: BlockGenerator): void => {
  self.phase = "StoppedAdding"
}
