/**
 * GroupReceiver: a receiver that is a member of a consumer group: it reads the partitions that the group gives it, stores what is new as
 * blocks, and commits to the group how far it is. Kafka's own way; where each record shall count once, the direct stream is it.
 *
 * | step | |
 * | --- | --- |
 * | assigned | each partition goes on where the group committed, or begins as `start` says |
 * | new records | those of some partitions are one block; when it is safe, their offsets are committed, never before |
 * | the block cannot be stored | reported; nothing is committed, and the records are read again |
 * | the group wants its partitions back | the block that is being stored is stored and committed, then they are given back |
 * | fenced | the partitions are another member's meanwhile: what was stored and could not be committed comes twice |
 * | no broker answers | reported once, tried again less and less often, for ever |
 *
 * So receipt is at least once. Between rounds it asks for the ends of all its partitions in one request: idle ones cost next to nothing.
 */
import { Effect, Fiber, Result, type Scope } from "effect"
import type { Store } from "../../../core/receiving/Receiver.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { Outage } from "../direct/Outage.ts"
import { placeOf } from "../direct/OffsetRange.ts"
import type { Reading } from "../direct/options.ts"
import { connect, type Connected } from "../direct/reader.ts"
import type { GroupMember, OffsetAt, PartitionOffset, TopicPartition } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { KafkaRecord } from "../KafkaRecord.ts"

export interface GroupOptions<K, V> {
  readonly reading: Reading<K, V>
  readonly group: string
  readonly topics: ReadonlyArray<string>
  readonly start: OffsetAt
  readonly gatherMillis: Millis
  readonly sessionMillis: Millis
  readonly rebalanceMillis: Millis
}

/** Partitions whose records are one block, fetched at once: what a block holds is at most as many fetches. */
const blockPartitions = 8

/** A partition of this member's, and the offset that it is read from next. */
interface Assigned extends TopicPartition {
  next: number
}

/** Receives until its scope closes. */
export const receive = Effect.fnUntraced(function* <K, V>(
  options: GroupOptions<K, V>,
  store: Store<KafkaRecord<K, V>>
): Effect.fn.Return<void, KafkaError, Scope.Scope> {
  const { group, reading, rebalanceMillis, sessionMillis, topics } = options
  const outage = new Outage(
    "it is tried again until it answers",
    (message) => Effect.sync(() => store.reportError(message))
  )
  const connected = yield* connect(reading, outage)
  const member = yield* outage.patiently(
    connected.cluster.join({ group, topics, sessionMillis, rebalanceMillis }),
    Infinity
  )
  while (true) yield* Effect.scoped(new Assignment(options, store, connected, outage, member).run())
})

/** One assignment, from being given to being given back. */
class Assignment<K, V> {
  private readonly options: GroupOptions<K, V>
  private readonly store: Store<KafkaRecord<K, V>>
  private readonly connected: Connected<K, V>
  private readonly outage: Outage
  private readonly member: GroupMember
  private isOver = false

  constructor(
    options: GroupOptions<K, V>,
    store: Store<KafkaRecord<K, V>>,
    connected: Connected<K, V>,
    outage: Outage,
    member: GroupMember
  ) {
    this.options = options
    this.store = store
    this.connected = connected
    this.outage = outage
    this.member = member
  }

  readonly run = Effect.fnUntraced(function* (this: Assignment<K, V>) {
    const assigned = yield* this.patiently(this.member.assignment)
    const revoked = yield* Effect.forkScoped(
      Effect.map(this.member.revoked, () => void (this.isOver = true)),
      { startImmediately: true }
    )
    const partitions = yield* this.begin(assigned)
    const { gatherMillis } = this.options
    while (!this.isOver) {
      const more = yield* this.round(partitions)
      if (!more) yield* Effect.raceFirst(Effect.sleep(gatherMillis), Fiber.await(revoked))
    }
  })

  private patiently<A>(attempt: Effect.Effect<A, KafkaError>): Effect.Effect<A, KafkaError> {
    return this.outage.patiently(attempt, Infinity)
  }

