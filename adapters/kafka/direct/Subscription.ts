/**
 * Subscription: which partitions a stream reads, of what the brokers say there is. Pure.
 */
import type { TopicInfo, TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import type { Subscription } from "../options.ts"
import { inOrder } from "../reading/OffsetRange.ts"

/** A partition that is there, of the topic with this id. */
export interface Wanted extends TopicPartition {
  readonly id: string
}

/** The topics to ask for; undefined: all. */
export const namesOf = ({ partitions, topics }: Subscription): ReadonlyArray<string> | undefined => {
  if (partitions !== undefined) return [...new Set(partitions.map(({ topic }) => topic))]
  return topics instanceof RegExp ? undefined : typeof topics === "string" ? [topics] : [...new Set(topics)]
}

export const isSubscribed = (subscription: Subscription, { partition, topic }: TopicPartition): boolean => {
  const { partitions, topics } = subscription
  if (partitions !== undefined) return partitions.some((one) => one.topic === topic && one.partition === partition)
  return topics instanceof RegExp
    ? topic.search(topics) !== -1 && !isInternal(topic)
    : namesOf(subscription)!.includes(topic)
}

/** Kafka's own topics are matched by no pattern. */
const isInternal = (topic: string) => topic.startsWith("__")

/** In order of topic and partition. */
export const wantedOf = (subscription: Subscription, infos: ReadonlyArray<TopicInfo>): ReadonlyArray<Wanted> =>
  infos.flatMap(({ id, partitions, topic }) => partitions.map(({ partition }) => ({ topic, partition, id })))
    .filter((one) => isSubscribed(subscription, one))
    .sort(inOrder)

/** What was named and is not there. */
export const missingOf = (
  subscription: Subscription,
  infos: ReadonlyArray<TopicInfo>,
  cluster: string
): KafkaError | undefined => {
  const topic = namesOf(subscription)?.find((name) => !infos.some((info) => info.topic === name))
  if (topic !== undefined) {
    return new KafkaError({
      reason: "UnknownTopic",
      topic,
      message: `There is no topic ${topic} at ${cluster}, or its user may not see it: create it, or correct the name`
    })
  }
  const partition = subscription.partitions?.find((one) =>
    !infos.some((info) => info.topic === one.topic && info.partitions.length > one.partition)
  )
  if (partition === undefined) return undefined
  const count = infos.find((info) => info.topic === partition.topic)!.partitions.length
  return new KafkaError({
    reason: "UnknownTopic",
    ...partition,
    message:
      `Topic ${partition.topic} at ${cluster} has ${count} partitions, and no partition ${partition.partition}: ` +
      "they are numbered from 0 on"
  })
}
