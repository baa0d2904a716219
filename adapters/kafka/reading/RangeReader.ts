/**
 * RangeReader: reads a range of offsets on an executor, fetch after fetch: while the records of one are decoded and worked on, the next is
 * on its way.
 *
 * | the brokers | then |
 * | --- | --- |
 * | give record batches | those records that are in the range; a gap, a marker or an aborted transaction gives none, and is no loss |
 * | do not answer | told at once, tried again less and less often, for `maxUnavailable` |
 * | have the offset no more, or not yet, or another topic of this name | the policy for losses |
 * | give what a later leader has written than the one under which the range was planned | likewise: the range ends there |
 * | give nothing for `reachMillis`, though the end of the range is not reached | likewise |
 *
 * A range has to be reached: an end that does not come, as after a truncation, is never taken for an empty rest. What others wrote in place of
 * records that were cut off is no part of it: the planner goes on there, when it finds that out.
 */
import { Effect, Fiber } from "effect"
import { uptime } from "../../../core/time/Uptime.ts"
import type { ChunkReader } from "../../../core/dstream/InputDStream.ts"
import { permanent } from "../../../core/protocol/permanent.ts"
import type { Millis } from "../../../core/time/Time.ts"
import type { Fetched, KafkaCluster } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import { type BatchHeader, headersOf } from "../records/RecordBatch.ts"
import { assertRange, type OffsetRange, outOfRange, placeOf } from "./OffsetRange.ts"
import type { Reading } from "../options.ts"
import type { Outage } from "./Outage.ts"
import type { DecodeRecords } from "./RecordDecoding.ts"

/** How long a broker keeps a fetch for which it has nothing, and how long it is left alone then. */
const waitMillis = 500
const pauseMillis = 50
/** A leader that is new may need some seconds to give what the one before it gave. */
const reachMillis = 30_000
/** Beyond what a range is expected to have, so that one fetch is enough. */
const spareBytes = 65_536
const spare = 1.25

export interface RangeReaderOptions<A> {
  readonly cluster: KafkaCluster
  readonly reading: Pick<Reading, "isolation" | "maxFetchBytes" | "maxUnavailableMillis" | "onLoss">
  readonly decode: DecodeRecords<A>
  readonly outage: Outage
  /** By place: bytes of an offset, as far as was read there. */
  readonly densities: Map<string, number>
}

/** Throws a KafkaError (Options) for a range that cannot be. */
export const make = <A>(options: RangeReaderOptions<A>, range: OffsetRange): ChunkReader<A, KafkaError> => {
  const reader = new RangeReader(options, assertRange(range))
  return { next: Effect.suspend(() => reader.read()) }
}

class RangeReader<A> {
  private readonly options: RangeReaderOptions<A>
  private range: OffsetRange
  private offset: number
  /** The fetch from `offset`, under way. */
  private ahead: Fiber.Fiber<Fetched, KafkaError> | undefined
  /** Nothing has come since then. */
  private waitingSince: Millis | undefined

  constructor(options: RangeReaderOptions<A>, range: OffsetRange) {
    this.options = options
    this.range = range
    this.offset = range.from
  }

  /** The records of a fetch; undefined is the end. */
  readonly read = Effect.fnUntraced(function* (this: RangeReader<A>) {
    while (this.offset < this.range.until) {
      const fetched = yield* this.fetch()
      if (fetched === undefined) continue
      const headers = headersOf(fetched.bytes)
      if (yield* this.wasCutOff(headers)) continue
      this.learn(headers)
      const from = this.offset
      const { until } = this.range
      const reached = Math.max(from, (headers.at(-1)?.lastOffset ?? -1) + 1)
      if (reached > from && reached < until) {
        this.ahead = yield* Effect.forkChild(this.request(reached), { startImmediately: true })
      }
      const { next, records } = yield* this.options.decode({ ...this.range, ...fetched, from })
      if (next === from) yield* this.wait(fetched)
      else this.waitingSince = undefined
      // Records that grew beyond measure when they were decompressed: what is behind them is fetched again.
      if (next < reached) yield* this.dropAhead()
      this.offset = next
      if (records.length > 0) return records
    }
    return undefined
  })

  private request(offset: number): Effect.Effect<Fetched, KafkaError> {
    const { cluster, densities, reading: { isolation, maxFetchBytes } } = this.options
    const { id, partition, topic, until } = this.range
    // What lies behind the range would be fetched again for the next one.
    const expected = (until - offset) * (densities.get(placeOf(this.range)) ?? Infinity)
    const maxBytes = Math.min(maxFetchBytes, Math.ceil(spareBytes + expected * spare))
    return cluster.fetch({ topic, partition, id, offset, maxBytes, waitMillis, isolation })
  }

