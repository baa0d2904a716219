/**
 * World: a making of `KafkaCluster` as the contract tests it, and what they do to it from outside of the port.
 */
import * as assert from "node:assert/strict"
import { Effect, Schedule, type Scope } from "effect"
import type { KafkaCluster, TransactionalProducer } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { decode } from "../../../adapters/kafka/records/decode.ts"
import { type BatchProducer, encode, type NewRecord } from "../../../adapters/kafka/records/encode.ts"
import type { Compression } from "../../../adapters/kafka/records/RecordBatch.ts"

export interface World {
  readonly name: string
  /** As a process has it, for as long as the scope. */
  readonly connect: Effect.Effect<KafkaCluster, KafkaError, Scope.Scope>
  readonly createTopic: (topic: string, partitions: number) => Effect.Effect<void>
  readonly deleteTopic: (topic: string) => Effect.Effect<void>
  /** How many it has then. */
  readonly addPartitions: (topic: string, partitions: number) => Effect.Effect<void>
  /** As retention does: what lies before an offset is gone. */
  readonly removeBefore: (topic: string, partition: number, offset: number) => Effect.Effect<void>
  /** Other leaders take over in all partitions, that have all. */
  readonly changeLeaders: (topic: string) => Effect.Effect<void>
}

let names = 0

/** No other test has it. */
export const freshName = (): string => `contract-${process.pid}-${++names}`

export const freshTopic = ({ createTopic }: World, partitions = 1): Effect.Effect<string> => {
  const topic = freshName()
  return Effect.as(createTopic(topic, partitions), topic)
}

/** What comes right if it is tried again, is. */
export const patiently = <A, R>(step: Effect.Effect<A, KafkaError, R>): Effect.Effect<A, KafkaError, R> =>
  Effect.retry(step, { while: (error) => error.isRetryable, schedule: Schedule.spaced("30 millis"), times: 300 })

/** Asks until what it says holds. */
export const eventually = <A, E, R>(
  step: Effect.Effect<A, E, R>,
  holds: (answer: A) => boolean
): Effect.Effect<A, E, R> => Effect.repeat(step, { until: holds, schedule: Schedule.spaced("20 millis") })

export const refusedAs = <A, R>(
  reason: KafkaError["reason"],
  step: Effect.Effect<A, KafkaError, R>
): Effect.Effect<KafkaError, never, R> =>
  Effect.map(Effect.flip(patiently(step)), (refused) => {
    assert.equal(
      refused instanceof KafkaError && refused.reason,
      reason,
      refused instanceof Error ? refused.message : ""
    )
    return refused
  }).pipe(
    Effect.catch((answer) => Effect.die(new Error(`refused as ${reason} is wanted, and the answer is ${answer}`)))
  )

export interface BatchOptions {
  readonly compression?: Compression
  readonly producer?: BatchProducer
  readonly isTransactional?: boolean
}

export const batchOf = (values: ReadonlyArray<string | NewRecord>, options: BatchOptions = {}): Uint8Array =>
  encode(values.map((value): NewRecord => typeof value === "string" ? { timestamp: 1000, value } : value), options)

export const produce = (
  cluster: KafkaCluster,
  topic: string,
  values: ReadonlyArray<string | NewRecord>,
  options: BatchOptions & { readonly partition?: number } = {}
): Effect.Effect<number, KafkaError> =>
  patiently(cluster.produce({ topic, partition: options.partition ?? 0, batch: batchOf(values, options) }))

/** In its transaction. */
export const produceIn = (
  cluster: KafkaCluster,
  producer: TransactionalProducer,
  topic: string,
  values: ReadonlyArray<string>,
  sequence = 0,
  partition = 0
): Effect.Effect<number, KafkaError> => {
  const batch = batchOf(values, { producer: { ...producer, sequence }, isTransactional: true })
  return patiently(cluster.produce({ topic, partition, batch, transactionalId: producer.transactionalId }))
}

export const producerOf = (
  cluster: KafkaCluster,
  transactionalId: string,
  transactionMillis?: number
): Effect.Effect<TransactionalProducer, KafkaError> =>
  Effect.map(
    patiently(cluster.initProducer({ transactionalId, transactionMillis })),
    (identity) => ({ ...identity, transactionalId })
  )

/** The values of a partition from an offset to its end, as a reader has them. */
export const valuesOf = (
  cluster: KafkaCluster,
  topic: string,
  { from = 0, isolation = "committed", partition = 0 }: {
    readonly from?: number
    readonly isolation?: "committed" | "uncommitted"
    readonly partition?: number
  } = {}
): Effect.Effect<ReadonlyArray<string | null>, KafkaError> =>
  Effect.gen(function* () {
    const records: Array<{ readonly value: string | null }> = []
    const where = { topic, partition }
    const [end] = yield* patiently(cluster.offsets([where], "latest", isolation))
    let next = from
    while (next < end!.offset) {
      const { aborted, bytes } = yield* patiently(
        cluster.fetch({ ...where, offset: next, maxBytes: 1 << 20, waitMillis: 100, isolation })
      )
      const options = { ...where, from: next, until: end!.offset, aborted, key: "text", value: "text" } as const
      next = decode(bytes, options, records as Array<any>).next
    }
    return records.map(({ value }) => value)
  })
