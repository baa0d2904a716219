/**
 * PartitionLog: a partition as a broker keeps it: encoded record batches, one after the other.
 *
 * All else is a fold of the batches (`take`), so that a log that was cut off is only folded again: which producer has sent what
 * (its last five batches are known again), which transactions are open, which were aborted. Offsets only grow; there are gaps where
 * compaction took records, and where a marker of a transaction stands no reader sees a record. Each leader has an epoch, and it is
 * kept where each of which there are records began.
 */
import type { Fetched, Isolation, OffsetAt, ProducerIdentity, TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import type { KafkaRecord } from "../KafkaRecord.ts"
import { decode } from "../records/decode.ts"
import { encodeMarker } from "../records/encode.ts"
import { attribute, BadBatch, type BatchHeader, checkSum, headerAt, placeBatch } from "../records/RecordBatch.ts"
import type { Time } from "../../../core/time/Time.ts"
import { type Aborted, compacted, recordsOf } from "./compaction.ts"
import { fenced, outOfOrder, outOfRange, placeOf } from "./refusals.ts"
import type { Outcome } from "./Transactions.ts"

export interface LogBatch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
  /** It is the end of a transaction. */
  readonly marker: Outcome | undefined
}

interface ProducerState {
  epoch: number
  lastSequence: number
  /** The newest batches, by which a repetition is known. */
  recent: Array<{ readonly first: number; readonly last: number; readonly offset: number }>
  /** Where its open transaction begins. */
  openFrom: number | undefined
}

const noProducer = -1n
const recentMax = 5

export class PartitionLog {
  readonly where: TopicPartition
  /** null: it has none at the moment, and answers nothing. */
  leader: number | null = 0
  private batches: Array<LogBatch> = []
  private first = 0
  private next = 0
  private producers = new Map<bigint, ProducerState>()
  private aborted: Array<Aborted> = []
  /** The last is the present leader's. */
  private epochs = [{ epoch: 0, from: 0 }]

  constructor(where: TopicPartition) {
    this.where = where
  }

  /** The first offset that is there. */
  get start(): number {
    return this.first
  }

  /** The offset behind the last record. */
  get end(): number {
    return this.next
  }

  get leaderEpoch(): number {
    return this.epochs.at(-1)!.epoch
  }

  get lastStable(): number {
    let stable = this.next
    for (const { openFrom } of this.producers.values()) if (openFrom !== undefined) stable = Math.min(stable, openFrom)
    return stable
  }

  /** Whether a producer has a transaction open here. */
  isOpen(producerId: bigint, epoch: number): boolean {
    const producer = this.producers.get(producerId)
    return producer?.openFrom !== undefined && producer.epoch === epoch
  }

  /** Who has a transaction open here. */
  get open(): ReadonlyArray<ProducerIdentity> {
    return [...this.producers].flatMap(([id, { epoch, openFrom }]) => openFrom === undefined ? [] : [{ id, epoch }])
  }

  /** Takes one batch as it was sent; answers the offset of its first record, also of one that is there already. */
  append(batch: Uint8Array): number {
    const { baseSequence, lastOffset, producerEpoch, producerId, ...header } = this.readable(batch)
    const last = lastSequenceOf(baseSequence, lastOffset - header.baseOffset)
    const producer = this.producers.get(producerId)
    if (producerId !== noProducer && producer !== undefined) {
      if (producerEpoch < producer.epoch) {
        throw fenced(
          `a producer's batch for ${
            placeOf(this.where)
          } with epoch ${producerEpoch}, and the present one is ${producer.epoch}`
        )
      }
      const isNew = producerEpoch > producer.epoch
      const there = isNew ? undefined : producer.recent.find((it) => it.first === baseSequence && it.last === last)
      if (there !== undefined) return there.offset
      const expected = isNew ? 0 : sequenceAfter(producer.lastSequence)
      if (baseSequence !== expected) throw outOfOrder(this.where, baseSequence, expected)
    }
    return this.put(batch.slice(), undefined)
  }

  /** The marker that ends a producer's transaction. */
  mark(producerId: bigint, epoch: number, outcome: Outcome, now: Time): void {
    this.put(encodeMarker(outcome, { id: producerId, epoch }, { baseOffset: this.next, timestamp: now }), outcome)
  }

  /** What a fetch finds from an offset on; nothing at the end. */
  read(offset: number, maxBytes: number, isolation: Isolation): Fetched {
    const limit = isolation === "committed" ? this.lastStable : this.next
    if (offset < this.first || offset > this.next) throw outOfRange(this.where, offset, this.first, this.next)
    const from = this.indexOf(offset)
    let until = from
    let size = 0
    let end = offset
    while (until < this.batches.length && size < maxBytes) {
      const { bytes, header } = this.batches[until]!
      if (header.baseOffset >= limit) break
      size += bytes.length
      end = header.lastOffset + 1
      until++
    }
    const whole = this.batches.slice(from, until)
    return {
      // A broker cuts where it is full; the first batch comes as it is.
      bytes: joined(whole.map(({ bytes }) => bytes), Math.max(maxBytes, whole[0]?.bytes.length ?? 0)),
      logStart: this.first,
      highWatermark: this.next,
      lastStable: this.lastStable,
      aborted: isolation === "uncommitted"
        ? []
        : this.aborted.filter(({ firstOffset, lastOffset }) => firstOffset < end && lastOffset >= offset)
          .map(({ firstOffset, producerId }) => ({ firstOffset, producerId }))
    }
  }

