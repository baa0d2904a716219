/**
 * Assignment: what a member of a group does with the partitions that it was given, until the group wants them back: they begin, then round
 * after round what is new of them is read, stored and committed. Its one owner is the GroupReceiver.
 *
 * The group's wish ends whatever waits, and nothing that is being stored or committed.
 */
import { Data, Effect, Fiber, Result, type Scope } from "effect"
import type { Store } from "../../../core/receiving/Receiver.ts"
import { uptime } from "../../../core/time/Uptime.ts"
import { placeOf } from "../reading/OffsetRange.ts"
import type { Outage } from "../reading/Outage.ts"
import { headersOf } from "../records/RecordBatch.ts"
import type { Connected } from "../reading/reader.ts"
import type { DecodedPiece } from "../reading/RecordDecoding.ts"
import type { Fetched, GroupMember, ListedOffset, OffsetAt, PartitionEpoch, TopicPartition } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { KafkaRecord } from "../KafkaRecord.ts"
import { beginningOf, type Begun, begunHere, knownOf, textOf } from "./Beginnings.ts"
import { Holds } from "./Holds.ts"
import { cannotGoOn, cutOff, goesOn, noLeader, notThere, replaced, storedTwice, unknownTopic } from "./losses.ts"
import type { GroupOptions } from "./options.ts"

/** Partitions whose records are one block, fetched at once: what a block holds is at most as many fetches. */
const blockPartitions = 8

/** A partition of this member's, and the offset that it is read from next. */
interface Assigned extends TopicPartition {
  begun: Begun
  next: number
  /** Of a leader whose log went up to there; undefined: not known. */
  leaderEpoch?: number | undefined
}

/** By place. */
type Offsets = ReadonlyMap<string, ListedOffset>

/** The group wants its partitions back. */
class Revoked extends Data.TaggedError("Revoked") {}

export interface AssignmentSetting<K, V> {
  readonly options: GroupOptions<K, V>
  readonly store: Store<KafkaRecord<K, V>>
  readonly connected: Connected<K, V>
  readonly outage: Outage
  readonly member: GroupMember
  /** By topic: what this member found, in this assignment or one before it. */
  readonly known: Map<string, Begun>
  /** Topics of which it is told that they are not there. */
  readonly missing: Set<string>
}

export class Assignment<K, V> {
  private readonly setting: AssignmentSetting<K, V>
  private readonly holds: Holds
  private readonly partitions: Array<Assigned> = []
  /** They have not begun yet. */
  private waiting: ReadonlyArray<TopicPartition> = []
  private revoked: Fiber.Fiber<void> | undefined
  private isOver = false

  constructor(setting: AssignmentSetting<K, V>) {
    this.setting = setting
    this.holds = new Holds((message, error) => setting.store.reportError(message, error))
  }

  /** From being given to being given back. */
  readonly run = Effect.fnUntraced(function* (
    this: Assignment<K, V>
  ): Effect.fn.Return<void, KafkaError, Scope.Scope> {
    const { member, options: { gatherMillis }, outage } = this.setting
    this.waiting = yield* outage.patiently(member.assignment, Infinity)
    this.revoked = yield* Effect.forkScoped(
      Effect.map(member.revoked, () => void (this.isOver = true)),
      { startImmediately: true }
    )
    const rounds: Effect.Effect<never, KafkaError | Revoked> = Effect.gen({ self: this }, function* () {
      yield* this.tellMissing()
      while (true) {
        if (this.waiting.length > 0) yield* this.begin()
        const more = yield* this.round()
        if (!more) yield* this.unlessRevoked(Effect.sleep(gatherMillis))
      }
    })
    yield* Effect.catchTag(rounds, "Revoked", () => Effect.void)
  })

  /** The group's wish ends it. */
  private unlessRevoked<A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E | Revoked> {
    return Effect.suspend(() => {
      const over = Effect.andThen(Fiber.await(this.revoked!), Effect.fail(new Revoked()))
      return this.isOver ? Effect.fail(new Revoked()) : Effect.raceFirst(work, over)
    })
  }

  private patiently<A>(attempt: Effect.Effect<A, KafkaError>): Effect.Effect<A, KafkaError | Revoked> {
    return this.unlessRevoked(this.setting.outage.patiently(attempt, Infinity))
  }

  private topics(names: ReadonlyArray<string>) {
    const asked = this.patiently(this.setting.connected.cluster.topics(names))
    return Effect.map(asked, (infos) => new Map(infos.map((info) => [info.topic, info])))
  }

