/**
 * The options of Kafka streams, their defaults, and what is wrong with them, told where the program is built.
 */
import { describeValue } from "../../core/protocol/describeValue.ts"
import type { StorageLevel, Survives } from "../../core/receiving/Receiver.ts"
import { type DurationInput, millisOf, millisOrNaN } from "../../core/time/Time.ts"
import { connectionMistake, connectionOptions, unknownOption } from "./connectionMistake.ts"
import type { Isolation, OffsetAt, PartitionOffset, TopicPartition } from "./KafkaCluster.ts"
import type { KafkaConnection } from "./KafkaConnection.ts"
import { KafkaError } from "./KafkaError.ts"
import { isSubscribed } from "./direct/Subscription.ts"
import { bytes, type Deserializer, type DeserializerInput, fromInput, isDeserializer } from "./reading/Deserializer.ts"

/** Where partitions begin that are there when the app first starts. */
export type Start = OffsetAt | {
  /** Of partitions that are read, none behind its end. Those that are not named begin as `otherwise` says. */
  readonly offsets: ReadonlyArray<PartitionOffset>
  /** "earliest" */
  readonly otherwise?: OffsetAt | undefined
}

/** What is done with a record whose key or value cannot be decoded. */
export type OnPoison =
  /** The batch fails. */
  | "fail"
  /** It is left out, counted and told in the log. */
  | "skip"
  /** It is written to this topic, as it is, with where it came from and why in its headers; then left out. At least once. */
  | { readonly deadLetterTopic: string }

/**
 * What is done where records were lost at the brokers before they were read: deleted by retention, cut off, or with their topic.
 *
 * | | expired | cut off | topic replaced | topic deleted |
 * | --- | --- | --- | --- | --- |
 * | fail | the batch fails | the batch fails | the batch fails | the batch fails |
 * | earliest | the first that is there | the first that is there, read again | the first of the new topic | not read any more |
 * | skip | the first that is there | what comes from now on | the first of the new topic | not read any more |
 *
 * Whatever is left out is told in the log, by offsets.
 */
export type OnLoss = "fail" | "earliest" | "skip"

/** How records are read and decoded: of every kind of reading. */
export interface ReadOptions<K, V> extends KafkaConnection {
  /** bytes */
  readonly key?: DeserializerInput<K> | undefined
  /** bytes */
  readonly value?: DeserializerInput<V> | undefined
  /** Only what transactions committed ("committed"), or all. */
  readonly isolation?: Isolation | undefined
  /** "fail" */
  readonly onPoison?: OnPoison | undefined
  /** "fail" */
  readonly onLoss?: OnLoss | undefined
  /** Bytes of one fetch; a record batch that is larger is fetched whole. 1 MiB */
  readonly maxFetchBytes?: number | undefined
  /** Bytes that the records of one batch may have when they are decompressed; a larger one fails. 64 MiB */
  readonly maxBatchBytes?: number | undefined
  /** How long a task waits for a broker that is away, before it fails. 5 minutes */
  readonly maxUnavailable?: DurationInput | undefined
}

/** Which partitions are read. */
export type Subscription =
  | {
    /** Names; or a pattern that a part of a name has to match: topics that come later join. */
    readonly topics: string | ReadonlyArray<string> | RegExp
    readonly partitions?: undefined
  }
  | { readonly partitions: ReadonlyArray<TopicPartition>; readonly topics?: undefined }

/** Records a second above zero; undefined: no limit. It is asked for each batch. */
export type RateOf = (topic: string, partition: number) => number | undefined

export interface StreamOptions {
  /** "latest". Partitions that come later begin at their first record. */
  readonly start?: Start | undefined
  /** Records a second of each partition at most; no limit. (`spark.streaming.kafka.maxRatePerPartition`) */
  readonly maxRatePerPartition?: number | RateOf | undefined
  /** Records that a batch may always take of a partition, whatever the rate. 1 (`spark.streaming.kafka.minRatePerPartition`) */
  readonly minRatePerPartition?: number | undefined
  /** A range is cut into partitions of at least so many offsets, that several tasks read. Never */
  readonly minSplitRecords?: number | undefined
  /** A group under which the offsets of each batch are committed once it is done, for monitoring: they are never read. */
  readonly commitTo?: string | undefined
  /** How often it is looked for new topics and partitions. 5 seconds */
  readonly discoverEvery?: DurationInput | undefined
}

