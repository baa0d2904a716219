/**
 * KafkaCluster: the one port between dstreams and Apache Kafka: a dozen requests, each at the grain of partitions and whole record
 * batches, nothing of clients' buffers, groups of records or retries of their own.
 *
 * | call | promised |
 * | --- | --- |
 * | topics, offsets, epochEnds | what the brokers know; what they do not know is missing in the answer |
 * | fetch | bytes of whole record batches as the broker has them, or none; the first may begin before the offset that was asked for |
 * | produce | durable at all replicas in sync when it returns; with a producer's id, epoch and sequence a repetition is there once |
 * | initProducer | whoever had this transactional id before is fenced, and what it left open is aborted, or completed if it was decided |
 * | addPartitions, addOffsets, endTransaction | of one transaction; one that failed as `Unavailable` may have been done |
 * | committedOffsets | `stable`: fails with `Unavailable` while a transaction that is open may still change them |
 * | join | a member of a consumer group: heartbeats are kept up; a change of what is assigned is an event |
 *
 * A making does not repeat what failed, except to find out who leads a partition now. It does not promise that what failed as `Unavailable`
 * was not done. Makings: the real one in `client/`, over `@platformatic/kafka`; a model of a broker in `model/`, for tests and the
 * simulation.
 */
import { Context, type Effect, type Scope } from "effect"
import type { Millis } from "../../core/time/Time.ts"
import { connect } from "./client/connect.ts"
import type { KafkaConnection } from "./KafkaConnection.ts"
import type { KafkaError } from "./KafkaError.ts"

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface TopicInfo {
  readonly topic: string
  /** Another one than before: the topic was deleted and created again. */
  readonly id: string
  /** From 0 on, without gaps. */
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    /** undefined: it has no leader at the moment. */
    readonly leader: number | undefined
    readonly leaderEpoch: number
  }>
}

/** A timestamp: the first record that is not older. */
export type OffsetAt = "earliest" | "latest" | { readonly timestamp: Millis }

/** What a reader may see: all, or only what transactions committed. */
export type Isolation = "committed" | "uncommitted"

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

export interface ListedOffset extends PartitionOffset {
  /** Of the leader that says so. Only with "latest", and where the brokers tell. */
  readonly leaderEpoch?: number
}

export interface PartitionEpoch extends TopicPartition {
  readonly leaderEpoch: number
}

export interface FetchRequest extends TopicPartition {
  /** Of the topic (`TopicInfo.id`): where the topic of this name has another one it fails with `TopicReplaced`. */
  readonly id?: string | undefined
  readonly offset: number
  /** At least one batch comes, whatever its size. */
  readonly maxBytes: number
  /** How long the broker waits if there is nothing at the offset. */
  readonly waitMillis: Millis
  readonly isolation: Isolation
}

export interface Fetched {
  /** Record batches, one after the other; the last may be cut. They are the caller's. */
  readonly bytes: Uint8Array
  /** The first offset that is there. */
  readonly logStart: number
  /** The offset behind the last record that is replicated. */
  readonly highWatermark: number
  /** The offset before which every transaction is decided. */
  readonly lastStable: number
  /** Transactions of which records in `bytes` were aborted; empty for `uncommitted`. */
  readonly aborted: ReadonlyArray<{ readonly producerId: bigint; readonly firstOffset: number }>
}

/** Who produces: given by the brokers. */
export interface ProducerIdentity {
  readonly id: bigint
  readonly epoch: number
}

export interface TransactionalProducer extends ProducerIdentity {
  readonly transactionalId: string
}

export interface ProduceRequest extends TopicPartition {
  /** One encoded record batch (`RecordBatch.encode`), in which its producer stands. */
  readonly batch: Uint8Array
  readonly transactionalId?: string | undefined
}

/** Offsets of a group, with a text of the committer's. */
export interface CommittedOffset extends PartitionOffset {
  readonly metadata: string
}

