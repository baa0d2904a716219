/**
 * KafkaPlanner: asks the brokers at each batch how far the partitions go, and has OffsetPlanning say what the batch reads.
 *
 * | asked | when |
 * | --- | --- |
 * | which topics and partitions there are | at the start, and each `discoverEvery`; at each batch while one is awaited that had no leader |
 * | the ends of all partitions | at each batch |
 * | the first offsets and the topics' ids, after that, of those that have something new | at each batch |
 * | where the epoch of a leader ended, of those that have another | at the next batch |
 * | how far the log goes, decided or not, of those that end before the next offset | at each batch |
 *
 * While no broker answers, batches take nothing from there; that is told at once, and what comes meanwhile is in the first batch after. So it
 * is where an answer is late: no batch waits for it longer than a batch lasts, and one that comes later is what a later batch takes. It
 * begins before the first batch, so that "latest" means what comes after the start.
 */
import { Effect, Fiber, Option, type Scope } from "effect"
import type { InputPlanner, PlannedBatch, PlannedInput, RecordedBatches } from "../../../core/dstream/InputDStream.ts"
import { describeValue } from "../../../core/protocol/describeValue.ts"
import type { Millis } from "../../../core/time/Time.ts"
import { uptime } from "../../../core/time/Uptime.ts"
import type {
  KafkaCluster,
  ListedOffset,
  OffsetAt,
  PartitionEpoch,
  PartitionOffset,
  TopicInfo,
  TopicPartition
} from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import * as Commits from "./Commits.ts"
import { type Found, OffsetPlanning, type Offsets, type Place, type Taken } from "./OffsetPlanning.ts"
import { countOf, describe, isPlannedRange, outOfRange, placeOf, type PlannedRange } from "../reading/OffsetRange.ts"
import { isRate, type RateOf, type Reading, type Start, type StreamOptions, type Subscription } from "../options.ts"
import { Outage } from "../reading/Outage.ts"
import { isSubscribed, missingOf, namesOf, type Wanted, wantedOf } from "./Subscription.ts"

export interface PlannerOptions extends Pick<StreamOptions, "maxRatePerPartition" | "minSplitRecords" | "commitTo"> {
  readonly subscription: Subscription
  readonly reading: Pick<Reading, "isolation" | "onLoss">
  readonly start: Start
  readonly minRatePerPartition: number
  readonly discoverMillis: Millis
}

export const make = Effect.fnUntraced(function* (
  cluster: KafkaCluster,
  options: PlannerOptions
): Effect.fn.Return<InputPlanner<KafkaError>, KafkaError, Scope.Scope> {
  const { commitTo } = options
  const planner = new Planner(cluster, options, yield* Effect.scope)
  const commits = commitTo === undefined ? undefined : yield* Commits.make(cluster, commitTo)
  return {
    begin: Effect.suspend(() => planner.hasBegun ? Effect.void : Effect.asVoid(planner.unlessAway(planner.discover()))),
    plan: (batch) =>
      Effect.gen(function* () {
        const taken = yield* planner.unlessAway(planner.take(batch))
        if (taken !== undefined) yield* commits?.planned(batch.time, taken.ranges, planner.positions) ?? Effect.void
        return plannedOf(taken)
      }),
    resume: (recorded) =>
      Effect.sync(() => {
        planner.restore(recorded)
        for (const { partitions, time } of recorded.batches) {
          const values = partitions.map((spec) => spec.kind === "source" ? spec.value : undefined)
          commits?.restored(time, values.filter(isPlannedRange))
        }
      }),
    ...(commits === undefined ? {} : { completed: commits.completed })
  }
})

/** Where no broker answered a batch has none of it, which is another thing than that the stream has no data set. */
const plannedOf = (taken: Taken | undefined): PlannedInput => {
  const { positions, ranges } = taken ?? { positions: [], ranges: [] }
  return {
    records: ranges.reduce((sum, range) => sum + countOf(range), 0),
    partitions: ranges.map(({ number, ...range }) => ({
      kind: "source" as const,
      value: { kind: "kafka", ...range } satisfies PlannedRange,
      records: countOf(range),
      affinity: number
    })),
    positions,
    ...(ranges.length === 0 ? {} : { description: describe(ranges) })
  }
}