  /** Where each partition goes on. */
  private readonly begin = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    assigned: ReadonlyArray<TopicPartition>
  ): Effect.fn.Return<ReadonlyArray<Assigned>, KafkaError> {
    const { group, start } = this.options
    const { cluster } = this.connected
    const committed = yield* this.patiently(cluster.committedOffsets(group, assigned, { stable: true }))
    const known = new Map<string, number>(committed.map((one) => [placeOf(one), one.offset]))
    const rest = assigned.filter((one) => !known.has(placeOf(one)))
    for (const one of yield* this.offsets(rest, start)) known.set(placeOf(one), one.offset)
    return assigned.map((one) => ({ ...one, next: known.get(placeOf(one)) ?? 0 }))
  })

  private offsets(
    partitions: ReadonlyArray<TopicPartition>,
    at: OffsetAt
  ): Effect.Effect<ReadonlyArray<PartitionOffset>, KafkaError> {
    if (partitions.length === 0) return Effect.succeed([])
    const asked = partitions.map(({ partition, topic }) => ({ topic, partition }))
    return this.patiently(this.connected.cluster.offsets(asked, at, this.options.reading.isolation))
  }

  /** What is there now, block by block; whether it is known that there is more. */
  private readonly round = Effect.fnUntraced(function* (this: Assignment<K, V>, partitions: ReadonlyArray<Assigned>) {
    const ends = new Map((yield* this.offsets(partitions, "latest")).map((one) => [placeOf(one), one.offset]))
    const endOf = (one: Assigned) => ends.get(placeOf(one)) ?? one.next
    const moved = partitions.filter((one) => endOf(one) !== one.next)
    let more = false
    for (let at = 0; at < moved.length && !this.isOver; at += blockPartitions) {
      const some = moved.slice(at, at + blockPartitions)
      if (!(yield* this.storeBlock(some, endOf))) return false
      more ||= some.some((one) => one.next < endOf(one))
    }
    return more
  })

  /** Whether something was stored and is safe; else it is tried again after a while. */
  private readonly storeBlock = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    partitions: ReadonlyArray<Assigned>,
    endOf: (one: Assigned) => number
  ) {
    const pieces = yield* Effect.forEach(partitions, (one) => this.read(one, endOf(one)), {
      concurrency: blockPartitions
    })
    if (this.isOver || pieces.every(({ next }, i) => next === partitions[i]!.next)) return false
    const records = pieces.length === 1 ? pieces[0]!.records : pieces.flatMap((piece) => piece.records)
    const stored = yield* Effect.result(records.length > 0 ? this.store.array(records) : Effect.void)
    if (Result.isFailure(stored)) {
      this.store.reportError("Records of Kafka could not be stored, and are read again", stored.failure)
      return false
    }
    partitions.forEach((one, i) => void (one.next = pieces[i]!.next))
    return yield* this.commit(partitions)
  })

  /** The next records of a partition. */
  private readonly read = Effect.fnUntraced(function* (this: Assignment<K, V>, at: Assigned, end: number) {
    const { cluster, decode } = this.connected
    const { isolation, maxFetchBytes: maxBytes } = this.options.reading
    const { partition, topic } = at
    const request = Effect.suspend(() =>
      cluster.fetch({ topic, partition, offset: at.next, maxBytes, waitMillis: 0, isolation })
    )
    const fetched = yield* Effect.catch(
      this.patiently(request),
      (error) => Effect.andThen(this.lost(at, end, error), this.patiently(request))
    )
    return yield* decode({ topic, partition, from: at.next, until: Infinity, ...fetched })
  })

  /** The offset that the group committed is not there any more: goes on elsewhere, if the policy does. */
  private readonly lost = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    at: Assigned,
    end: number,
    error: KafkaError
  ) {
    const { onLoss } = this.options.reading
    if (error.reason !== "OffsetOutOfRange" || onLoss === "fail") return yield* error
    const [first] = yield* this.offsets([at], "earliest")
    const { next, partition, topic } = at
    at.next = first !== undefined && (next < first.offset || onLoss === "earliest") ? first.offset : end
    this.store.reportError(`${error.message}; ${topic}/${partition} was read up to ${next} and goes on at ${at.next}`)
  })

  /** Whether the partitions are this member's still. */
  private readonly commit = Effect.fnUntraced(function* (this: Assignment<K, V>, partitions: ReadonlyArray<Assigned>) {
    const offsets = partitions.map(({ next, partition, topic }) => ({ topic, partition, offset: next, metadata: "" }))
    const committed = yield* Effect.result(this.patiently(this.member.commit(offsets)))
    if (Result.isSuccess(committed)) return true
    if (committed.failure.reason !== "Fenced") return yield* committed.failure
    this.isOver = true
    this.store.reportError(
      `Group ${this.options.group} gave partitions to another member before what was stored of them could be committed: it comes again`,
      committed.failure
    )
    return false
  })
}
