/**
 * atLeaders: a question about many partitions: those of a broker are asked for in one request, the brokers at once. Where another leads by now it
 * is asked once more; a partition that is not there is left out.
 */
import { Effect } from "effect"
import type { TopicPartition } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { Brokers, Leader } from "./Brokers.ts"
import { leaderMoved, refusalOf } from "./network/codes.ts"
import type { BrokerPool } from "./network/BrokerPool.ts"

/** What one broker is asked for. */
export interface Part<P> {
  readonly broker: BrokerPool
  readonly topics: ReadonlyArray<{
    readonly name: string
    /** `currentLeaderEpoch`: as it is known here; another one refuses. */
    readonly partitions: ReadonlyArray<P & { readonly currentLeaderEpoch: number }>
  }>
}

export interface Answered extends TopicPartition {
  readonly errorCode: number
}

export const atLeaders = <P extends TopicPartition, A extends Answered>(
  brokers: Brokers,
  request: string,
  partitions: ReadonlyArray<P>,
  send: (part: Part<P>) => Effect.Effect<ReadonlyArray<A>, KafkaError>
): Effect.Effect<ReadonlyArray<A>, KafkaError> => {
  const ask = Effect.fnUntraced(function* (
    asked: ReadonlyArray<P>,
    anew: boolean
  ): Effect.fn.Return<ReadonlyArray<A>, KafkaError> {
    const places = new Set((yield* brokers.find(asked, request, anew)).map(placeOf))
    const there = asked.filter((one) => places.has(placeOf(one)))
    const leaders = yield* brokers.leaders(there, request, false)
    const forgetting = (part: Part<P>) => brokers.forgetting(part.topics.map(({ name }) => name), send(part))
    const answers = yield* Effect.forEach(partsOf(there, leaders), forgetting, { concurrency: "unbounded" })
    const found = answers.flat()
    const failed = found.find(({ errorCode }) => errorCode !== 0 && (anew || !leaderMoved.has(errorCode)))
    if (failed !== undefined) {
      return yield* refusalOf(failed.errorCode, { request, topic: failed.topic, partition: failed.partition })
    }
    const known = found.filter(({ errorCode }) => errorCode === 0)
    const moved = new Set(found.filter(({ errorCode }) => errorCode !== 0).map(placeOf))
    return moved.size === 0 ? known : [...known, ...(yield* ask(there.filter((one) => moved.has(placeOf(one))), true))]
  })
  return ask(partitions, false)
}

const placeOf = ({ partition, topic }: TopicPartition): string => `${topic}/${partition}`

const partsOf = <P extends TopicPartition>(
  partitions: ReadonlyArray<P>,
  leaders: ReadonlyArray<Leader>
): ReadonlyArray<Part<P>> => {
  const led = partitions.map((one, i) => {
    const { broker, leaderEpoch } = leaders[i]!
    return { broker, partition: { ...one, currentLeaderEpoch: leaderEpoch } }
  })
  return [...Map.groupBy(led, ({ broker }) => broker)].map(([broker, all]) => {
    const topics = Map.groupBy(all.map(({ partition }) => partition), ({ topic }) => topic)
    return { broker, topics: [...topics].map(([name, partitions]) => ({ name, partitions })) }
  })
}
