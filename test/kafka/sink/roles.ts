/**
 * Drivers and executors of a Kafka sink as processes that share nothing but the cluster: each makes the sink anew.
 */
import { Effect } from "effect"
import { ConnectKafka } from "../../../adapters/kafka/KafkaCluster.ts"
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
