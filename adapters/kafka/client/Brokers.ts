/**
 * Brokers: the brokers of a cluster and who leads which partition, as far as it is known here. It is found out when it is needed for the
 * first time, and again when a broker says that it has changed, or cannot be reached.
 */
import type { API, metadataV12 } from "@platformatic/kafka"
import { Effect, Exit } from "effect"
import type { TopicInfo, TopicPartition } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import { BrokerPool } from "./network/BrokerPool.ts"
import { kafkaError, leaderMoved, noLeader, refusalOf, type Subject, unknownTopic } from "./network/codes.ts"
import type { Client } from "./network/platformatic.ts"
import { type Address, type Settings, showAddress } from "./network/settings.ts"

/** Where a request about a partition goes, and what it has to say of it. */
export interface Leader {
  readonly broker: BrokerPool
  readonly topicId: string
  readonly leaderEpoch: number
}

/** A leader is looked for so often, and so long after it was found to be none. */
const looksMax = 10
const lookMillis = 100

export class Brokers {
  readonly settings: Settings
  private readonly pools = new Map<string, BrokerPool>()
  private addresses = new Map<number, Address>()
  private readonly topics = new Map<string, TopicInfo>()
  /** The one that answered last. */
  private favourite: BrokerPool | undefined

  constructor(settings: Settings) {
    this.settings = settings
  }

  close(): void {
    for (const pool of this.pools.values()) pool.close()
  }

  poolOf(address: Address): BrokerPool {
    const key = showAddress(address)
    let pool = this.pools.get(key)
    if (pool === undefined) this.pools.set(key, pool = new BrokerPool(address, this.settings))
    return pool
  }

  /** One broker after the other is asked, until one answers. */
  anyBroker<Arguments extends Array<unknown>, Answer>(
    choose: (apis: Client["apis"]) => API<Arguments, Answer>,
    values: Arguments,
    subject: Subject
  ): Effect.Effect<Answer, KafkaError> {
    return Effect.gen({ self: this }, function* () {
      const pools = new Set(
        [...this.addresses.values(), ...this.settings.bootstrap].map((address) => this.poolOf(address))
      )
      const ordered = this.favourite === undefined ? [...pools] : [...new Set([this.favourite, ...pools])]
      const failures: Array<KafkaError> = []
      for (const pool of ordered) {
        const result = yield* Effect.result(pool.request(choose, values, subject))
        if (result._tag === "Success") {
          this.favourite = pool
          return result.success
        }
        if (!result.failure.isRetryable) return yield* result.failure
        failures.push(result.failure)
      }
      this.favourite = undefined
      const message = failures.map(({ message }) => message).join("; ")
      return yield* kafkaError(
        "Unavailable",
        subject,
        failures.length === 1 ? message : `No broker answers. ${message}`
      )
    })
  }

  /** Asks the brokers: topics of these names, or all. */
  describe(names: ReadonlyArray<string> | undefined): Effect.Effect<ReadonlyArray<TopicInfo>, KafkaError> {
    const subject = { request: "Metadata" }
    return Effect.gen({ self: this }, function* () {
      if (names?.length === 0) return []
      const answer = yield* this.anyBroker(({ metadata }) => metadata, [
        names === undefined ? null : [...names],
        false,
        false
      ], subject)
      return yield* this.learn(answer, names)
    })
  }

  private learn(
    answer: metadataV12.MetadataResponse,
    asked: ReadonlyArray<string> | undefined
  ): Effect.Effect<ReadonlyArray<TopicInfo>, KafkaError> {
    this.addresses = new Map(answer.brokers.map(({ host, nodeId, port }) => [nodeId, { host, port }]))
    if (asked === undefined) this.topics.clear()
    else for (const name of asked) this.topics.delete(name)
    const found: Array<TopicInfo> = []
    for (const { errorCode, name, partitions, topicId } of answer.topics) {
      if (typeof name !== "string" || errorCode === unknownTopic) continue
      // Without leaders it has just been made.
      if (errorCode !== 0 && errorCode !== noLeader) {
        return Effect.fail(refusalOf(errorCode, { request: "Metadata", topic: name }))
      }
      const info = {
        topic: name,
        id: topicId,
        partitions: partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex).map(
          ({ leaderEpoch, leaderId, partitionIndex }) => ({
            partition: partitionIndex,
            leader: leaderId < 0 ? undefined : leaderId,
            leaderEpoch
          })
        )
      }
      found.push(info)
      this.topics.set(name, info)
    }
    return Effect.succeed(found)
  }

  /** What is known of these partitions' leaders, after a question where something is not known, or all is to be asked anew. */
  leaders(
    partitions: ReadonlyArray<TopicPartition>,
    request: string,
    anew: boolean
  ): Effect.Effect<ReadonlyArray<Leader>, KafkaError> {
    const leaders = Effect.suspend(() => Effect.forEach(partitions, (at) => this.leaderOf(at, request)))
    return Effect.andThen(this.find(partitions, request, anew), leaders)
  }

  /** Those of them that there are, after such a question. */
  find(
    partitions: ReadonlyArray<TopicPartition>,
    request: string,
    anew: boolean
  ): Effect.Effect<ReadonlyArray<TopicPartition>, KafkaError> {
    const isKnown = (at: TopicPartition) => this.leaderOf(at, request)._tag === "Success"
    const isThere = ({ partition, topic }: TopicPartition) =>
      this.topics.get(topic)?.partitions[partition] !== undefined
    return Effect.suspend(() => {
      const unknown = anew ? partitions : partitions.filter((at) => !isKnown(at))
      const asked = unknown.length === 0 ? Effect.void : this.describe([...new Set(unknown.map(({ topic }) => topic))])
      return Effect.map(asked, () => partitions.filter(isThere))
    })
  }

  private leaderOf({ partition, topic }: TopicPartition, request: string): Exit.Exit<Leader, KafkaError> {
    const subject = { request, topic, partition }
    const info = this.topics.get(topic)
    if (info === undefined) return Exit.fail(refusalOf(unknownTopic, subject))
    const found = info.partitions[partition]
    if (found === undefined) {
      return Exit.fail(refusalOf(unknownTopic, subject, `${topic} has ${info.partitions.length} partitions`))
    }
    const address = found.leader === undefined ? undefined : this.addresses.get(found.leader)
    if (address === undefined) return Exit.fail(refusalOf(noLeader, subject))
    return Exit.succeed({ broker: this.poolOf(address), topicId: info.id, leaderEpoch: found.leaderEpoch })
  }

  /**
   * Sends to the partition's leader. Where another leads by now, or one that does not know it yet, it looks again and sends again, for a while;
   * what then still comes is the sender's, as all other error codes are.
   */
  atLeader<A extends { readonly errorCode: number }>(
    at: TopicPartition,
    request: string,
    send: (leader: Leader) => Effect.Effect<A, KafkaError>
  ): Effect.Effect<A, KafkaError> {
    return Effect.gen({ self: this }, function* () {
      for (let looks = 1;; looks++) {
        const [leader] = yield* this.leaders([at], request, looks > 1)
        const answer = yield* this.forgetting([at.topic], send(leader!))
        if (!leaderMoved.has(answer.errorCode) || looks === looksMax) return answer
        if (looks > 1) yield* Effect.sleep(lookMillis)
      }
    })
  }

  /** Where a broker cannot be reached, another may lead by now. */
  forgetting<A>(topics: ReadonlyArray<string>, sent: Effect.Effect<A, KafkaError>): Effect.Effect<A, KafkaError> {
    return Effect.tapError(sent, () => Effect.sync(() => topics.forEach((topic) => this.topics.delete(topic))))
  }
}
