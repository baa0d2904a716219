/**
 * Channel: the records that one producer puts into one partition of a topic: in batches of bounded bytes, one after the other, each with the
 * sequence number behind the batch before it. Without a producer's id batches have none, and may come twice.
 *
 * | answer to a batch | then |
 * | --- | --- |
 * | it is there | the next one |
 * | Unavailable | the same bytes again: the brokers know them by their sequence, if they have one, so they are there once |
 * | TooLarge, several records | in halves: the brokers take less in this topic; its sequence was not used up |
 * | TooLarge, one record | an error that names the record |
 * | anything else | an error; what is left is for a new producer, whose sequences begin at 0 |
 *
 * Batches do not overtake each other: a channel sends for one caller at a time, and waits for each answer.
 */
import { Effect, Result } from "effect"
import type { KafkaCluster, ProducerIdentity, TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import { encode, type NewRecord, recordBytesMax } from "../records/encode.ts"
import type { Compression } from "../records/RecordBatch.ts"
import type { Patience } from "./Patience.ts"

export interface ChannelOptions {
  readonly cluster: Pick<KafkaCluster, "produce">
  readonly where: TopicPartition
  readonly producer?: (ProducerIdentity & { readonly transactionalId?: string | undefined }) | undefined
  readonly compression: Compression
  /** Of a batch, before compression. */
  readonly batchBytes: number
}

/** Sequence numbers are of 31 bits. */
const sequences = 2 ** 31

export class Channel {
  private readonly options: ChannelOptions
  private batchBytes: number
  private sequence = 0

  constructor(options: ChannelOptions) {
    this.options = options
    this.batchBytes = options.batchBytes
  }

  /** Returns when all are at the brokers; `sent` hears of each batch. Where it fails, this channel is at its end. */
  send(
    records: ReadonlyArray<NewRecord>,
    patience: Pick<Patience, "retry">,
    sent: (records: number) => void = () => {}
  ): Effect.Effect<void, KafkaError> {
    return Effect.gen({ self: this }, function* () {
      let start = 0
      while (start < records.length) {
        const end = endOfBatch(records, start, this.batchBytes)
        const answer = yield* Effect.result(patience.retry(this.produce(records.slice(start, end))))
        if (Result.isSuccess(answer)) {
          this.sequence = (this.sequence + end - start) % sequences
          sent(end - start)
          start = end
        } else if (answer.failure.reason !== "TooLarge") return yield* answer.failure
        else if (end - start === 1) return yield* tooLarge(records[start]!, this.options.where, answer.failure)
        else this.batchBytes = Math.ceil(bytesOf(records, start, end) / 2)
      }
    })
  }

  private produce(records: ReadonlyArray<NewRecord>): Effect.Effect<number, KafkaError> {
    const { cluster, compression, producer, where } = this.options
    const transactionalId = producer?.transactionalId
    const isTransactional = transactionalId !== undefined
    const by = producer && { id: producer.id, epoch: producer.epoch, sequence: this.sequence }
    const batch = encode(records, { compression, isTransactional, producer: by })
    return cluster.produce({ ...where, batch, transactionalId })
  }
}

/** At least one record. */
const endOfBatch = (records: ReadonlyArray<NewRecord>, start: number, bytesMax: number): number => {
  let bytes = recordBytesMax(records[start]!)
  let end = start + 1
  while (end < records.length) {
    bytes += recordBytesMax(records[end]!)
    if (bytes > bytesMax) break
    end++
  }
  return end
}

const bytesOf = (records: ReadonlyArray<NewRecord>, start: number, end: number): number => {
  let bytes = 0
  for (let i = start; i < end; i++) bytes += recordBytesMax(records[i]!)
  return bytes
}

const keyShown = 60

const tooLarge = (record: NewRecord, where: TopicPartition, { message }: KafkaError): KafkaError => {
  const { key } = record
  const whose = typeof key !== "string"
    ? key === undefined || key === null ? "without a key" : `with a key of ${key.length} bytes`
    : `with the key "${key.length > keyShown ? `${key.slice(0, keyShown)}...` : key}"`
  return new KafkaError({
    reason: "TooLarge",
    ...where,
    message: `one record ${whose} has ${recordBytesMax(record)} bytes: ${message}; make such records smaller, ` +
      "have the topic take larger ones (max.message.bytes), or leave them out before they come here"
  })
}