  /** All that a reader sees. */
  records(isolation: Isolation): ReadonlyArray<KafkaRecord<string, string>> {
    const records: Array<KafkaRecord<string, string>> = []
    const { aborted, bytes } = this.read(this.first, Infinity, isolation)
    const range = { from: this.first, until: this.next, aborted }
    decode(bytes, { ...this.where, ...range, key: "text", value: "text" }, records)
    return records
  }

  offsetAt(at: OffsetAt, isolation: Isolation): number {
    const latest = isolation === "committed" ? this.lastStable : this.next
    if (at === "earliest") return this.first
    if (at === "latest") return latest
    for (const batch of this.batches) {
      if (batch.header.maxTimestamp < at.timestamp) continue
      const record = recordsOf(batch).find(({ offset, timestamp }) => timestamp >= at.timestamp && offset >= this.first)
      if (record !== undefined) return Math.min(record.offset, latest)
    }
    return latest
  }

  /** Where that ends which was written in this epoch or before; 0: it knows of none such. */
  epochEnd(epoch: number): number {
    if (epoch === this.leaderEpoch) return this.next
    const later = this.epochs.find((other) => other.epoch > epoch)
    return later === undefined ? 0 : Math.max(this.first, later.from)
  }

  /** Another leader takes over, that has all. */
  elect(): void {
    const epoch = this.leaderEpoch + 1
    this.epochs = [...this.epochs.filter(({ from }) => from < this.next), { epoch, from: this.next }]
  }

  /** Takes away what compaction takes: of each key all but the newest record, but nothing of the newest batch. Whether that is something. */
  compact(): boolean {
    const before = this.batches
    this.batches = compacted(before, this.lastStable, this.aborted)
    return this.batches.length < before.length || this.batches.some((batch, i) => batch !== before[i])
  }

  /** Retention: what lies before an offset is gone. */
  removeBefore(offset: number): void {
    this.first = Math.max(this.first, Math.min(offset, this.next))
    this.batches = this.batches.filter(({ header }) => header.lastOffset >= this.first)
  }

  /** Another leader that was behind takes over: all from an offset on is lost. */
  truncate(offset: number): void {
    const kept = this.batches.filter(({ header }) => header.lastOffset < offset)
    this.next = Math.min(this.next, Math.max(this.first, offset))
    this.batches = []
    this.producers = new Map()
    this.aborted = []
    const end = this.next
    for (const batch of kept) this.take(batch)
    this.next = end
    this.elect()
  }

  /** The header of what was sent; refused if it is not one whole batch. */
  readable(batch: Uint8Array): BatchHeader {
    try {
      const header = headerAt(batch, 0)
      if (header === undefined || header.end !== batch.length) throw new BadBatch("it is not one whole batch")
      if ((header.attributes & attribute.control) !== 0) throw new BadBatch("a marker comes from brokers only")
      if (header.recordCount !== header.lastOffset - header.baseOffset + 1) {
        throw new BadBatch("records are missing in it")
      }
      checkSum(batch, header)
      return header
    } catch (bad) {
      if (!(bad instanceof BadBatch)) throw bad
      throw new KafkaError({
        reason: "Damaged",
        ...this.where,
        message: `a batch for ${placeOf(this.where)} is refused: ${bad.message}; send one whole batch of the form 2`
      })
    }
  }

  private put(bytes: Uint8Array, marker: Outcome | undefined): number {
    const offset = this.next
    placeBatch(bytes, offset, this.leaderEpoch)
    this.take({ bytes, header: headerAt(bytes, 0)!, marker })
    return offset
  }

  private take(batch: LogBatch): void {
    const { header, marker } = batch
    this.batches.push(batch)
    this.next = header.lastOffset + 1
    if (header.producerId === noProducer) return
    const producer = this.producerOf(header)
    if (marker !== undefined) {
      if (marker === "abort" && producer.openFrom !== undefined) {
        const { lastOffset, producerId } = header
        this.aborted.push({ producerId, firstOffset: producer.openFrom, lastOffset })
      }
      producer.openFrom = undefined
      return
    }
    const last = lastSequenceOf(header.baseSequence, header.lastOffset - header.baseOffset)
    producer.lastSequence = last
    producer.recent = [
      ...producer.recent.slice(1 - recentMax),
      { first: header.baseSequence, last, offset: header.baseOffset }
    ]
    if ((header.attributes & attribute.transactional) !== 0) producer.openFrom ??= header.baseOffset
  }

  private producerOf({ producerEpoch, producerId }: BatchHeader): ProducerState {
    const known = this.producers.get(producerId)
    if (known !== undefined && known.epoch === producerEpoch) return known
    const fresh: ProducerState = { epoch: producerEpoch, lastSequence: -1, recent: [], openFrom: known?.openFrom }
    this.producers.set(producerId, fresh)
    return fresh
  }

  /** The first batch that ends at an offset or behind it. */
  private indexOf(offset: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.batches[middle]!.header.lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Sequence numbers begin at 0 again behind the largest of 32 bits. */
const sequenceAfter = (sequence: number): number => sequence === 2 ** 31 - 1 ? 0 : sequence + 1

const lastSequenceOf = (base: number, more: number): number => (base + more) % 2 ** 31

const joined = (parts: ReadonlyArray<Uint8Array>, bytesMax: number): Uint8Array => {
  const length = Math.min(bytesMax, parts.reduce((sum, part) => sum + part.length, 0))
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    const fits = part.subarray(0, length - at)
    bytes.set(fits, at)
    at += fits.length
  }
  return bytes
}
