/**
 * Drivers and executors of a Kafka sink as processes that share nothing but the cluster: each makes the sink anew.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ConnectKafka, type KafkaCluster } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
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
  readonly line?: string
  readonly partition?: number
  readonly numPartitions?: number
}

export const output = { app: "app", output: "counts" }

export interface Role {
  readonly fence: (epoch: number, line?: string) => Effect.Effect<unknown, any>
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
    fence: (epoch, line) => connected(made.fence!({ ...output, epoch, line })),
    write: (time, records, { epoch = 1, line, partition = 0, numPartitions = partition + 1 } = {}) => {
      const commitId = Sink.commitIdOf({ ...output, time }, partition)
      const context = { ...output, epoch, line, time, partition, numPartitions, commitId, attempt: 0 }
      return connected(made.write(records, context))
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

export const withTopic = (partitions = 3) =>
  Effect.map(KafkaModel.make, (kafka) => {
    kafka.createTopic("out", partitions)
    return kafka
  })

export const seen = (kafka: KafkaModel): ReadonlyArray<Entry> =>
  kafka.records("out").map(({ key, value }) => [key, value!] as const)

export const inOrder = (all: ReadonlyArray<Entry>): ReadonlyArray<string> =>
  all.map(([key, value]) => `${key} ${value}`).toSorted()

/** Each once, and those of one key in the order in which they were written. */
export const isExactly = (kafka: KafkaModel, written: ReadonlyArray<Entry>): void => {
  assert.deepEqual(inOrder(seen(kafka)), inOrder(written))
  for (const key of new Set(written.map(([key]) => key))) {
    const of = (all: ReadonlyArray<Entry>) => all.filter(([one]) => one === key).map(([, value]) => value)
    if (key !== null) assert.deepEqual(of(seen(kafka)), of(written), `order of ${key}`)
  }
}