  private learn(headers: ReadonlyArray<BatchHeader>): void {
    const [first] = headers
    const last = headers.at(-1)
    if (first === undefined || last === undefined) return
    const offsets = last.lastOffset + 1 - first.baseOffset
    this.options.densities.set(placeOf(this.range), (last.end - first.at) / offsets)
  }

  /** The fetch that is under way, or another; undefined: something was lost, and left out. */
  private fetch(): Effect.Effect<Fetched | undefined, KafkaError> {
    const { outage, reading: { maxUnavailableMillis } } = this.options
    const attempt = Effect.suspend(() => {
      const { ahead } = this
      this.ahead = undefined
      return ahead === undefined ? this.request(this.offset) : Fiber.join(ahead)
    })
    return Effect.catch(outage.patiently(attempt, maxUnavailableMillis), (error) => this.lost(error))
  }

  private dropAhead(): Effect.Effect<void> {
    const { ahead } = this
    this.ahead = undefined
    return ahead === undefined ? Effect.void : Fiber.interrupt(ahead)
  }

  /** Nothing came, and the end is not reached. */
  private readonly wait = Effect.fnUntraced(function* (this: RangeReader<A>, fetched: Fetched) {
    const now = yield* uptime
    this.waitingSince ??= now
    if (now - this.waitingSince >= reachMillis) return yield* this.lost(notReached(this.range, this.offset, fetched))
    yield* Effect.sleep(pauseMillis)
  })

  /** Goes on behind what was lost, if the policy does; what it leaves out is told. */
  private readonly lost = Effect.fnUntraced(function* (this: RangeReader<A>, error: KafkaError) {
    const { cluster, outage, reading: { isolation, maxUnavailableMillis, onLoss } } = this.options
    const { partition, topic, until } = this.range
    if (!losses.includes(error.reason)) return yield* error
    let next = until
    if (error.reason === "OffsetOutOfRange" && onLoss !== "fail") {
      const first = cluster.offsets([{ topic, partition }], "earliest", isolation)
      const [earliest] = yield* outage.patiently(first, maxUnavailableMillis)
      if (earliest !== undefined && earliest.offset > this.offset) next = Math.min(until, earliest.offset)
    }
    yield* this.leaveOut(error, this.offset, next)
    this.offset = next
    return undefined
  })

  /** Whether records of a later leader came: what is before them is fetched again, and is the rest of the range. */
  private readonly wasCutOff = Effect.fnUntraced(function* (
    this: RangeReader<A>,
    headers: ReadonlyArray<BatchHeader>
  ) {
    const { leaderEpoch: planned = Infinity, until } = this.range
    const later = headers.find(({ baseOffset, leaderEpoch }) => leaderEpoch > planned && baseOffset < until)
    if (later === undefined) return false
    const end = Math.max(this.offset, later.baseOffset)
    yield* this.leaveOut(cutOff(this.range, end), end, until)
    this.range = { ...this.range, until: end }
    return true
  })

  private leaveOut(error: KafkaError, from: number, until: number): Effect.Effect<void, KafkaError> {
    const { partition, topic } = this.range
    return this.options.reading.onLoss === "fail"
      ? Effect.fail(Object.assign(error, { [permanent]: true }))
      : Effect.logWarning(`${error.message}; offsets ${from} to ${until} of ${topic}/${partition} are left out`)
  }
}

const losses: ReadonlyArray<KafkaError["reason"]> = ["OffsetOutOfRange", "TopicReplaced", "UnknownTopic"]

const cutOff = (range: OffsetRange, offset: number): KafkaError =>
  outOfRange(
    range,
    offset,
    `Partition ${range.partition} of topic ${range.topic} was to be read up to offset ${range.until} and was cut off at ${offset} ` +
      "when another broker came to lead: records were lost at the brokers"
  )

const notReached = (range: OffsetRange, offset: number, fetched: Fetched): KafkaError =>
  outOfRange(
    range,
    offset,
    `Of partition ${range.partition} of topic ${range.topic} offsets ${offset} to ${range.until} were to be read, and do not ` +
      `come: it holds ${fetched.logStart} to ${fetched.highWatermark}, decided up to ${fetched.lastStable}. They were lost at the ` +
      "brokers, or were never there"
  )
