/**
 * losses: what is told of partitions that cannot go on where they stand, of topics that are not there and of what comes twice, and what to
 * do. Pure.
 */
import { placeOf } from "../reading/OffsetRange.ts"
import type { TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"

const of = (reason: KafkaError["reason"], { partition, topic }: TopicPartition, message: string) =>
  new KafkaError({ reason, topic, partition, message })

export const noLeader = (at: TopicPartition): KafkaError =>
  of("Unavailable", at, `No broker leads ${placeOf(at)}: see that the brokers that have it run`)

export const notThere = (at: TopicPartition): KafkaError =>
  of(
    "UnknownTopic",
    at,
    `There is no ${placeOf(at)} any more, or the user may not see it: create the topic again, or leave it out`
  )

export const replaced = (at: TopicPartition): KafkaError =>
  of("TopicReplaced", at, `The topic ${at.topic} was deleted and created again; what ${placeOf(at)} had before is gone`)

/** Another broker leads, and its log had less of what was read. */
export const cutOff = (at: TopicPartition, readUpTo: number, end: number): KafkaError =>
  of(
    "OffsetOutOfRange",
    at,
    `${
      placeOf(at)
    } was read up to ${readUpTo} and was cut off at ${end} when another broker came to lead: records were lost at the brokers`
  )

/** Under `onLoss: "fail"`. */
export const cannotGoOn = (at: TopicPartition, { message, reason }: KafkaError): KafkaError =>
  of(reason, at, `${message}. Say where to go on with onLoss: "skip" or "earliest", or begin anew with another group`)

/** Under another policy; `from`: how far it was read. */
export const goesOn = (at: TopicPartition, { message }: KafkaError, next: number, from?: number): string =>
  `${message}; ${placeOf(at)} ${from === undefined ? "" : `was read up to ${from} and `}goes on at ${next}`

export const unknownTopic = (topic: string, cluster: string): string =>
  `There is no topic ${topic} at ${cluster}, or its user may not see it: create it, or correct the name. It is looked for again`

export const storedTwice = (group: string): string =>
  `Group ${group} gave partitions to another member before what was stored of them could be committed: it comes again`
