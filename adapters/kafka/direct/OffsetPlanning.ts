/**
 * OffsetPlanning: what each batch of a direct stream reads: for every partition the next offset, and what the brokers say of it. Pure;
 * its one owner is the KafkaPlanner, which asks the brokers.
 *
 * | the brokers say | then |
 * | --- | --- |
 * | a partition that is not known | it begins where `begin` says, at a batch's boundary |
 * | a partition that is not known, and nothing of its offsets | it may be awaited: that it was there when the stream began is recorded |
 * | its end is behind the next offset | a range up to there, as far as rates allow; the next batch goes on behind it |
 * | its end is the next offset | nothing: idle, it costs no task and no place in the plan |
 * | its first offset is behind the next | expired: records were deleted by retention before they were read |
 * | its end is before the next offset | cut off: the partition was truncated |
 * | its leader is another, and the epoch of the one before ended before the next offset | cut off, however far it goes by now |
 * | its topic has another id | replaced: the topic was deleted and created again |
 * | its topic is not there | deleted |
 *
 * The last five are losses, for which the stream has a policy (`OnLoss`). What is planned changes nothing until `take`, which gives the
 * ranges and what changed of positions together: they are recorded together, so each offset is in one batch. With each position stands the
 * epoch of the leader whose log went up to there; as long as that leads, nothing can have been cut off.
 */
