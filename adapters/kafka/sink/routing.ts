/**
 * routing: which partition of the topic each record of a batch's partition goes to, in one pass.
 *
 * A record with a key goes where Kafka's own clients put it (`murmur2`). Those without go to one partition until some 64 KiB are
 * together, then to the next: where it begins follows from the batch and its partition, so that a batch that is run again goes the same
 * way.
 */
import { describeError } from "../../../core/protocol/describeError.ts"
import { describeValue } from "../../../core/protocol/describeValue.ts"
import { permanent } from "../../../core/protocol/permanent.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { KafkaError } from "../KafkaError.ts"
import type { KafkaHeader } from "../KafkaRecord.ts"
import { type NewRecord, recordBytesMax } from "../records/encode.ts"
import { partitionOfKey } from "./murmur2.ts"

/** Texts are written as UTF-8. */
export type Bytes = Uint8Array | string

/** How a record of the stream becomes one of the topic. The functions run on executors, once for each record. */
export interface RecordOptions<A> {
  /** null: a tombstone, by which compaction forgets the key. */
  readonly value: (record: A) => Bytes | null
  /** Without it, or null: the record has no key. */
  readonly key?: ((record: A) => Bytes | null) | undefined
  readonly headers?: ((record: A) => Readonly<Record<string, Bytes | null>>) | undefined
  /** Milliseconds since 1970. The time of the batch. */
  readonly timestamp?: ((record: A) => Millis) | undefined
  /** By the key, as Kafka's clients do. */
  readonly partition?: ((record: A, numPartitions: number) => number) | undefined
}

/** The batch's partition that is routed. */
export interface RoutedPart {
  readonly time: Millis
  /** Names it: the same when the batch is run again. */
  readonly commitId: string
  readonly topic: string
  readonly numPartitions: number
}

const stickyBytes = 64 * 1024

/** By partition of the topic, each in the order of the records. Throws a KafkaError that names the record of which a function failed. */
export const route = <A>(
  records: ReadonlyArray<A>,
  options: RecordOptions<A>,
  part: RoutedPart
): ReadonlyMap<number, ReadonlyArray<NewRecord>> => {
  const { headers, key, partition, timestamp, value } = options
  const { numPartitions, time } = part
  const routed = new Map<number, Array<NewRecord>>()
  let sticky = partitionOfKey(part.commitId, numPartitions)
  let bytes = 0
  let index = 0
  try {
    for (; index < records.length; index++) {
      const record = records[index]!
      const keyed = key === undefined ? null : bytesOf(key(record), "key")
      const made: NewRecord = {
        key: keyed,
        value: bytesOf(value(record), "value"),
        timestamp: timestamp === undefined ? time : millisOf(timestamp(record)),
        headers: headers === undefined ? undefined : headersOf(headers(record))
      }
      let to: number
      if (partition !== undefined) to = chosen(partition(record, numPartitions), part)
      else if (keyed !== null) to = partitionOfKey(keyed, numPartitions)
      else {
        to = sticky
        bytes += recordBytesMax(made)
        if (bytes >= stickyBytes) {
          bytes = 0
          sticky = (sticky + 1) % numPartitions
        }
      }
      const there = routed.get(to)
      if (there === undefined) routed.set(to, [made])
      else there.push(made)
    }
    return routed
  } catch (mistake) {
    throw noRecord(mistake, index, part)
  }
}

/** What a function of the sink's gave is nothing that Kafka takes. */
class NoRecord extends Error {}

const bytesOf = (value: unknown, what: string): Bytes | null => {
  if (typeof value === "string") {
    if (value.isWellFormed()) return value
    throw new NoRecord(
      `${what} gave a text with half of a surrogate pair, which UTF-8 cannot hold; give text.toWellFormed()`
    )
  }
  if (value === null || value instanceof Uint8Array) return value
  throw new NoRecord(`${what} gave ${describeValue(value)}; let it give a text, a Uint8Array or null`)
}

const millisOf = (value: unknown): Millis => {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as Millis
  throw new NoRecord(`timestamp gave ${describeValue(value)}; let it give whole milliseconds since 1970`)
}

const encoder = new TextEncoder()

const headersOf = (headers: unknown): ReadonlyArray<KafkaHeader> => {
  if (typeof headers !== "object" || headers === null) {
    throw new NoRecord(`headers gave ${describeValue(headers)}; let it give an object of texts`)
  }
  return Object.entries(headers).map(([key, given]) => {
    const value = bytesOf(given, `headers, as "${key}",`)
    return { key, value: typeof value === "string" ? encoder.encode(value) : value }
  })
}

const chosen = (value: unknown, { numPartitions, topic }: RoutedPart): number => {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < numPartitions) return value as number
  throw new NoRecord(
    `partition gave ${describeValue(value)}; ${topic} has ${numPartitions} partitions, so let it give 0 to ${
      numPartitions - 1
    }`
  )
}

const noRecord = (mistake: unknown, index: number, { topic }: RoutedPart): KafkaError => {
  const why = mistake instanceof NoRecord ? mistake.message : describeError(mistake)
  const error = new KafkaError({ reason: "Record", topic, message: `record ${index}, counted from 0: ${why}` })
  // What is none can only come again; what was thrown may have had other causes.
  return mistake instanceof NoRecord ? Object.assign(error, { [permanent]: true }) : error
}