  /** Topics that are not there, once each; whatever they have when they come is new. */
  private readonly tellMissing = Effect.fnUntraced(function* (this: Assignment<K, V>) {
    const { connected: { cluster }, known, missing, options: { topics }, store } = this.setting
    const infos = yield* this.topics(topics)
    for (const topic of topics) {
      if (infos.has(topic)) missing.delete(topic)
      if (infos.has(topic) || missing.has(topic)) continue
      missing.add(topic)
      if (!known.has(topic)) known.set(topic, { id: undefined, partitions: 0 })
      store.reportError(unknownTopic(topic, cluster.name))
    }
  })

  /** Those that wait begin, if they can. */
  private readonly begin = Effect.fnUntraced(function* (this: Assignment<K, V>) {
    const waiting = yield* this.free(this.waiting)
    if (waiting.length === 0) return
    const begun: Array<Assigned> = []
    for (const [at, some] of Map.groupBy(yield* this.beginnings(waiting), (one) => one.at)) {
      const offsets: Offsets = typeof at === "number" ? new Map() : yield* this.offsets(some, at)
      for (const { loss, ...one } of some) {
        const next = typeof at === "number" ? at : offsets.get(placeOf(one))?.offset
        if (next === undefined) continue
        begun.push({ ...one, next })
        if (loss !== undefined) this.setting.store.reportError(goesOn(one, loss, next))
      }
    }
    if (begun.length === 0) return
    yield* this.commit(begun)
    for (const one of begun) {
      this.holds.release(one)
      this.setting.known.set(one.topic, one.begun)
    }
    this.partitions.push(...begun)
    const places = new Set(begun.map(placeOf))
    this.waiting = this.waiting.filter((one) => !places.has(placeOf(one)))
  })

