/**
 * Drivers and executors of a Kafka sink as processes that share nothing but the cluster: each makes the sink anew.
 */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ConnectKafka, type KafkaCluster } from "../../../adapters/kafka/KafkaCluster.ts"
import type { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { type KafkaSinkOptions, sink } from "../../../adapters/kafka/sink/sink.ts"
import * as Sink from "../../../core/output/Sink.ts"

export type Entry = readonly [key: string | null, value: string]

export const options = {
  brokers: "model:9092",
  topic: "out",
  key: ([key]: Entry) => key,
  value: ([, value]: Entry) => value
} satisfies KafkaSinkOptions<Entry>

export interface Where {
  readonly epoch?: number
  readonly partition?: number
  readonly numPartitions?: number
}

export const output = { app: "app", output: "counts" }

export interface Role {
  readonly fence: (epoch: number) => Effect.Effect<unknown, any>
  readonly write: (time: number, records: ReadonlyArray<Entry>, where?: Where) => Effect.Effect<unknown, any>
}

/** A process with the sink of these options. */
export const role = (
  connect: ConnectKafka,
  more: Partial<KafkaSinkOptions<Entry>> & { readonly guarantee?: "at-least-once" | "transactional" } = {}
): Role => {
  const made: Sink.PartitionSink<Entry, any, never> = sink<Entry>({ ...options, ...more } as KafkaSinkOptions<Entry>)
  const connected = <A, E>(effect: Effect.Effect<A, E>) => Effect.provideService(effect, ConnectKafka, connect)
  return {
    fence: (epoch) => connected(made.fence!({ ...output, epoch })),
    write: (time, records, { epoch = 1, partition = 0, numPartitions = partition + 1 } = {}) => {
      const commitId = Sink.commitIdOf({ ...output, time }, partition)
      return connected(made.write(records, { ...output, epoch, time, partition, numPartitions, commitId, attempt: 0 }))
    }
  }
}

/** Entries of one key each, of so many keys. */
export const entries = (batch: number, count: number, keys = 5): ReadonlyArray<Entry> =>
  Array.from({ length: count }, (_, i) => [`k${i % keys}`, `${batch}.${i}`] as const)

/** Runs it while the clock goes on. */
export const passing = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(100)
    return yield* Fiber.join(fiber)
  })

/** The same cluster, some of its requests changed. */
export const changed =
  (kafka: KafkaModel, change: (cluster: KafkaCluster) => Partial<KafkaCluster>): ConnectKafka => (connection) =>
    Effect.map(kafka.connect(connection), (cluster) => ({ ...cluster, ...change(cluster) }))
