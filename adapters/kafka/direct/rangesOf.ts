/**
 * rangesOf: what topics hold now, as ranges of offsets: for batch reading, such as of a topic that is a table, by a side value.
 *
 * ```ts
 * const now = DStream.sideValue(Kafka.rangesOf({ brokers, topics: "prices" }), Schema.Array(Kafka.OffsetRange))
 * ```
 */
import { Effect } from "effect"
import { ConnectKafka, type Isolation, type OffsetAt } from "../KafkaCluster.ts"
import type { KafkaConnection } from "../KafkaConnection.ts"
import type { KafkaError } from "../KafkaError.ts"
import { type OffsetRange, placeOf } from "../reading/OffsetRange.ts"
import { type Subscription, validateSubscription } from "../options.ts"
import { missingOf, namesOf, wantedOf } from "./Subscription.ts"

export type RangesOptions = KafkaConnection & Subscription & {
  /** "earliest" */
  readonly from?: OffsetAt | undefined
  /** "latest" */
  readonly until?: OffsetAt | undefined
  /** "committed" */
  readonly isolation?: Isolation | undefined
}

/** In order of topic and partition; empty ones are left out. A connection is made for it and closed. */
export const rangesOf = (options: RangesOptions): Effect.Effect<ReadonlyArray<OffsetRange>, KafkaError> =>
  Effect.scoped(Effect.gen(function* () {
    const { from = "earliest", isolation = "committed", until = "latest" } = options
    yield* Effect.try({ try: () => validateSubscription({ ...options }), catch: (error) => error as KafkaError })
    const cluster = yield* (yield* ConnectKafka)(options)
    const infos = yield* cluster.topics(namesOf(options))
    const missing = missingOf(options, infos, cluster.name)
    if (missing !== undefined) return yield* missing
    const wanted = wantedOf(options, infos)
    const partitions = wanted.map(({ partition, topic }) => ({ topic, partition }))
    if (partitions.length === 0) return []
    const begins = new Map(
      (yield* cluster.offsets(partitions, from, isolation)).map((one) => [placeOf(one), one.offset])
    )
    const ends = new Map(
      (yield* cluster.offsets(partitions, until, isolation)).map((one) => [placeOf(one), one])
    )
    return wanted.map((one) => {
      const { leaderEpoch, offset } = ends.get(placeOf(one)) ?? { offset: 0 }
      const known = leaderEpoch === undefined ? {} : { leaderEpoch }
      return { ...one, from: begins.get(placeOf(one)) ?? 0, until: offset, ...known }
    }).filter((range) => range.from < range.until)
  }))
