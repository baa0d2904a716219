/**
 * Kafka: topics in and out. Streams that read by offset range (`directStream`) or as a member of a consumer group
 * (`receiverStream`), batch reading for `transform` (`rdd`), and sinks.
 *
 * The client is the optional package `@platformatic/kafka`; for tests and simulations the layer of an app provides another making
 * under `ConnectKafka`. Source: Spark Streaming's `KafkaUtils` (0-10).
 */
import { Effect } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import type { RDD } from "../../core/rdd/RDD.ts"
import * as RDDs from "../../core/rdd/RDD.ts"
import * as Receiver from "../../core/receiving/Receiver.ts"
import { millisOf } from "../../core/time/Time.ts"
import { assertRange, type OffsetRange } from "./reading/OffsetRange.ts"
import * as KafkaPlanner from "./direct/KafkaPlanner.ts"
import {
  type DirectOptions,
  type GroupStreamOptions,
  readingOf,
  type ReadOptions,
  validateSubscription
} from "./options.ts"
import * as reader from "./reading/reader.ts"
import { ConnectKafka } from "./KafkaCluster.ts"
import type { KafkaError } from "./KafkaError.ts"
import type { KafkaRecord } from "./KafkaRecord.ts"
import { receive } from "./receiver/GroupReceiver.ts"
import { groupOptionsOf } from "./receiver/options.ts"

export {
  bytes,
  type Deserializer,
  type DeserializerInput,
  json,
  schema,
  text,
  unknownJson
} from "./reading/Deserializer.ts"
export { OffsetRange, offsetRanges } from "./reading/OffsetRange.ts"
export type {
  DirectOptions,
  GroupStreamOptions,
  OnLoss,
  OnPoison,
  ReadOptions,
  Start,
  StreamOptions,
  Subscription
} from "./options.ts"
export { rangesOf, type RangesOptions } from "./direct/rangesOf.ts"
export {
  ConnectKafka,
  type Isolation,
  type OffsetAt,
  type PartitionOffset,
  type TopicPartition
} from "./KafkaCluster.ts"
export type { KafkaConnection, Sasl, Tls } from "./KafkaConnection.ts"
export { KafkaError } from "./KafkaError.ts"
export type { KafkaHeader, KafkaRecord } from "./KafkaRecord.ts"
export { type AppendOptions, KafkaModel, type ModelRecord } from "./model/KafkaModel.ts"
export type { NewRecord } from "./records/encode.ts"
export type { Compression } from "./records/RecordBatch.ts"
export type { Bytes, RecordOptions } from "./sink/routing.ts"
export { type KafkaSink, type KafkaSinkOptions, sink } from "./sink/sink.ts"

/**
 * Records of topics, each batch a range of offsets of each partition, recorded in the batch plan: every record is in one batch, whatever
 * fails. Throws a `KafkaError` (Options).
 */
export const directStream = <K = Uint8Array, V = Uint8Array>(
  options: DirectOptions<K, V>
): DStream.DStream<KafkaRecord<K, V>, KafkaError> => {
  validateSubscription({ ...options })
  const reading = readingOf(options)
  const planner: KafkaPlanner.PlannerOptions = {
    subscription: options,
    reading,
    start: options.start ?? "latest",
    minRatePerPartition: options.minRatePerPartition ?? 1,
    discoverMillis: millisOf(options.discoverEvery ?? "5 seconds"),
    maxRatePerPartition: options.maxRatePerPartition,
    minSplitRecords: options.minSplitRecords,
    commitTo: options.commitTo
  }
  return DStream.fromInput<KafkaRecord<K, V>, KafkaError, never>("kafka", {
    kind: "direct",
    keepsRate: true,
    planner: Effect.flatMap(
      Effect.flatMap(ConnectKafka, (connect) => connect(reading.connection)),
      (cluster) => KafkaPlanner.make(cluster, planner)
    ),
    reader: reader.make(reading)
  }, shownOf(options))
}

/** What of the options makes the operator's shape: nothing of how one comes in. */
const shownOf = ({ partitions, topics }: DirectOptions<any, any>) => ({ topics, partitions })

/**
 * Batch reading: an RDD over given ranges of offsets, one partition each, for `transform` and joins. Make the reading once, outside of the
 * function that `transform` is given: it is a connection in each executor. Throws a `KafkaError` (Options).
 *
 * ```ts
 * const prices = Kafka.rdd({ brokers: "localhost:9092", value: Kafka.text })
 * stream.pipe(DStream.transform((rdd) => RDD.union(prices([{ topic: "prices", partition: 0, from: 0, until: 100 }]))(rdd)))
 * ```
 */
export const rdd = <K = Uint8Array, V = Uint8Array>(
  options: ReadOptions<K, V>
): (ranges: ReadonlyArray<OffsetRange>) => RDD<KafkaRecord<K, V>> => {
  const made = reader.make(readingOf(options))
  return (ranges) => RDDs.reading(made, ranges.map(assertRange))
}

/**
 * Records of topics as a member of a consumer group gets them: a receiver stores them as blocks and commits to the group what is safe. At
 * least once; several of them in one group, joined with `DStream.unionAll`, share the partitions. Throws a `KafkaError` (Options).
 */
export const receiverStream = <K = Uint8Array, V = Uint8Array>(
  options: GroupStreamOptions<K, V>
): DStream.DStream<KafkaRecord<K, V>, KafkaError> => {
  const settings = groupOptionsOf(options)
  const { group, topics } = settings
  const receiver = Receiver.make<KafkaRecord<K, V>, KafkaError, never>({
    ...options,
    name: `KafkaReceiver(${group}: ${topics.join(", ")})`,
    onStart: (store) => receive(settings, store)
  })
  return DStream.fromInput<KafkaRecord<K, V>, KafkaError, never>("kafkaGroup", {
    kind: "receiver",
    receiver,
    decode: undefined
  }, { topics, group })
}
