/**
 * codes: the error codes of Kafka's protocol that its clients can meet, and what each is to a program. Source: Kafka's `Errors`.
 */
import { KafkaError } from "../../KafkaError.ts"

interface Code {
  readonly name: string
  readonly reason: KafkaError["reason"]
  /** What it is, and what to do. */
  readonly message: string
}

const wait = "it comes right by itself: try again"

const unavailable: Record<number, readonly [name: string, message: string]> = {
  5: ["LEADER_NOT_AVAILABLE", `the partition has no leader at the moment; ${wait}`],
  6: ["NOT_LEADER_OR_FOLLOWER", `another broker leads the partition now; ${wait}`],
  7: ["REQUEST_TIMED_OUT", "not all replicas answered in time: see that the brokers run, and try again"],
  8: ["BROKER_NOT_AVAILABLE", `the broker is not available; ${wait}`],
  9: ["REPLICA_NOT_AVAILABLE", `the replica is not available; ${wait}`],
  13: ["NETWORK_EXCEPTION", `the broker was cut off; ${wait}`],
  14: ["COORDINATOR_LOAD_IN_PROGRESS", `the coordinator has just begun; ${wait}`],
  15: ["COORDINATOR_NOT_AVAILABLE", `there is no coordinator yet; ${wait}`],
  16: ["NOT_COORDINATOR", `another broker is the coordinator now; ${wait}`],
  19: [
    "NOT_ENOUGH_REPLICAS",
    "fewer replicas are in sync than the topic's min.insync.replicas: see that the brokers run, and try again"
  ],
  20: [
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "fewer replicas have it than the topic's min.insync.replicas: see that the brokers run, and try again"
  ],
  51: ["CONCURRENT_TRANSACTIONS", `the transaction before is not completed yet; ${wait}`],
  56: ["KAFKA_STORAGE_ERROR", "the broker cannot read or write its disk: see its log, and try again"],
  72: ["LISTENER_NOT_FOUND", "the leader does not listen on this listener: see the brokers' listeners, and try again"],
  74: ["FENCED_LEADER_EPOCH", `the partition's leader has changed; ${wait}`],
  75: ["UNKNOWN_LEADER_EPOCH", `the broker does not know yet that it leads the partition; ${wait}`],
  78: ["OFFSET_NOT_AVAILABLE", `the new leader does not know the partition's end yet; ${wait}`],
  88: ["UNSTABLE_OFFSET_COMMIT", `a transaction that is open may still change the offsets; ${wait}`],
  89: ["THROTTLING_QUOTA_EXCEEDED", `the quota is used up; ${wait}`]
}

const others: Record<number, readonly [name: string, reason: KafkaError["reason"], message: string]> = {
  1: [
    "OFFSET_OUT_OF_RANGE",
    "OffsetOutOfRange",
    "the partition does not have this offset: it is older than the topic keeps its records, or behind the end"
  ],
  2: ["CORRUPT_MESSAGE", "Damaged", "the bytes that came are not those that were sent"],
  3: [
    "UNKNOWN_TOPIC_OR_PARTITION",
    "UnknownTopic",
    "there is no such topic or partition, or this user may not see it: create it, or see to its name"
  ],
  10: [
    "MESSAGE_TOO_LARGE",
    "TooLarge",
    "the batch is larger than the topic's max.message.bytes: write smaller records or smaller batches, or raise it"
  ],
  12: [
    "OFFSET_METADATA_TOO_LARGE",
    "TooLarge",
    "the text beside an offset is longer than the brokers' offset.metadata.max.bytes"
  ],
  17: [
    "INVALID_TOPIC_EXCEPTION",
    "Options",
    "no topic can have this name: letters, digits, '.', '_' and '-', at most 249"
  ],
  18: [
    "RECORD_LIST_TOO_LARGE",
    "TooLarge",
    "the batch is larger than a segment of the topic (segment.bytes): write smaller batches"
  ],
  22: ["ILLEGAL_GENERATION", "Fenced", "the group has been shared out anew since"],
  23: [
    "INCONSISTENT_GROUP_PROTOCOL",
    "Options",
    "other members of the group share partitions out in another way: give this program a group of its own, or the others the range assignor"
  ],
  24: ["INVALID_GROUP_ID", "Options", "no group can have this name"],
  25: ["UNKNOWN_MEMBER_ID", "Fenced", "the group has taken this member for dead"],
  26: [
    "INVALID_SESSION_TIMEOUT",
    "Options",
    "the session's length is not within the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms"
  ],
  27: ["REBALANCE_IN_PROGRESS", "Fenced", "the group is being shared out anew"],
  28: ["INVALID_COMMIT_OFFSET_SIZE", "TooLarge", "the offsets are more than one commit can hold"],
  29: [
    "TOPIC_AUTHORIZATION_FAILED",
    "Refused",
    "this user may not use the topic: give the user a right to it (kafka-acls.sh)"
  ],
  30: [
    "GROUP_AUTHORIZATION_FAILED",
    "Refused",
    "this user may not use the group: give the user a right to it (kafka-acls.sh)"
  ],
  31: [
    "CLUSTER_AUTHORIZATION_FAILED",
    "Refused",
    "this user may not do that with the cluster: give the user the right (kafka-acls.sh)"
  ],
  33: [
    "UNSUPPORTED_SASL_MECHANISM",
    "Refused",
    "the listener does not have this SASL mechanism: see its sasl.enabled.mechanisms"
  ],
  34: ["ILLEGAL_SASL_STATE", "Refused", "the listener wants no SASL here, or wants it first"],
  35: [
    "UNSUPPORTED_VERSION",
    "Unsupported",
    "the broker is too old or too new for this request: Apache Kafka 3.1 and later are understood"
  ],
  43: [
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "Unsupported",
    "the topic is in a form of before Kafka 0.11: raise its message.format.version"
  ],
  44: ["POLICY_VIOLATION", "Refused", "a policy of the cluster forbids it"],
  47: [
    "INVALID_PRODUCER_EPOCH",
    "Fenced",
    "another one has this transactional id now, or its transaction was ended because it took too long"
  ],
  50: [
    "INVALID_TRANSACTION_TIMEOUT",
    "Options",
    "the transaction's time is longer than the brokers' transaction.max.timeout.ms"
  ],
  53: [
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "Refused",
    "this user may not use the transactional id: give the user a right to it (kafka-acls.sh)"
  ],
  58: ["SASL_AUTHENTICATION_FAILED", "Refused", "user, password or token are not accepted"],
  60: ["REASSIGNMENT_IN_PROGRESS", "Other", "the partition is being moved"],
  76: ["UNSUPPORTED_COMPRESSION_TYPE", "Unsupported", "the broker does not know this compression"],
  81: ["GROUP_MAX_SIZE_REACHED", "Refused", "the group has as many members as the brokers' group.max.size allows"],
  82: ["FENCED_INSTANCE_ID", "Fenced", "another member has taken this one's place"],
  87: [
    "INVALID_RECORD",
    "Record",
    "the broker does not take a record of the batch: a topic that is compacted wants keys, and timestamps must be within its limits"
  ],
  90: ["PRODUCER_FENCED", "Fenced", "another one has this transactional id now"],
  100: ["UNKNOWN_TOPIC_ID", "TopicReplaced", "the topic was deleted, and maybe created again"],
  103: ["INCONSISTENT_TOPIC_ID", "TopicReplaced", "the topic was deleted and created again"]
}

