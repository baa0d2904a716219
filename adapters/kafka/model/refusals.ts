/**
 * refusals: what the model of a broker says where it refuses: the same reasons as the real one's.
 */
import { type KafkaCluster, type TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"

export type Request = keyof Omit<KafkaCluster, "name">

export const placeOf = ({ partition, topic }: TopicPartition): string => `${topic}/${partition}`

const at = ({ partition, topic }: TopicPartition) => ({ topic, partition })

export const unavailable = (message: string): KafkaError => new KafkaError({ reason: "Unavailable", message })

export const noLeader = (where: TopicPartition): KafkaError =>
  new KafkaError({
    reason: "Unavailable",
    ...at(where),
    message: `${placeOf(where)} has no leader at the moment: try again`
  })

export const unknownPartition = (where: TopicPartition): KafkaError =>
  new KafkaError({
    reason: "UnknownTopic",
    ...at(where),
    message: `there is no ${placeOf(where)}: create the topic, or correct its name`
  })

export const replaced = (where: TopicPartition): KafkaError =>
  new KafkaError({
    reason: "TopicReplaced",
    ...at(where),
    message: `the topic ${where.topic} was deleted and created again: its offsets mean other records now`
  })

export const outOfRange = (where: TopicPartition, offset: number, first: number, end: number): KafkaError =>
  new KafkaError({
    reason: "OffsetOutOfRange",
    ...at(where),
    offset,
    message: `${
      placeOf(where)
    } has the offsets from ${first} to before ${end}, and was asked for ${offset}: choose where to go on`
  })

export const tooLarge = (where: TopicPartition, bytes: number, bytesMax: number): KafkaError =>
  new KafkaError({
    reason: "TooLarge",
    ...at(where),
    message:
      `a batch of ${bytes} bytes for ${placeOf(where)} is larger than the ${bytesMax} that brokers take: send fewer ` +
      "records at once, or have the topic take more (max.message.bytes)"
  })

export const fenced = (what: string): KafkaError =>
  new KafkaError({ reason: "Fenced", message: `${what}: another one has taken its place, and this one is to end` })

export const outOfOrder = (where: TopicPartition, sequence: number, expected: number): KafkaError =>
  new KafkaError({
    reason: "Other",
    ...at(where),
    message:
      `a producer's batch for ${
        placeOf(where)
      } has the sequence ${sequence}, and ${expected} was to come: a batch before it ` +
      "is missing; begin with a new producer"
  })

export const wrongState = (transactionalId: string, state: string, request: Request): KafkaError =>
  new KafkaError({
    reason: "Other",
    message:
      `${request}: the transaction of ${transactionalId} is ${state}: begin with addPartitions or addOffsets, and end it once`
  })

export const notInTransaction = (where: TopicPartition, transactionalId: string): KafkaError =>
  new KafkaError({
    reason: "Other",
    ...at(where),
    message: `${placeOf(where)} is not in the transaction of ${transactionalId}: call addPartitions first`
  })