  /** Where they begin, as far as that can be said. */
  private readonly beginnings = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    waiting: ReadonlyArray<TopicPartition>
  ) {
    const { connected: { cluster }, known, options: { group, reading, start } } = this.setting
    const infos = yield* this.topics([...new Set(waiting.map(({ topic }) => topic))])
    const all = [...infos.values()].flatMap(({ partitions, topic }) =>
      partitions.map(({ partition }) => ({ topic, partition }))
    )
    const committed = yield* this.patiently(cluster.committedOffsets(group, all, { stable: true }))
    const found: Array<
      Omit<Assigned, "next"> & { readonly at: OffsetAt | number; readonly loss?: KafkaError | undefined }
    > = []
    for (const { partition, topic } of waiting) {
      const one = { topic, partition }
      const info = infos.get(topic)
      if (info === undefined || info.partitions.length <= partition) {
        yield* this.hold(one, notThere(one))
        continue
      }
      const ofTopic = committed.filter((offset) => offset.topic === topic)
      const before = knownOf(info, ofTopic, known.get(topic))
      const own = ofTopic.find((offset) => offset.partition === partition)
      const beginning = beginningOf(one, info, own, before, start)
      const begun = begunHere(info, before)
      if (beginning.kind === "goes on") {
        found.push({ ...one, begun, leaderEpoch: beginning.leaderEpoch, at: beginning.offset })
      } else if (beginning.kind === "begins") found.push({ ...one, begun, at: beginning.at })
      else if (reading.onLoss === "fail") yield* this.hold(one, cannotGoOn(one, replaced(one)))
      else found.push({ ...one, begun: { id: info.id, partitions: 0 }, at: "earliest", loss: replaced(one) })
    }
    return found
  })

  /** Those that are not held up at the moment. */
  private free<A extends TopicPartition>(partitions: ReadonlyArray<A>): Effect.Effect<ReadonlyArray<A>> {
    return Effect.map(uptime, (now) => partitions.filter((one) => !this.holds.isHeld(one, now)))
  }

  private hold(at: TopicPartition, error: KafkaError): Effect.Effect<void> {
    return Effect.map(uptime, (now) => this.holds.hold(at, error, now))
  }

  /** Of those that are there and have a leader. */
  private offsets(
    partitions: ReadonlyArray<TopicPartition>,
    at: OffsetAt
  ): Effect.Effect<Offsets, KafkaError | Revoked> {
    const { connected: { cluster }, options: { reading: { isolation } } } = this.setting
    const asked = partitions.map(({ partition, topic }) => ({ topic, partition }))
    return this.askLed(asked, (some) => cluster.offsets(some, at, isolation))
  }

  private askLed<P extends TopicPartition, A extends TopicPartition>(
    partitions: ReadonlyArray<P>,
    ask: (some: ReadonlyArray<P>) => Effect.Effect<ReadonlyArray<A>, KafkaError>
  ): Effect.Effect<ReadonlyMap<string, A>, KafkaError | Revoked> {
    const asked = (some: ReadonlyArray<P>) => some.length === 0 ? Effect.succeed([]) : ask(some)
    const found = Effect.catch(asked(partitions), (error) => Effect.flatMap(this.led(partitions, error), asked))
    return Effect.map(this.patiently(found), (all) => new Map(all.map((one) => [placeOf(one), one])))
  }

  /** Those that have a leader, if the others' having none was the failure. */
  private readonly led = Effect.fnUntraced(function* <P extends TopicPartition>(
    this: Assignment<K, V>,
    partitions: ReadonlyArray<P>,
    error: KafkaError
  ) {
    if (!error.isRetryable || error.partition === undefined) return yield* error
    const infos = yield* this.setting.connected.cluster.topics([...new Set(partitions.map(({ topic }) => topic))])
    const isLed = ({ partition, topic }: TopicPartition) =>
      infos.find((info) => info.topic === topic)?.partitions[partition]?.leader !== undefined
    const without = partitions.filter((one) => !isLed(one))
    if (without.length === 0) return yield* error
    for (const one of without) yield* this.hold(one, noLeader(one))
    return partitions.filter(isLed)
  })

  /** What is there now, block by block; whether it is known that there is more. */
  private readonly round = Effect.fnUntraced(function* (this: Assignment<K, V>) {
    const partitions = yield* this.free(this.partitions)
    const ends = yield* this.offsets(partitions, "latest")
    yield* this.follow(partitions, ends)
    const now = yield* uptime
    const moved: Array<Assigned> = []
    for (const one of partitions) {
      const end = ends.get(placeOf(one))
      if (end !== undefined && hasOtherLeader(one, end)) continue
      if (end?.offset === one.next) this.holds.release(one)
      else if (end !== undefined) moved.push(one)
      else if (!this.holds.isHeld(one, now)) this.holds.hold(one, notThere(one), now)
    }
    let more = false
    const endOf = (one: Assigned) => ends.get(placeOf(one))!.offset
    for (let at = 0; at < moved.length; at += blockPartitions) {
      const some = moved.slice(at, at + blockPartitions)
      const hasStored = yield* this.storeBlock(some, endOf)
      more ||= hasStored && some.some((one) => one.next < endOf(one))
    }
    return more
  })

  /** Of those that have another leader: what it has of what was read. As long as that is not known nothing is read under it. */
  private readonly follow = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    partitions: ReadonlyArray<Assigned>,
    ends: Offsets
  ) {
    const asked: Array<Assigned & PartitionEpoch> = []
    for (const one of partitions) {
      const end = ends.get(placeOf(one))
      one.leaderEpoch ??= end?.leaderEpoch
      if (end !== undefined && hasOtherLeader(one, end)) asked.push(one as Assigned & PartitionEpoch)
    }
    const epochEnds = yield* this.askLed(asked, (some) => this.setting.connected.cluster.epochEnds(some))
    for (const one of asked) {
      const end = epochEnds.get(placeOf(one))?.offset
      if (end === undefined) continue
      const { leaderEpoch } = ends.get(placeOf(one))!
      const kept = end < one.next ? this.lost(one, end, cutOff(one, one.next, end)) : Effect.void
      yield* Effect.matchEffect(kept, {
        onSuccess: () => Effect.sync(() => void (one.leaderEpoch = leaderEpoch!)),
        onFailure: (error) => error._tag === "Revoked" ? Effect.fail(error) : this.hold(one, error)
      })
    }
  })

  /** Whether something was stored and is safe; else it is tried again after a while. */
  private readonly storeBlock = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    partitions: ReadonlyArray<Assigned>,
    endOf: (one: Assigned) => number
  ) {
    const { store } = this.setting
    const pieces = yield* Effect.forEach(partitions, (one) => this.read(one, endOf(one)), {
      concurrency: blockPartitions
    })
    const read = partitions.flatMap((one, i) => {
      const { next, records } = pieces[i]!
      return next === one.next ? [] : [{ one, next, records }]
    })
    if (this.isOver || read.length === 0) return false
    const records = read.length === 1 ? read[0]!.records : read.flatMap((piece) => piece.records)
    const stored = yield* Effect.result(records.length > 0 ? store.array(records) : Effect.void)
    if (Result.isFailure(stored)) {
      store.reportError("Records of Kafka could not be stored, and are read again", stored.failure)
      return false
    }
    for (const { next, one } of read) {
      one.next = next
      this.holds.release(one)
    }
    yield* Effect.tapErrorTag(this.commit(read.map(({ one }) => one)), "Revoked", () => this.tellFenced)
    return true
  })

  /** The next records of a partition; none, if it has to be held up. */
  private read(at: Assigned, end: number): Effect.Effect<DecodedPiece<KafkaRecord<K, V>>, Revoked> {
    const { connected: { decode } } = this.setting
    const piece = Effect.gen({ self: this }, function* () {
      const fetched = yield* this.fetch(at, end)
      // A leader that came only now: what it has of what was read is asked first.
      if (headersOf(fetched.bytes).some((header) => hasOtherLeader(at, header))) return { records: [], next: at.next }
      const { partition, topic } = at
      const whole = { topic, partition, from: at.next, until: Infinity, ...fetched }
      // What stands before a poison record is good.
      return yield* Effect.catchIf(
        decode(whole),
        ({ offset, reason }) => reason === "Undecodable" && offset !== undefined && offset > at.next,
        ({ offset }) => decode({ ...whole, until: offset! })
      )
    })
    return Effect.catchTag(
      piece,
      "KafkaError",
      (error) => Effect.as(this.hold(at, error), { records: [], next: at.next })
    )
  }

  /** From where it stands, or from where it goes on if something was lost. */
  private fetch(at: Assigned, end: number): Effect.Effect<Fetched, KafkaError | Revoked> {
    const { connected: { cluster }, options: { reading: { isolation, maxFetchBytes: maxBytes } } } = this.setting
    const request = Effect.suspend(() => {
      const { begun: { id }, next: offset, partition, topic } = at
      return this.unlessRevoked(cluster.fetch({ topic, partition, id, offset, maxBytes, waitMillis: 0, isolation }))
    })
    return Effect.catchTag(request, "KafkaError", (error) => Effect.andThen(this.lost(at, end, error), request))
  }

  /** What stood there is not there any more: goes on elsewhere, if the policy does. */
  private readonly lost = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    at: Assigned,
    end: number,
    error: KafkaError
  ) {
    const { known, options: { reading: { onLoss } }, store } = this.setting
    const isReplaced = error.reason === "TopicReplaced"
    if (!isReplaced && error.reason !== "OffsetOutOfRange") return yield* error
    const loss = isReplaced ? replaced(at) : error
    if (onLoss === "fail") {
      // The brokers forget offsets with their topic; so it is known after a restart what was lost.
      if (isReplaced) yield* this.commit([at])
      return yield* cannotGoOn(at, loss)
    }
    const info = isReplaced ? (yield* this.topics([at.topic])).get(at.topic) : undefined
    const first = (yield* this.offsets([at], "earliest")).get(placeOf(at))?.offset
    if (first === undefined || isReplaced && info === undefined) return yield* notThere(at)
    const from = at.next
    at.next = isReplaced || from < first || onLoss === "earliest" ? first : end
    store.reportError(goesOn(at, loss, at.next, from))
    if (info === undefined) return
    known.set(at.topic, at.begun = { id: info.id, partitions: 0 })
    at.leaderEpoch = undefined
  })

  /** Where they stand; `Revoked`, if they are another member's. */
  private readonly commit = Effect.fnUntraced(function* (
    this: Assignment<K, V>,
    partitions: ReadonlyArray<Assigned>
  ) {
    const { member, outage } = this.setting
    const offsets = partitions.map(({ begun, leaderEpoch, next, partition, topic }) => ({
      topic,
      partition,
      offset: next,
      metadata: textOf({ ...begun, leaderEpoch })
    }))
    const committed = yield* Effect.result(outage.patiently(member.commit(offsets), Infinity))
    if (Result.isSuccess(committed)) return
    if (committed.failure.reason !== "Fenced") return yield* committed.failure
    this.isOver = true
    return yield* new Revoked()
  })

  private get tellFenced(): Effect.Effect<void> {
    const { options: { group }, store } = this.setting
    return Effect.sync(() => store.reportError(storedTwice(group)))
  }
}

/** Than the one under which it was read. */
const hasOtherLeader = (at: Assigned, of: { readonly leaderEpoch?: number | undefined }): boolean =>
  (of.leaderEpoch ?? -1) > (at.leaderEpoch ?? Infinity)