/** For so long a batch waits for brokers in any case. */
const leastPatienceMillis = 1000

/** Partitions in a message. */
const namesMax = 5

class Planner {
  private readonly cluster: KafkaCluster
  private readonly options: PlannerOptions
  private readonly planning: OffsetPlanning
  private readonly outage: Outage
  private readonly scope: Scope.Scope
  /** Under way; late: a batch has waited for it in vain. */
  private asking: Fiber.Fiber<Offsets, KafkaError> | undefined
  private isLate = false
  private discoverAt: Millis = -Infinity
  /** Partitions that are found from now on came later, except those that are awaited. */
  hasBegun = false
  /** Of this driver no answer has come before. */
  private isFirst = true
  private toldNone = false
  private leaderless: ReadonlyArray<string> = []

  constructor(cluster: KafkaCluster, options: PlannerOptions, scope: Scope.Scope) {
    this.cluster = cluster
    this.scope = scope
    this.options = options
    this.planning = new OffsetPlanning(options.reading.onLoss)
    this.outage = new Outage("batches take nothing from there until it answers")
  }

  restore({ positions }: RecordedBatches): void {
    // No broker has answered yet.
    if (positions.size === 0) return
    this.planning.restore(positions, (partition) => isSubscribed(this.options.subscription, partition))
    this.hasBegun = true
    this.discoverAt = -Infinity
  }

  /** Where all partitions stand. */
  readonly positions = (): ReadonlyArray<PartitionOffset> =>
    this.planning.places.map(({ next, partition, topic }) => ({ topic, partition, offset: next }))

  /** undefined: no broker answers, or it is left alone for a while because none did. */
  unlessAway<A>(ask: Effect.Effect<A, KafkaError>): Effect.Effect<A | undefined, KafkaError> {
    const { failed, over, pause } = this.outage
    const asked = Effect.catch(
      Effect.tap(ask, () => over),
      (error) => error.isRetryable ? Effect.as(failed(error), undefined) : Effect.fail(error)
    )
    return Effect.flatMap(pause, (left) => left > 0 ? Effect.undefined : asked)
  }

  /** Which partitions there are; new ones begin. */
  readonly discover = Effect.fnUntraced(function* (this: Planner) {
    const { discoverMillis, subscription } = this.options
    const infos = yield* this.cluster.topics(namesOf(subscription))
    const missing = this.isFirst ? this.missingOf(infos) : undefined
    if (missing !== undefined && !this.hasBegun) return yield* missing
    // What was read of it before, if anything, is judged as a loss.
    if (missing !== undefined) yield* Effect.logWarning(missing.message)
    this.isFirst = false
    const changed = this.planning.changedOf(byName(infos))
    yield* this.settle(changed, yield* this.offsetsOf(changed.filter(isThere(infos)), "latest"))
    this.planning.giveUpAwaited(byName(infos))
    const wanted = wantedOf(subscription, infos)
    yield* this.begin(this.planning.unknownOf(wanted))
    if (!this.hasBegun && wanted.length === 0) this.planning.beginEmpty()
    this.hasBegun = true
    this.discoverAt = (yield* uptime) + discoverMillis
    if (wanted.length > 0 || this.toldNone) return
    this.toldNone = true
    yield* Effect.logWarning(`No topic of ${this.cluster.name} matches ${subscription.topics}; it is looked for again`)
  })

  private missingOf(infos: ReadonlyArray<TopicInfo>): KafkaError | undefined {
    const { start, subscription } = this.options
    const missing = missingOf(subscription, infos, this.cluster.name)
    const isGiven = typeof start === "object" && "offsets" in start && !this.hasBegun
    return missing ?? (isGiven ? missingOf({ partitions: start.offsets }, infos, this.cluster.name) : undefined)
  }

