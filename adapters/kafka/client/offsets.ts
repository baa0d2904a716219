/**
 * offsets: where partitions begin and end, and from where on they are not older than a time. All partitions of a broker are asked for in one
 * request, the brokers at once.
 */
import { Effect } from "effect"
import type { Isolation, KafkaCluster, OffsetAt, PartitionOffset, TopicPartition } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { BrokerPool } from "./network/BrokerPool.ts"
import type { Brokers, Leader } from "./Brokers.ts"
import { leaderMoved, refusalOf } from "./network/codes.ts"

const request = "ListOffsets"
const consumer = -1
const times = { latest: -1n, earliest: -2n } as const

export const listOffsets = (brokers: Brokers): KafkaCluster["offsets"] => (partitions, at, isolation) =>
  Effect.gen(function* () {
    const found = yield* ask(brokers, partitions, at, isolation, false)
    const beyond = found.filter(({ offset }) => offset < 0)
    if (beyond.length === 0) return found
    const latest = yield* ask(brokers, beyond, "latest", isolation, false)
    return [...found.filter(({ offset }) => offset >= 0), ...latest]
  })

/** An offset of -1: no record is as young. What is not there is left out. */
const ask = Effect.fnUntraced(function* (
  brokers: Brokers,
  partitions: ReadonlyArray<TopicPartition>,
  at: OffsetAt,
  isolation: Isolation,
  anew: boolean
): Effect.fn.Return<ReadonlyArray<PartitionOffset>, KafkaError> {
  const there = yield* brokers.find(partitions, request, anew)
  const leaders = yield* brokers.leaders(there, request, false)
  const parts = byBroker(there, leaders)
  const answers = yield* Effect.forEach(parts, (part) => askBroker(brokers, part, at, isolation), {
    concurrency: "unbounded"
  })
  const found = answers.flat()
  const moved = found.filter(({ errorCode }) => leaderMoved.has(errorCode))
  const failed = found.find(({ errorCode }) => errorCode !== 0 && (anew || !leaderMoved.has(errorCode)))
  if (failed !== undefined) {
    return yield* refusalOf(failed.errorCode, { request, topic: failed.topic, partition: failed.partition })
  }
  const known = found.filter(({ errorCode }) => errorCode === 0).map(({ offset, partition, topic }) => ({
    topic,
    partition,
    offset
  }))
  return moved.length === 0 ? known : [...known, ...(yield* ask(brokers, moved, at, isolation, true))]
})

interface Part {
  readonly broker: BrokerPool
  readonly partitions: Array<TopicPartition & { readonly leaderEpoch: number }>
}

const byBroker = (partitions: ReadonlyArray<TopicPartition>, leaders: ReadonlyArray<Leader>): ReadonlyArray<Part> => {
  const parts = new Map<BrokerPool, Part>()
  leaders.forEach(({ broker, leaderEpoch }, i) => {
    let part = parts.get(broker)
    if (part === undefined) parts.set(broker, part = { broker, partitions: [] })
    part.partitions.push({ ...partitions[i]!, leaderEpoch })
  })
  return [...parts.values()]
}

const askBroker = (brokers: Brokers, { broker, partitions }: Part, at: OffsetAt, isolation: Isolation) => {
  const timestamp = typeof at === "string" ? times[at] : BigInt(Math.max(0, Math.floor(at.timestamp)))
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, parts]) => ({
    name,
    partitions: parts.map(({ leaderEpoch, partition }) => ({
      partitionIndex: partition,
      currentLeaderEpoch: leaderEpoch,
      timestamp
    }))
  }))
  const asked = broker.request(
    ({ listOffsets }) => listOffsets,
    [consumer, isolation === "committed" ? 1 : 0, topics],
    {
      request,
      ...(partitions.length === 1 ? { topic: partitions[0]!.topic, partition: partitions[0]!.partition } : {})
    }
  )
  return brokers.forgetting(
    topics.map(({ name }) => name),
    Effect.map(
      asked,
      (answer) =>
        answer.topics.flatMap(({ name, partitions }) =>
          partitions.map(({ errorCode, offset, partitionIndex }) => ({
            topic: name,
            partition: partitionIndex,
            errorCode,
            offset: Number(offset)
          }))
        )
    )
  )
}
