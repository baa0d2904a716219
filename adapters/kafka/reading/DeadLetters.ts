/**
 * DeadLetters: poison records to a topic of their own, as they were, with their origin in headers: topic, partition, offset, and why.
 *
 * At least once: a batch that is read again may send them again, except that an executor remembers what it sent last. Records of one
 * partition stay in order, in one partition. What cannot be sent fails the batch: nothing is dropped in silence.
 */
import { Buffer } from "node:buffer"
import { Effect } from "effect"
import type { Millis } from "../../../core/time/Time.ts"
import type { KafkaCluster } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import type { KafkaHeader } from "../KafkaRecord.ts"
import { crc32c } from "../records/crc32c.ts"
import type { NewRecord } from "../records/encode.ts"
import { Channel } from "../sink/Channel.ts"
import { reworded } from "../sink/Patience.ts"
import type { Outage } from "./Outage.ts"
import type { BuryRecords, PoisonRecord } from "./RecordDecoding.ts"

/** The headers that a dead letter has besides its own. */
export const originHeaders = {
  topic: "dstreams.topic",
  partition: "dstreams.partition",
  offset: "dstreams.offset",
  error: "dstreams.error"
} as const

const batchBytes = 512 * 1024
/** Dead letters that are remembered. */
const rememberedMax = 10_000
const errorCharactersMax = 1000

export interface DeadLetterOptions {
  readonly cluster: KafkaCluster
  readonly outage: Outage
  readonly topic: string
  readonly maxUnavailableMillis: Millis
}

export const make = ({ cluster, maxUnavailableMillis, outage, topic }: DeadLetterOptions): BuryRecords => {
  const sent = new Set<string>()
  let partitions: number | undefined

  const find = Effect.suspend(() =>
    partitions !== undefined
      ? Effect.succeed(partitions)
      : Effect.flatMap(cluster.topics([topic]), ([info]) =>
        info === undefined
          ? Effect.fail(missing(topic, cluster.name))
          : Effect.succeed(partitions = info.partitions.length))
  )

  const send = Effect.fnUntraced(function* (poison: ReadonlyArray<PoisonRecord>) {
    const { partition, topic: from } = poison[0]!.record
    const target = partition % (yield* outage.patiently(find, maxUnavailableMillis))
    const where = { topic, partition: target }
    const channel = new Channel({ cluster, where, compression: "none", batchBytes })
    const sending = channel.send(poison.map(letterOf), {
      retry: (effect) => outage.patiently(effect, maxUnavailableMillis)
    })
    yield* Effect.mapError(
      sending,
      (error) => reworded(error, `poison records of ${from}/${partition} cannot be sent to ${topic}: ${error.message}`)
    )
  })

  return (poison) =>
    Effect.suspend(() => {
      const fresh = poison.filter((one) => !sent.has(originOf(one)))
      return fresh.length === 0 ? Effect.void : Effect.map(send(fresh), () => remember(sent, fresh))
    })
}

const remember = (sent: Set<string>, poison: ReadonlyArray<PoisonRecord>): void => {
  for (const one of poison) sent.add(originOf(one))
  for (const oldest of sent) {
    if (sent.size <= rememberedMax) return
    sent.delete(oldest)
  }
}

/** Where topics are created again or cut off, offsets come again with other records. */
const originOf = ({ record: { key, offset, partition, timestamp, topic, value } }: PoisonRecord): string =>
  [topic, partition, offset, timestamp, sumOf(key), sumOf(value)].join("/")

const sumOf = (part: Uint8Array | null): number | null => part === null ? null : crc32c(part, 0, part.length)

const letterOf = ({ record, why }: PoisonRecord): NewRecord => {
  const { headers, key, offset, partition, timestamp, topic, value } = record
  const header = (name: string, text: string): KafkaHeader => ({ key: name, value: Buffer.from(text) })
  return {
    key,
    value,
    timestamp,
    headers: [
      ...headers,
      header(originHeaders.topic, topic),
      header(originHeaders.partition, String(partition)),
      header(originHeaders.offset, String(offset)),
      header(originHeaders.error, why.slice(0, errorCharactersMax))
    ]
  }
}

const missing = (topic: string, cluster: string): KafkaError =>
  new KafkaError({
    reason: "UnknownTopic",
    topic,
    message: `There is no topic ${topic} at ${cluster} for records that cannot be decoded: create it`
  })