const codeOf = (code: number): Code => {
  const known = unavailable[code]
  if (known !== undefined) return { name: known[0], reason: "Unavailable", message: known[1] }
  const other = others[code]
  if (other !== undefined) return { name: other[0], reason: other[1], message: other[2] }
  return { name: nameless[code] ?? "an error that is unknown here", reason: "Other", message: "see the brokers' logs" }
}

/** Those for which there is nothing more to say. */
const nameless: Record<number, string> = {
  [-1]: "UNKNOWN_SERVER_ERROR",
  42: "INVALID_REQUEST",
  45: "OUT_OF_ORDER_SEQUENCE_NUMBER",
  46: "DUPLICATE_SEQUENCE_NUMBER",
  48: "INVALID_TXN_STATE",
  49: "INVALID_PRODUCER_ID_MAPPING",
  54: "SECURITY_DISABLED",
  55: "OPERATION_NOT_ATTEMPTED",
  59: "UNKNOWN_PRODUCER_ID",
  73: "TOPIC_DELETION_DISABLED",
  120: "TRANSACTION_ABORTABLE"
}

/** Who leads a partition, or who coordinates, is to be found out anew. */
export const leaderMoved: ReadonlySet<number> = new Set([3, 5, 6, 9, 56, 72, 74, 75, 100, 103])
export const coordinatorMoved: ReadonlySet<number> = new Set([15, 16])
export const duplicateSequence = 46
export const memberIdRequired = 79
export const unknownTopic = 3
export const noLeader = 5
export const unknownTopicId = 100

/** What a request was about. */
export interface Subject {
  /** `Fetch`, `Produce` */
  readonly request: string
  /** `the group words` */
  readonly name?: string | undefined
  readonly topic?: string | undefined
  readonly partition?: number | undefined
  readonly offset?: number | undefined
}

/** Where: ` of words/3 at offset 12`. */
export const describeSubject = ({ name, offset, partition, topic }: Subject): string => {
  const place = topic === undefined ? name : partition === undefined ? topic : `${topic}/${partition}`
  return `${place === undefined ? "" : ` of ${place}`}${offset === undefined ? "" : ` at offset ${offset}`}`
}

/** For a code that is not 0. What the broker says beside it comes last. */
export const refusalOf = (code: number, subject: Subject, brokerSays?: string | null): KafkaError => {
  const { message, name, reason } = codeOf(code)
  return kafkaError(
    reason,
    subject,
    `${subject.request}${describeSubject(subject)} was refused with ${name} (${code}): ${message}` +
      (brokerSays ? `. The broker says: ${brokerSays}` : "")
  )
}

export const kafkaError = (reason: KafkaError["reason"], subject: Subject, message: string): KafkaError =>
  new KafkaError({
    reason,
    ...(subject.topic === undefined ? {} : { topic: subject.topic }),
    ...(subject.partition === undefined ? {} : { partition: subject.partition }),
    ...(subject.offset === undefined ? {} : { offset: subject.offset }),
    message
  })
