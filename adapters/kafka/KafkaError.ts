/**
 * KafkaError: what a cluster refused, or that it was not there.
 *
 * | reason | what it is | comes right if it is tried again |
 * | --- | --- | --- |
 * | Unavailable | no broker answers, a partition has no leader, a broker starts or stops, an answer is late, a transaction is still open | yes |
 * | UnknownTopic | a topic or partition is not there | no |
 * | TopicReplaced | a topic was deleted and created again | no |
 * | OffsetOutOfRange | the offset is before the first that is there, or behind the end | no |
 * | Refused | wrong user, password, token or certificate, or this user may not | no |
 * | Fenced | another one has this transactional id, or this place in the group | no |
 * | TooLarge | a record or a batch is larger than the brokers take, or than maxBatchBytes | no |
 * | Damaged | bytes of an answer are none that a broker sends: a check sum, a length, a count | no |
 * | Undecodable | a key or value is not what its deserializer takes | no |
 * | Unsupported | an unknown compression, a version that is too old or too new | no |
 * | NotInstalled | the client's package is not there | no |
 * | Options | the program's options cannot be | no |
 * | Commits | what stands noted of an output's commits cannot be | no |
 * | Record | what the program gave for a record is none that Kafka, or the topic, takes | no |
 * | Other | anything else | no |
 */
import { Schema } from "effect"

export const reasons = [
  "Unavailable",
  "UnknownTopic",
  "TopicReplaced",
  "OffsetOutOfRange",
  "Refused",
  "Fenced",
  "TooLarge",
  "Damaged",
  "Undecodable",
  "Unsupported",
  "NotInstalled",
  "Options",
  "Commits",
  "Record",
  "Other"
] as const

export class KafkaError extends Schema.TaggedError<KafkaError>()("KafkaError", {
  reason: Schema.Literals(reasons),
  topic: Schema.optionalKey(Schema.String),
  partition: Schema.optionalKey(Schema.Number),
  offset: Schema.optionalKey(Schema.Number),
  /** With what to do. */
  message: Schema.String
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
}
