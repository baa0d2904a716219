/**
 * answers: what the answers of brokers have in common: codes, by topic and partition, and offsets as requests list them.
 */
import { Effect } from "effect"
import type { CommittedOffset, TopicPartition } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import { refusalOf, type Subject } from "./network/codes.ts"

const notAttempted = 55

/** Not as a member of the group. */
export const noMember = { generation: -1, memberId: "" } as const

interface Coded {
  readonly errorCode: number
}

export const codeOf = ({ errorCode }: Coded): number => errorCode

export const check = ({ errorCode }: Coded, subject: Subject, brokerSays?: string): Effect.Effect<void, KafkaError> =>
  errorCode === 0 ? Effect.void : Effect.fail(refusalOf(errorCode, subject, brokerSays))

type Place = TopicPartition & Coded

/** An error code of 0: all went well. Where one failed, others may not have been tried. */
export const firstFailure = (places: ReadonlyArray<Place>): Coded & Partial<Place> => {
  const failed = places.filter(({ errorCode }) => errorCode !== 0)
  return failed.find(({ errorCode }) => errorCode !== notAttempted) ?? failed[0] ?? { errorCode: 0 }
}

export const placeOf = ({ partition, topic }: Partial<TopicPartition>): Partial<TopicPartition> =>
  topic === undefined || partition === undefined ? {} : { topic, partition }

export const placesOf = (
  { name, partitions }: {
    readonly name: string
    readonly partitions: ReadonlyArray<Coded & { readonly partitionIndex: number }>
  }
): ReadonlyArray<Place> =>
  partitions.map(({ errorCode, partitionIndex }) => ({ topic: name, partition: partitionIndex, errorCode }))

export const byTopic = <A extends TopicPartition>(
  partitions: ReadonlyArray<A>
): ReadonlyArray<[string, ReadonlyArray<A>]> => [
  ...Map.groupBy(partitions, ({ topic }) => topic)
]

export const offsetTopics = (offsets: ReadonlyArray<CommittedOffset>) =>
  byTopic(offsets).map(([name, parts]) => ({
    name,
    partitions: parts.map(({ metadata, offset, partition }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata
    }))
  }))
