/**
 * Broker: a Kafka cluster as a model: what its answer to each request is, at once, or a KafkaError, which is thrown.
 *
 * It keeps encoded record batches (`PartitionLog`), transactions and groups. Its time is what `now` says; nothing in it waits or has a
 * timer: what is due (markers, transactions that were open for too long, members that are silent) is done at the next request. So it
 * is the same in every run, and may be outside of all nodes of a simulation.
 */
import type {
  CommittedOffset,
  Fetched,
  FetchRequest,
  Isolation,
  ListedOffset,
  OffsetAt,
  PartitionEpoch,
  PartitionOffset,
  ProduceRequest,
  ProducerIdentity,
  TopicInfo,
  TopicPartition,
  TransactionalProducer
} from "../KafkaCluster.ts"
import { attribute } from "../records/RecordBatch.ts"
import type { Millis, Time } from "../../../core/time/Time.ts"
import { Groups } from "./Groups.ts"
import { PartitionLog } from "./PartitionLog.ts"
import { noLeader, notInTransaction, replaced, tooLarge, unknownPartition } from "./refusals.ts"
import { type Decision, type Outcome, Transactions } from "./Transactions.ts"

export interface BrokerOptions {
  /** By the broker's clock. */
  readonly now: () => Time
  /** Of one batch. 1 MiB */
  readonly batchBytesMax?: number | undefined
  /** How long it takes until the markers of a transaction are written that is decided; drawn for each. 0 */
  readonly markerMillis?: (() => Millis) | undefined
}

interface Topic {
  readonly id: string
  readonly partitions: Array<PartitionLog>
}

export class Broker {
  readonly groups: Groups
  private readonly options: BrokerOptions
  private readonly known = new Map<string, Topic>()
  private readonly transactions: Transactions
  private ids = 0
  private producers = 0n

  constructor(options: BrokerOptions) {
    this.options = options
    this.groups = new Groups((topics) =>
      topics.flatMap((topic) => (this.known.get(topic)?.partitions ?? []).map(({ where }) => where))
    )
    this.transactions = new Transactions({
      nextProducerId: () => ++this.producers,
      markerMillis: options.markerMillis ?? (() => 0),
      mayComplete: (partitions) => partitions.every((where) => this.find(where)?.leader !== null),
      complete: (decision) => this.complete(decision)
    })
  }

  get now(): Time {
    return this.options.now()
  }

  /** Does what is due. */
  settle(): void {
    this.transactions.settle(this.now)
    this.groups.settle(this.now)
  }

  createTopic(topic: string, partitions: number): void {
    if (this.known.has(topic)) {
      throw new Error(`the topic ${topic} is there already: delete it first, or add partitions`)
    }
    this.known.set(topic, { id: `topic-${++this.ids}`, partitions: [] })
    this.addPartitions(topic, partitions)
  }

  addPartitions(topic: string, count: number): void {
    const { partitions } = this.topic(topic)
    for (let i = 0; i < count; i++) partitions.push(new PartitionLog({ topic, partition: partitions.length }))
  }

  deleteTopic(topic: string): void {
    this.topic(topic)
    this.known.delete(topic)
    this.groups.forget(topic)
  }

  /** A partition's log, to be cleaned, cut off, or left without a leader. */
  log(where: TopicPartition): PartitionLog {
    const log = this.find(where)
    if (log === undefined) throw unknownPartition(where)
    return log
  }

  topics(names: ReadonlyArray<string> | undefined): ReadonlyArray<TopicInfo> {
    this.settle()
    return [...this.known].filter(([topic]) => names === undefined || names.includes(topic))
      .map(([topic, { id, partitions }]) => ({
        topic,
        id,
        partitions: partitions.map(({ leader, leaderEpoch }, partition) => ({
          partition,
          leader: leader ?? undefined,
          leaderEpoch
        }))
      }))
  }