  /** At `start` those that are there when the stream begins, also where it is known later only where that is; at their first record others. */
  private readonly begin = Effect.fnUntraced(function* (this: Planner, partitions: ReadonlyArray<Wanted>) {
    const { start } = this.options
    const groups = Map.groupBy(partitions, (partition): OffsetAt | "given" => {
      const isLater = this.hasBegun && !this.planning.isAwaited(partition)
      const at = isLater ? "earliest" : startOf(start, partition)
      return typeof at === "number" ? "given" : at
    })
    for (const [at, group] of groups) {
      const isGiven = at === "given"
      const offsets = yield* isGiven ? this.offsetsOf(group, "latest", "uncommitted") : this.offsetsOf(group, at)
      for (const partition of group) {
        const found = offsets.get(placeOf(partition))
        const given = startOf(start, partition)
        if (found === undefined) {
          if (!this.hasBegun) this.planning.await(partition)
        } else if (!isGiven) this.planning.begin(partition, found.offset, found.leaderEpoch)
        else if (typeof given === "number" && given <= found.offset) this.planning.begin(partition, given)
        else return yield* behindTheEnd(partition, Number(given), found.offset)
      }
    }
  })

  /** What the batch reads: as far as an answer says that is there now, or was a little before. */
  readonly take = Effect.fnUntraced(function* (this: Planner, { batchMillis, rate }: PlannedBatch) {
    const latest = yield* this.answer(Math.max(leastPatienceMillis, batchMillis))
    const { maxRatePerPartition: most, minRatePerPartition, minSplitRecords } = this.options
    return this.planning.take(latest, {
      batchMillis,
      rate,
      maxRate: typeof most === "function" ? (partition) => rateOf(most, partition) : () => most,
      minRecords: minRatePerPartition,
      minSplitRecords
    })
  })

  /** It is waited for so long, and by one batch only. */
  private readonly answer = Effect.fnUntraced(function* (this: Planner, patienceMillis: Millis) {
    const asking = this.asking ?? (yield* Effect.forkIn(this.ask(), this.scope, { startImmediately: true }))
    this.asking = asking
    const known = asking.pollUnsafe()
    const exit = known !== undefined || this.isLate
      ? known
      : Option.getOrUndefined(yield* Effect.timeoutOption(Fiber.await(asking), patienceMillis))
    this.isLate = exit === undefined
    if (exit === undefined) return yield* lateAnswer(this.cluster.name, patienceMillis)
    this.asking = undefined
    return yield* exit
  })

  /** The ends of all partitions, after what was lost of them is settled. */
  private readonly ask = Effect.fnUntraced(function* (this: Planner) {
    if (this.planning.awaitsAny || (yield* uptime) >= this.discoverAt) yield* this.discover()
    let latest = yield* this.ends()
    // After a loss the ends may be those of another topic.
    while (yield* this.settle(this.planning.movedOf(latest), latest)) latest = yield* this.ends()
    return latest
  })

  private ends(): Effect.Effect<Offsets, KafkaError> {
    return this.offsetsOf(this.planning.places, "latest")
  }

  /**
   * Whether anything was lost. The topics are asked for after their ends and epochs: if they are those that are planned, these are theirs.
   */
  private readonly settle = Effect.fnUntraced(function* (this: Planner, places: ReadonlyArray<Place>, latest: Offsets) {
    if (places.length === 0) return false
    const logEnds = yield* this.logEndsOf(places, latest)
    const epochEnds = yield* this.epochEndsOf(this.planning.epochsOf(places, logEnds))
    const topics = yield* this.cluster.topics(topicsOf(places))
    const earliest = yield* this.offsetsOf(places.filter(isThere(topics)), "earliest")
    const found: Found = { topics: byName(topics), latest: logEnds, earliest, epochEnds }
    const told = yield* Effect.fromResult(this.planning.settle(places, found))
    for (const sentence of told) yield* Effect.logWarning(sentence)
    return told.length > 0
  })

  /** What ends before its position may only be undecided from there on: then a transaction is open in what was read with another isolation. */
  private readonly logEndsOf = Effect.fnUntraced(function* (
    this: Planner,
    places: ReadonlyArray<Place>,
    latest: Offsets
  ): Effect.fn.Return<Offsets, KafkaError> {
    const isBehind = (place: Place) => (latest.get(placeOf(place))?.offset ?? place.next) < place.next
    const behind = places.filter(isBehind)
    const logEnds = yield* this.offsetsOf(behind, "latest", "uncommitted")
    const ends = new Map(latest)
    for (const place of behind) ends.delete(placeOf(place))
    return new Map([...ends, ...logEnds])
  })

