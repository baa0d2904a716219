/**
 * OffsetRange: a piece of a topic's partition: what one partition of a Kafka stream reads in a batch, and what batch reading is given.
 *
 * Offsets may have gaps, where a topic was compacted or a transaction ended: a range holds at most as many records as it has
 * offsets. As plain data it stands in the batch plan, so that each range belongs to one batch only and is read again the same.
 */
import { Predicate, Schema } from "effect"
import { type BatchInput, inputsOf } from "../../../core/dstream/Batch.ts"
import type { PartitionSpec } from "../../../core/dstream/BatchPlan.ts"
import { type AnyRDD, TypeId } from "../../../core/rdd/RDD.ts"
import type { PartitionOffset, TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"

export const OffsetRange = Schema.Struct({
  topic: Schema.String,
  partition: Schema.Int,
  from: Schema.Int,
  /** Exclusive. */
  until: Schema.Int,
  /** Of the topic: another one with the same name is not read. */
  id: Schema.optionalKey(Schema.String),
  /** Of the leader when it was planned: what a later one has written in its place is not read. */
  leaderEpoch: Schema.optionalKey(Schema.Int)
})

export interface OffsetRange extends TopicPartition {
  readonly from: number
  /** Exclusive. */
  readonly until: number
  /** Of the topic: another one with the same name is not read. */
  readonly id?: string
  /** Of the leader when it was planned: what a later one has written in its place is not read. */
  readonly leaderEpoch?: number
}

/** Offsets, with gaps. */
export const countOf = ({ from, until }: OffsetRange): number => until - from

/** One name for a partition; of no other, since names of topics have no slash. */
export const placeOf = ({ partition, topic }: TopicPartition): string => `${topic}/${partition}`

/** By topic and partition. */
export const inOrder = (a: TopicPartition, b: TopicPartition): number =>
  a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition

/** Pieces of about the same size, each of at least `minRecords` offsets; the range itself where it is too small to be cut. */
export const split = (range: OffsetRange, minRecords: number): ReadonlyArray<OffsetRange> => {
  const pieces = Math.max(1, Math.floor(countOf(range) / minRecords))
  const edge = (index: number) => range.from + Math.floor(countOf(range) * index / pieces)
  return Array.from({ length: pieces }, (_, index) => ({ ...range, from: edge(index), until: edge(index + 1) }))
}

/** What is committed of ranges that were read: of each partition the largest end. */
export const largestUntil = (ranges: Iterable<OffsetRange>): ReadonlyArray<PartitionOffset> => {
  const largest = new Map<string, PartitionOffset>()
  for (const { partition, topic, until } of ranges) {
    const place = placeOf({ topic, partition })
    if (until > (largest.get(place)?.offset ?? -1)) largest.set(place, { topic, partition, offset: until })
  }
  return [...largest.values()]
}

/** For people: a line for each range that is not empty, the largest first. */
export const describe = (ranges: ReadonlyArray<OffsetRange>): string =>
  ranges.filter((range) => countOf(range) > 0).sort((a, b) => countOf(b) - countOf(a)).map((range) =>
    [
      `topic: ${range.topic}`,
      `partition: ${range.partition}`,
      `offsets: ${range.from} to ${range.until}`,
      `count: ${countOf(range)}`
    ].join("\t")
  ).join("\n")

/** Throws a KafkaError (Options) for a range that cannot be. */
export const assertRange = (range: OffsetRange): OffsetRange => {
  const { from, partition, topic, until } = range
  const refuse = (what: string): never => {
    throw new KafkaError({ reason: "Options", topic, partition, message: `The range of offsets ${what}` })
  }
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(until) || from < 0) {
    refuse(`from ${from} until ${until} of ${topic}/${partition} is none: offsets are whole numbers from 0 on`)
  }
  if (from > until) {
    refuse(
      `of ${topic}/${partition} has its beginning ${from} after the ending offset ${until}: give the smaller one as \`from\``
    )
  }
  return range
}

/** Marks the values of partition specs, so that ranges are found among the inputs of a batch. */
export interface PlannedRange extends OffsetRange {
  readonly kind: "kafka"
}

export const isPlannedRange = (value: unknown): value is PlannedRange =>
  Predicate.hasProperty(value, "kind") && value.kind === "kafka"

/**
 * The ranges that something was made of: the batch of a `foreachBatch`, the batch that the context of a `foreachPartition` or a sink is
 * of, or an RDD in `transform`. They are those of all Kafka streams that it comes from; of a window those of its batches. Pieces of a
 * range that was split are put together.
 */
export const offsetRanges = (
  of: { readonly inputs?: ReadonlyArray<BatchInput> | undefined } | AnyRDD
): ReadonlyArray<OffsetRange> => {
  const inputs = isRDD(of) ? inputsOf(of) : of.inputs ?? []
  return joined(inputs.flatMap(({ partitions }) => rangesOf(partitions)))
}

const isRDD = (value: object): value is AnyRDD => Predicate.hasProperty(value, TypeId)

const rangesOf = (partitions: ReadonlyArray<PartitionSpec>): ReadonlyArray<OffsetRange> =>
  partitions.flatMap((spec) => {
    if (spec.kind !== "source" || !isPlannedRange(spec.value)) return []
    const { kind: _, ...range } = spec.value
    return [range]
  })

/** Neighbours that follow each other become one. */
const joined = (ranges: ReadonlyArray<OffsetRange>): ReadonlyArray<OffsetRange> => {
  const whole: Array<OffsetRange> = []
  for (const range of ranges) {
    const last = whole.at(-1)
    const goesOn = last !== undefined && placeOf(last) === placeOf(range) && last.id === range.id &&
      last.until === range.from
    if (goesOn) whole[whole.length - 1] = { ...range, from: last.from }
    else whole.push(range)
  }
  return whole
}

/** A partition does not have what is asked of it at this offset. */
export const outOfRange = ({ partition, topic }: TopicPartition, offset: number, message: string): KafkaError =>
  new KafkaError({ reason: "OffsetOutOfRange", topic, partition, offset, message })