  offsets(
    partitions: ReadonlyArray<TopicPartition>,
    at: OffsetAt,
    isolation: Isolation
  ): ReadonlyArray<ListedOffset> {
    this.settle()
    return partitions.filter((where) => this.find(where) !== undefined)
      .map(({ partition, topic }) => {
        const log = this.led({ topic, partition })
        const found = { topic, partition, offset: log.offsetAt(at, isolation) }
        return at === "latest" ? { ...found, leaderEpoch: log.leaderEpoch } : found
      })
  }

  epochEnds(partitions: ReadonlyArray<PartitionEpoch>): ReadonlyArray<PartitionOffset> {
    this.settle()
    return partitions.filter((where) => this.find(where) !== undefined)
      .map(({ leaderEpoch, partition, topic }) => ({
        topic,
        partition,
        offset: this.led({ topic, partition }).epochEnd(leaderEpoch)
      }))
  }

  fetch({ id, isolation, maxBytes, offset, ...where }: Omit<FetchRequest, "waitMillis">): Fetched {
    this.settle()
    const log = this.led(where)
    if (id !== undefined && id !== this.topic(where.topic).id) throw replaced(where)
    return log.read(offset, maxBytes, isolation)
  }

  produce({ batch, transactionalId, ...where }: ProduceRequest): number {
    this.settle()
    const log = this.led(where)
    const { batchBytesMax = batchBytesMaxDefault } = this.options
    if (batch.length > batchBytesMax) throw tooLarge(where, batch.length, batchBytesMax)
    const header = log.readable(batch)
    if ((header.attributes & attribute.transactional) !== 0) {
      const { producerEpoch, producerId } = header
      if (transactionalId === undefined) throw notInTransaction(where, "no transactional id")
      if (!log.isOpen(producerId, producerEpoch)) {
        this.transactions.verify(transactionalId, producerId, producerEpoch, where)
      }
    }
    return log.append(batch)
  }

  initProducer(transactionalId?: string, transactionMillis?: Millis): ProducerIdentity {
    this.settle()
    if (transactionalId === undefined) return { id: ++this.producers, epoch: 0 }
    return this.transactions.initProducer(transactionalId, transactionMillis, this.now)
  }

  addToTransaction(producer: TransactionalProducer, partitions: ReadonlyArray<TopicPartition>): void {
    this.settle()
    for (const where of partitions) this.log(where)
    this.transactions.addPartitions(producer, partitions, this.now)
  }

  addOffsets(producer: TransactionalProducer, group: string, offsets: ReadonlyArray<CommittedOffset>): void {
    this.settle()
    this.transactions.addGroup(producer, group, this.now)
    this.groups.addPending(group, producer.id, offsets)
  }

  endTransaction(producer: TransactionalProducer, outcome: Outcome): void {
    this.settle()
    this.transactions.endTransaction(producer, outcome, this.now)
  }

  committedOffsets(
    group: string,
    partitions: ReadonlyArray<TopicPartition>,
    stable: boolean
  ): ReadonlyArray<CommittedOffset> {
    this.settle()
    return this.groups.committed(group, partitions, stable)
  }

  /** Writes the markers of a transaction, and has its offsets count, or not; what is gone is left out. */
  private complete({ epoch, groups, outcome, partitions, producerId }: Decision): void {
    for (const where of partitions) this.find(where)?.mark(producerId, epoch, outcome, this.now)
    for (const group of groups) this.groups.endPending(group, producerId, outcome)
  }

  private find({ partition, topic }: TopicPartition): PartitionLog | undefined {
    return this.known.get(topic)?.partitions[partition]
  }

  private led(where: TopicPartition): PartitionLog {
    const log = this.log(where)
    if (log.leader === null) throw noLeader(where)
    return log
  }

  private topic(name: string): Topic {
    const topic = this.known.get(name)
    if (topic === undefined) throw unknownPartition({ topic: name, partition: 0 })
    return topic
  }
}

/** As brokers have it. */
const batchBytesMaxDefault = 1_048_588