import { Result } from "effect"
import type { Position } from "../../../core/dstream/BatchPlan.ts"
import { maxRecordsPerPartition } from "../../../core/rates/PartitionRates.ts"
import type { Millis } from "../../../core/time/Time.ts"
import type { ListedOffset, PartitionEpoch, TopicInfo, TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import { inOrder, type OffsetRange, placeOf, split } from "../reading/OffsetRange.ts"
import type { OnLoss } from "../options.ts"
import type { Wanted } from "./Subscription.ts"

/** A partition that is read. */
export interface Place extends Wanted {
  /** The offset that the next batch begins with. */
  next: number
  /** Of a leader whose log went up to there; undefined: not known. */
  leaderEpoch: number | undefined
  /** In order of joining: ranges of a partition prefer the same executor. */
  readonly number: number
}

/** By place: an offset of each partition. */
export type Offsets = ReadonlyMap<string, Pick<ListedOffset, "offset" | "leaderEpoch">>

/** By name. */
export type Topics = ReadonlyMap<string, TopicInfo>

/** What the brokers say of partitions that have something new, or may have lost something. */
export interface Found {
  readonly topics: Topics
  readonly latest: Offsets
  readonly earliest: Offsets
  /** Of those that have another leader (`epochsOf`): where the epoch ended under which they were read. */
  readonly epochEnds: Offsets
}

export interface Limits {
  readonly batchMillis: Millis
  /** Records a second of the whole stream; undefined: no limit. */
  readonly rate: number | undefined
  readonly maxRate: (partition: TopicPartition) => number | undefined
  readonly minRecords: number
  readonly minSplitRecords: number | undefined
}

export interface NumberedRange extends OffsetRange {
  readonly number: number
}

export interface Taken {
  /** In order of topic, partition and offset. */
  readonly ranges: ReadonlyArray<NumberedRange>
  /** What changed since the last time. */
  readonly positions: ReadonlyArray<Position>
}

export class OffsetPlanning {
  private readonly onLoss: OnLoss
  private readonly known = new Map<string, Place>()
  /** They were there when the stream began, and nobody could say where they begin. */
  private readonly awaited = new Map<string, Wanted>()
  /** Positions that are recorded nowhere. */
  private readonly changed = new Set<string>()
  private joined = 0

  constructor(onLoss: OnLoss) {
    this.onLoss = onLoss
  }

  /** Of another driver; what was known is forgotten. */
  restore(positions: ReadonlyMap<string, unknown>, isWanted: (partition: TopicPartition) => boolean): void {
    this.known.clear()
    this.awaited.clear()
    this.changed.clear()
    const restored = Array.from(positions).flatMap(([place, position]) =>
      position === null || place === begunPlace ? [] : [position as Wanted & Partial<Place>]
    )
    for (const { id, leaderEpoch, next, partition, topic } of restored.sort(inOrder)) {
      const wanted = { topic, partition, id }
      if (!isWanted(wanted)) continue
      if (next === undefined) this.awaited.set(placeOf(wanted), wanted)
      else this.add(wanted, next, leaderEpoch)
    }
  }

  /** That it began is recorded, though it has no partitions. */
  beginEmpty(): void {
    this.changed.add(begunPlace)
  }

  await(partition: Wanted): void {
    if (this.isAwaited(partition)) return
    this.awaited.set(placeOf(partition), partition)
    this.changed.add(placeOf(partition))
  }

  isAwaited(partition: Wanted): boolean {
    return this.awaited.get(placeOf(partition))?.id === partition.id
  }

  get awaitsAny(): boolean {
    return this.awaited.size > 0
  }

  /** Of awaited partitions those whose topic is not the one that it was. */
  giveUpAwaited(topics: Topics): void {
    for (const [key, partition] of this.awaited) {
      if (idOf(partition, topics) === partition.id) continue
      this.awaited.delete(key)
      this.changed.add(key)
    }
  }

  get places(): ReadonlyArray<Place> {
    return [...this.known.values()]
  }

  unknownOf(wanted: ReadonlyArray<Wanted>): ReadonlyArray<Wanted> {
    return wanted.filter((one) => !this.known.has(placeOf(one)))
  }

  begin(partition: Wanted, next: number, leaderEpoch?: number): void {
    this.add(partition, next, leaderEpoch)
    this.changed.add(placeOf(partition))
  }

  private add({ id, partition, topic }: Wanted, next: number, leaderEpoch: number | undefined): void {
    const number = this.joined++
    this.awaited.delete(placeOf({ topic, partition }))
    this.known.set(placeOf({ topic, partition }), { topic, partition, id, next, leaderEpoch, number })
  }

  /** Whose end is not the next offset, or is not known to the brokers; or whose leader is another. */
  movedOf(latest: Offsets): ReadonlyArray<Place> {
    return this.places.filter((place) =>
      latest.get(placeOf(place))?.offset !== place.next || hasOtherLeader(place, latest)
    )
  }

  /** Of places that have another leader: the epochs under which they were read. */
  epochsOf(places: ReadonlyArray<Place>, latest: Offsets): ReadonlyArray<PartitionEpoch> {
    return places.flatMap((place) => {
      const { leaderEpoch, partition, topic } = place
      return leaderEpoch !== undefined && hasOtherLeader(place, latest) ? [{ topic, partition, leaderEpoch }] : []
    })
  }

  /** Whose topic is not the one that it was. */
  changedOf(topics: Topics): ReadonlyArray<Place> {
    return this.places.filter((place) => idOf(place, topics) !== place.id)
  }

  /** Deals with what was lost of these places; gives what is to be told. */
  settle(places: ReadonlyArray<Place>, found: Found): Result.Result<ReadonlyArray<string>, KafkaError> {
    const told: Array<string> = []
    for (const place of places) {
      const key = placeOf(place)
      const loss = lossOf(place, found)
      if (loss === undefined) {
        if (found.epochEnds.has(key)) this.lead(place, found.latest.get(key)?.leaderEpoch)
        continue
      }
      if (this.onLoss === "fail") return Result.fail(failureOf(place, loss))
      this.changed.add(key)
      const next = loss.kind === "cut off" && this.onLoss === "skip" ? loss.cutAt : loss.earliest
      const leaderEpoch = loss.id === place.id ? place.leaderEpoch : undefined
      if (loss.kind === "deleted") this.known.delete(key)
      else this.known.set(key, { ...place, id: loss.id, next, leaderEpoch })
      told.push(`${loss.what}; ${loss.kind === "deleted" ? "it is not read any more" : `reading goes on at ${next}`}`)
    }
    return Result.succeed(told)
  }

  private lead(place: Place, leaderEpoch: number | undefined): void {
    place.leaderEpoch = leaderEpoch
    this.changed.add(placeOf(place))
  }

  /** The ranges of a batch, up to these ends. Of whom it is not known what another leader has of the log before, nothing. */
  take(latest: Offsets, limits: Limits): Taken {
    const places = this.places
    const lags = new Map<Place, number>()
    for (const place of places) {
      const { leaderEpoch, offset } = latest.get(placeOf(place)) ?? { offset: place.next }
      lags.set(place, hasOtherLeader(place, latest) ? 0 : offset - place.next)
      if (place.leaderEpoch === undefined && leaderEpoch !== undefined) this.lead(place, leaderEpoch)
    }
    const most = maxRecordsPerPartition({ ...limits, lags })
    const ranges: Array<NumberedRange> = []
    for (const place of places.toSorted(inOrder)) {
      const count = Math.min(lags.get(place)!, most.get(place) ?? Infinity)
      if (count <= 0) continue
      const { id, leaderEpoch, next, number, partition, topic } = place
      const known = leaderEpoch === undefined ? {} : { leaderEpoch }
      const range = { topic, partition, from: next, until: next + count, id, ...known }
      for (const piece of split(range, limits.minSplitRecords ?? Infinity)) ranges.push({ ...piece, number })
      place.next = range.until
      this.changed.add(placeOf(place))
    }
    const positions = Array.from(this.changed, (key): Position => [key, this.recordOf(key)])
    this.changed.clear()
    return { ranges, positions }
  }

  private recordOf(key: string): unknown {
    if (key === begunPlace) return {}
    const place = this.known.get(key)
    return place === undefined ? this.awaited.get(key) ?? null : positionOf(place)
  }
}

/** The place of no partition. */
const begunPlace = ""

/** As it is recorded. */
const positionOf = ({ id, leaderEpoch, next, partition, topic }: Place) => ({
  topic,
  partition,
  id,
  next,
  ...(leaderEpoch === undefined ? {} : { leaderEpoch })
})

const hasOtherLeader = (place: Place, latest: Offsets): boolean =>
  (latest.get(placeOf(place))?.leaderEpoch ?? -1) > (place.leaderEpoch ?? Infinity)

const idOf = ({ partition, topic }: TopicPartition, topics: Topics): string | undefined => {
  const info = topics.get(topic)
  return info !== undefined && info.partitions.length > partition ? info.id : undefined
}

type Loss =
  & { readonly what: string; readonly id: string; readonly earliest: number; readonly cutAt: number }
  & { readonly kind: "expired" | "cut off" | "replaced" | "deleted" }

const lossOf = (place: Place, { earliest, epochEnds, latest, topics }: Found): Loss | undefined => {
  const { next, partition, topic } = place
  const key = placeOf(place)
  const first = earliest.get(key)?.offset ?? 0
  const end = latest.get(key)?.offset ?? next
  const epochEnd = epochEnds.get(key)?.offset
  const cutAt = epochEnd === undefined ? end : Math.max(first, epochEnd)
  const id = idOf(place, topics)
  const loss = (kind: Loss["kind"], what: string): Loss => ({
    kind,
    what,
    id: id ?? place.id,
    earliest: first,
    cutAt
  })
  const name = `partition ${partition} of topic ${topic}`
  if (id === undefined) return loss("deleted", `${name}, read up to offset ${next}, was deleted`)
  if (id !== place.id) {
    return loss(
      "replaced",
      `topic ${topic} was deleted and created again; of partition ${partition} ${next} offsets were read`
    )
  }
  if (cutAt < next) {
    const now = epochEnd === undefined
      ? `ends at ${end} now`
      : `was cut off at ${cutAt} when another broker came to lead`
    return loss("cut off", `${name} was read up to offset ${next} and ${now}: records were lost at the brokers`)
  }
  if (next < first) {
    const gone = first - next
    return loss(
      "expired",
      `${gone} offsets of ${name}, from ${next} on, were deleted by retention before they were read`
    )
  }
  return undefined
}

const reasons = {
  "expired": "OffsetOutOfRange",
  "cut off": "OffsetOutOfRange",
  "replaced": "TopicReplaced",
  "deleted": "UnknownTopic"
} as const

const failureOf = ({ next, partition, topic }: Place, { kind, what }: Loss): KafkaError =>
  new KafkaError({
    reason: reasons[kind],
    topic,
    partition,
    offset: next,
    message: `${what[0]!.toUpperCase()}${what.slice(1)}: ${remedyOf(kind)}`
  })

/** In words, for whoever runs the program. */
export const remedyOf = (kind: Loss["kind"]): string =>
  kind === "expired"
    ? `keep records for longer or read faster; onLoss: "skip" goes on with what is there`
    : `onLoss: "skip" or "earliest" says where to go on, or begin anew with another checkpoint directory`