  private offsetsOf(
    partitions: ReadonlyArray<TopicPartition>,
    at: OffsetAt,
    isolation = this.options.reading.isolation
  ): Effect.Effect<Offsets, KafkaError> {
    const { cluster } = this
    const asked = partitions.map(({ partition, topic }) => ({ topic, partition }))
    return this.askLed(asked, (asked) => cluster.offsets(asked, at, isolation))
  }

  private epochEndsOf(epochs: ReadonlyArray<PartitionEpoch>): Effect.Effect<Offsets, KafkaError> {
    return this.askLed(epochs, (asked) => this.cluster.epochEnds(asked))
  }

  /** Of those that are there and have a leader: one that has none holds up no others. */
  private readonly askLed = Effect.fnUntraced(function* <P extends TopicPartition>(
    this: Planner,
    asked: ReadonlyArray<P>,
    ask: (partitions: ReadonlyArray<P>) => Effect.Effect<ReadonlyArray<ListedOffset>, KafkaError>
  ): Effect.fn.Return<Offsets, KafkaError> {
    if (asked.length === 0) return new Map()
    const led = Effect.fnUntraced(function* (this: Planner, error: KafkaError) {
      const isOfOne = error.isRetryable && error.partition !== undefined
      const infos = isOfOne ? byName(yield* this.cluster.topics(topicsOf(asked))) : undefined
      const isLed = (one: P) => infos?.get(one.topic)?.partitions[one.partition]?.leader !== undefined
      const without = asked.filter((one) => !isLed(one))
      if (infos === undefined || without.length === 0) return yield* error
      yield* this.tellLeaderless(without)
      const others = asked.filter(isLed)
      return others.length === 0 ? [] : yield* ask(others)
    }).bind(this)
    const offsets = yield* Effect.catch(ask(asked), led)
    return new Map(offsets.map((one) => [placeOf(one), one]))
  })

  /** Once for each that has none. */
  private tellLeaderless(partitions: ReadonlyArray<TopicPartition>): Effect.Effect<void> {
    const places = partitions.map(placeOf)
    const news = places.filter((place) => !this.leaderless.includes(place))
    this.leaderless = places
    const shown = news.length > namesMax ? [...news.slice(0, namesMax), `and ${news.length - namesMax} more`] : news
    return news.length === 0
      ? Effect.void
      : Effect.logWarning(`No broker leads ${shown.join(", ")}; batches take nothing from there until one does`)
  }
}

const topicsOf = (partitions: ReadonlyArray<TopicPartition>) => [...new Set(partitions.map(({ topic }) => topic))]

const byName = (infos: ReadonlyArray<TopicInfo>) => new Map(infos.map((info) => [info.topic, info]))

const isThere = (infos: ReadonlyArray<TopicInfo>) => {
  const topics = byName(infos)
  return ({ partition, topic }: TopicPartition) => (topics.get(topic)?.partitions.length ?? 0) > partition
}

const startOf = (start: Start, partition: TopicPartition): OffsetAt | number => {
  if (typeof start === "string" || "timestamp" in start) return start
  const given = start.offsets.find((one) => placeOf(one) === placeOf(partition))
  return given?.offset ?? start.otherwise ?? "earliest"
}

const behindTheEnd = (partition: TopicPartition, offset: number, end: number): KafkaError =>
  outOfRange(
    partition,
    offset,
    `Partition ${partition.partition} of topic ${partition.topic} cannot be read from offset ${offset} on, as start says: it ends ` +
      `at ${end}. Correct the offset, or leave the partition out of start.offsets`
  )

const lateAnswer = (name: string, millis: Millis): KafkaError =>
  new KafkaError({
    reason: "Unavailable",
    message:
      `The brokers ${name} have not answered within ${millis} ms: see that all of them run and are not overloaded`
  })

/** Throws a KafkaError (Options), where nothing is taken yet. */
const rateOf = (most: RateOf, { partition, topic }: TopicPartition): number | undefined => {
  const rate: unknown = most(topic, partition)
  if (rate === undefined || isRate(rate)) return rate
  throw new KafkaError({
    reason: "Options",
    topic,
    partition,
    message:
      `The maxRatePerPartition of a Kafka stream gives ${
        describeValue(rate)
      } for partition ${partition} of topic ${topic}: it has ` +
      "to give records a second above zero, or undefined for no limit"
  })
}