/** A member of a consumer group. */
export interface GroupMember {
  /** Waits for the next assignment. The one before is over when the next is asked for: what is not committed by then is another's. */
  readonly assignment: Effect.Effect<ReadonlyArray<TopicPartition>, KafkaError>
  /** Wakes as soon as the group wants its partitions back. */
  readonly revoked: Effect.Effect<void>
  /** Refused (`Fenced`) where this member is not of the group's present generation. */
  readonly commit: (offsets: ReadonlyArray<CommittedOffset>) => Effect.Effect<void, KafkaError>
}

export interface JoinRequest {
  readonly group: string
  readonly topics: ReadonlyArray<string>
  /** Without a heartbeat for so long a member is taken for dead. */
  readonly sessionMillis: Millis
  /** How long members have to give their partitions back. */
  readonly rebalanceMillis: Millis
}

export interface KafkaCluster {
  /** For messages: the bootstrap servers, without any secret. */
  readonly name: string
  /** Those of these names, or all that this user may see. */
  readonly topics: (names: ReadonlyArray<string> | undefined) => Effect.Effect<ReadonlyArray<TopicInfo>, KafkaError>
  /** A partition whose timestamp is behind its end has its latest offset. */
  readonly offsets: (
    partitions: ReadonlyArray<TopicPartition>,
    at: OffsetAt,
    isolation: Isolation
  ) => Effect.Effect<ReadonlyArray<ListedOffset>, KafkaError>
  /**
   * Where that ends which was written under leaders up to this epoch, in the present leader's log. One that was elected uncleanly may have less
   * of it than was there: what lies behind is another record now, or none. 0: it knows of no such epoch.
   */
  readonly epochEnds: (
    partitions: ReadonlyArray<PartitionEpoch>
  ) => Effect.Effect<ReadonlyArray<PartitionOffset>, KafkaError>
  readonly fetch: (request: FetchRequest) => Effect.Effect<Fetched, KafkaError>
  /** Gives the offset of the first record. */
  readonly produce: (request: ProduceRequest) => Effect.Effect<number, KafkaError>
  /** Without a transactional id: an idempotent producer. */
  readonly initProducer: (options: {
    readonly transactionalId?: string | undefined
    /** After so long brokers abort what it left open. */
    readonly transactionMillis?: Millis | undefined
  }) => Effect.Effect<ProducerIdentity, KafkaError>
  readonly addPartitions: (
    producer: TransactionalProducer,
    partitions: ReadonlyArray<TopicPartition>
  ) => Effect.Effect<void, KafkaError>
  /** Offsets of a group that count if the transaction is committed. */
  readonly addOffsets: (
    producer: TransactionalProducer,
    group: string,
    offsets: ReadonlyArray<CommittedOffset>
  ) => Effect.Effect<void, KafkaError>
  readonly endTransaction: (
    producer: TransactionalProducer,
    outcome: "commit" | "abort"
  ) => Effect.Effect<void, KafkaError>
  /** Partitions of which nothing is committed are missing in the answer. */
  readonly committedOffsets: (
    group: string,
    partitions: ReadonlyArray<TopicPartition>,
    options: { readonly stable: boolean }
  ) => Effect.Effect<ReadonlyArray<CommittedOffset>, KafkaError>
  /** From outside of the group's members: refused while it has some. */
  readonly commitOffsets: (
    group: string,
    offsets: ReadonlyArray<CommittedOffset>
  ) => Effect.Effect<void, KafkaError>
  readonly join: (request: JoinRequest) => Effect.Effect<GroupMember, KafkaError, Scope.Scope>
}

/** Connects lazily: that no broker is there is told by the first request. */
export type ConnectKafka = (connection: KafkaConnection) => Effect.Effect<KafkaCluster, KafkaError, Scope.Scope>

/** How programs connect: over the real client, unless the app's layer provides another making. */
export const ConnectKafka = Context.Reference<ConnectKafka>("dstreams/kafka/ConnectKafka", {
  defaultValue: () => connect
})