export type DirectOptions<K, V> = ReadOptions<K, V> & StreamOptions & Subscription

export interface GroupStreamOptions<K, V> extends Omit<ReadOptions<K, V>, "maxUnavailable"> {
  readonly topics: string | ReadonlyArray<string>
  /** The consumer group: its members share the partitions. */
  readonly group: string
  /** Where partitions begin for which the group has committed nothing. "latest" */
  readonly start?: OffsetAt | undefined
  /** Least time between two blocks, where all that waits is read: what comes meanwhile is stored together. 100 milliseconds */
  readonly gatherInterval?: DurationInput | undefined
  /** Without a heartbeat for so long a member is taken for dead. 45 seconds */
  readonly sessionTimeout?: DurationInput | undefined
  /** How long members have to store and commit what they are at, when the group wants partitions back. 1 minute */
  readonly rebalanceTimeout?: DurationInput | undefined
  /** MEMORY_AND_DISK_2 */
  readonly storageLevel?: StorageLevel | undefined
  /** With a checkpoint place "cold": in a write-ahead log. See "what is lost when" in docs/sources.md. */
  readonly survives?: Survives | undefined
  /** Host of the executor on which it would best run. */
  readonly preferredHost?: string | undefined
}

/** Options of reading with nothing left out. */
export interface Reading<K = unknown, V = unknown> {
  readonly connection: KafkaConnection
  readonly key: Deserializer<K>
  readonly value: Deserializer<V>
  readonly isolation: Isolation
  readonly onPoison: OnPoison
  readonly onLoss: OnLoss
  readonly maxFetchBytes: number
  readonly maxBatchBytes: number
  readonly maxUnavailableMillis: number
}

export const readingOf = <K, V>(options: ReadOptions<K, V>): Reading<K, V> => {
  const given = { ...options }
  const mistake = connectionMistake(given) ?? unknownOption(given, optionNames)
  if (mistake !== undefined) throw refusal(`A Kafka stream cannot be made: ${mistake}`)
  validate(given, [])
  return {
    connection: options,
    key: fromInput(options.key ?? bytes as Deserializer<any>),
    value: fromInput(options.value ?? bytes as Deserializer<any>),
    isolation: options.isolation ?? "committed",
    onPoison: options.onPoison ?? "fail",
    onLoss: options.onLoss ?? "fail",
    maxFetchBytes: options.maxFetchBytes ?? 1024 * 1024,
    maxBatchBytes: options.maxBatchBytes ?? 64 * 1024 * 1024,
    maxUnavailableMillis: millisOf(options.maxUnavailable ?? "5 minutes")
  }
}

type AnyOptions = DirectOptions<unknown, unknown> & GroupStreamOptions<unknown, unknown>

/** Of all ways of reading. */
const optionNames: ReadonlyArray<string> = [
  ...connectionOptions,
  ...Object.keys(
    {
      topics: true,
      partitions: true,
      start: true,
      key: true,
      value: true,
      isolation: true,
      onPoison: true,
      onLoss: true,
      maxFetchBytes: true,
      maxBatchBytes: true,
      maxUnavailable: true,
      maxRatePerPartition: true,
      minRatePerPartition: true,
      minSplitRecords: true,
      commitTo: true,
      discoverEvery: true,
      group: true,
      gatherInterval: true,
      sessionTimeout: true,
      rebalanceTimeout: true,
      storageLevel: true,
      survives: true,
      preferredHost: true
    } satisfies Record<Exclude<keyof AnyOptions, keyof KafkaConnection>, true>
  )
]

