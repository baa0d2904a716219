/**
 * offsets: where partitions begin and end, from where on they are not older than a time, and where the epochs of their leaders ended.
 */
import { Effect } from "effect"
import type {
  Isolation,
  KafkaCluster,
  ListedOffset,
  OffsetAt,
  PartitionEpoch,
  TopicPartition
} from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import { atLeaders, type Part } from "./atLeaders.ts"
import type { Brokers } from "./Brokers.ts"

const consumer = -1
const times = { latest: -1n, earliest: -2n } as const

export const listOffsets = (brokers: Brokers): KafkaCluster["offsets"] =>
  Effect.fnUntraced(function* (partitions, at, isolation) {
    const found = yield* list(brokers, partitions, at, isolation)
    // No record is as young.
    const beyond = found.filter(({ offset }) => offset < 0)
    if (beyond.length === 0) return found
    const latest = yield* list(brokers, beyond, "latest", isolation)
    return [...found.filter(({ offset }) => offset >= 0), ...latest]
  })

const list = (
  brokers: Brokers,
  partitions: ReadonlyArray<TopicPartition>,
  at: OffsetAt,
  isolation: Isolation
): Effect.Effect<ReadonlyArray<ListedOffset>, KafkaError> => {
  const request = "ListOffsets"
  const timestamp = typeof at === "string" ? times[at] : BigInt(Math.max(0, Math.floor(at.timestamp)))
  const send = (part: Part<TopicPartition>) => {
    const topics = part.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ currentLeaderEpoch, partition: partitionIndex }) => ({
        partitionIndex,
        currentLeaderEpoch,
        timestamp
      }))
    }))
    const values: [number, number, typeof topics] = [consumer, isolation === "committed" ? 1 : 0, topics]
    return Effect.map(
      part.broker.request(({ listOffsets }) => listOffsets, values, subjectOf(request, part)),
      (answer) =>
        answer.topics.flatMap(({ name: topic, partitions }) =>
          partitions.map(({ partitionIndex: partition, ...more }) => ({ topic, partition, ...more }))
        )
    )
  }
  return Effect.map(
    atLeaders(brokers, request, partitions, send),
    (answers) =>
      answers.map(({ leaderEpoch, offset, partition, topic }) => ({
        topic,
        partition,
        offset: Number(offset),
        ...(at === "latest" && leaderEpoch >= 0 ? { leaderEpoch } : {})
      }))
  )
}

export const epochEnds = (brokers: Brokers): KafkaCluster["epochEnds"] => {
  const request = "OffsetForLeaderEpoch"
  const send = (part: Part<PartitionEpoch>) => {
    const topics = part.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ currentLeaderEpoch, leaderEpoch, partition: partitionIndex }) => ({
        partitionIndex,
        currentLeaderEpoch,
        leaderEpoch
      }))
    }))
    return Effect.map(
      part.broker.request(
        ({ offsetForLeaderEpoch }) => offsetForLeaderEpoch,
        [consumer, topics],
        subjectOf(request, part)
      ),
      (answer) => answer.topics.flatMap(({ partitions, topic }) => partitions.map((one) => ({ topic, ...one })))
    )
  }
  return (partitions) =>
    Effect.map(
      atLeaders(brokers, request, partitions, send),
      (answers) =>
        answers.map(({ endOffset, partition, topic }) => ({
          topic,
          partition,
          // -1: it knows of no such epoch.
          offset: Math.max(0, Number(endOffset))
        }))
    )
}

/** Named where it is only one. */
const subjectOf = (request: string, { topics }: Part<TopicPartition>) => {
  const [first, second] = topics.flatMap(({ partitions }) => partitions)
  return second === undefined ? { request, topic: first!.topic, partition: first!.partition } : { request }
}