/** Programs are not always type-checked before they run. Throws a KafkaError (Options). */
export const validate = (options: Readonly<Record<string, unknown>>, required: ReadonlyArray<string>): void => {
  for (const [option, needs, holds] of rules) {
    const value = options[option]
    if (value === undefined && !required.includes(option)) continue
    if (!holds(value)) {
      throw refusal(`The ${option} of a Kafka stream has to be ${needs}, and is ${describeValue(value)}`)
    }
  }
}

export const validateSubscription = (options: Readonly<Record<string, unknown>>): void => {
  validate(options, [])
  if ((options["topics"] === undefined) === (options["partitions"] === undefined)) {
    throw refusal("A Kafka stream reads either topics or partitions: give one of the two")
  }
  const { offsets = [] } = (options["start"] ?? {}) as { readonly offsets?: ReadonlyArray<PartitionOffset> }
  const other = offsets.find((one) => !isSubscribed(options as unknown as Subscription, one))
  if (other === undefined) return
  throw refusal(
    `The start of a Kafka stream gives an offset of partition ${other.partition} of topic ${other.topic}, which the stream does not read: ` +
      "correct the name or the number, or read it too"
  )
}

const refusal = (message: string) => new KafkaError({ reason: "Options", message })

type Rule = readonly [option: string, needs: string, holds: (value: unknown) => boolean]

const isName = (value: unknown) => typeof value === "string" && value !== ""
const isList = (holds: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.length > 0 && value.every(holds)
const isWhole = (least: number) => (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null
const isPartition = (value: unknown) => isObject(value) && isName(value["topic"]) && isWhole(0)(value["partition"])
const isOffset = (value: unknown) => isPartition(value) && isWhole(0)((value as PartitionOffset).offset)
const isDuration = (value: unknown) => millisOrNaN(value) > 0 && Number.isFinite(millisOrNaN(value))
const isOffsetAt = (value: unknown) =>
  value === "earliest" || value === "latest" || (isObject(value) && Number.isSafeInteger(value["timestamp"]))
const isStart = (value: unknown) =>
  isOffsetAt(value) ||
  (isObject(value) && Array.isArray(value["offsets"]) && value["offsets"].every(isOffset) &&
    (value["otherwise"] === undefined || isOffsetAt(value["otherwise"])))
export const isRate = (value: unknown): value is number => typeof value === "number" && value > 0 && value < Infinity

const choice = (option: string, ...words: ReadonlyArray<string>): Rule => [
  option,
  words.map((word) => `"${word}"`).join(" or "),
  (value) => words.includes(value as string)
]
const deserializer = "bytes, text, json(schema), schema(schema) of dstreams/kafka, or a function of the bytes"

const rules: ReadonlyArray<Rule> = [
  ["topics", "names or a pattern", (value) => isName(value) || isList(isName)(value) || value instanceof RegExp],
  ["partitions", "a list of { topic, partition }", isList(isPartition)],
  [
    "start",
    `"earliest", "latest", { timestamp: milliseconds } or { offsets: [{ topic, partition, offset }] }`,
    isStart
  ],
  ["key", deserializer, isDeserializer],
  ["value", deserializer, isDeserializer],
  choice("isolation", "committed", "uncommitted"),
  choice("onLoss", "fail", "earliest", "skip"),
  [
    "onPoison",
    `"fail", "skip" or { deadLetterTopic: name }`,
    (value) => value === "fail" || value === "skip" || (isObject(value) && isName(value["deadLetterTopic"]))
  ],
  [
    "maxRatePerPartition",
    "records a second above zero, or a function of topic and partition",
    (value) => isRate(value) || typeof value === "function"
  ],
  ["commitTo", "the name of a group", isName],
  ["group", "the name of a group", isName],
  ...["maxFetchBytes", "maxBatchBytes", "minRatePerPartition", "minSplitRecords"].map(
    (option): Rule => [option, "a whole number of at least 1", isWhole(1)]
  ),
  ...["discoverEvery", "maxUnavailable", "sessionTimeout", "rebalanceTimeout", "gatherInterval"].map(
    (option): Rule => [option, "a duration above zero", isDuration]
  )
]
