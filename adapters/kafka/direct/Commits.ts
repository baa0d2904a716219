/**
 * Commits: what a stream has done is committed to its group at the brokers, batch after batch, so that tools which show the lag of groups
 * show that of the stream. Nothing is ever read from there: where the stream stands is in the driver's log.
 *
 * Of each partition the largest end counts. Only what is newest is committed; what cannot be is told once and tried with the next batch,
 * and no batch waits for it. With the first batch and once an hour all partitions are, also those that are idle: else tools would not show
 * them, and brokers forget in time what nobody commits. When the stream ends, what waits is committed still, if that is quick.
 */
import { Effect, Queue, type Scope } from "effect"
import type { Time } from "../../../core/time/Time.ts"
import { uptime } from "../../../core/time/Uptime.ts"
import type { KafkaCluster, PartitionOffset } from "../KafkaCluster.ts"
import { largestUntil, type OffsetRange, placeOf } from "../reading/OffsetRange.ts"

export interface Commits {
  /** What a batch of another driver reads. */
  readonly restored: (time: Time, ranges: ReadonlyArray<OffsetRange>) => void
  /** What a batch reads, and where it leaves all partitions. */
  readonly planned: (
    time: Time,
    ranges: ReadonlyArray<OffsetRange>,
    all: () => ReadonlyArray<PartitionOffset>
  ) => Effect.Effect<void>
  /** All batches up to this one are done. */
  readonly completed: (upTo: Time) => Effect.Effect<void>
}

const lastCommitMillis = 2000
const allEveryMillis = 3_600_000

export const make = Effect.fnUntraced(function* (
  cluster: KafkaCluster,
  group: string
): Effect.fn.Return<Commits, never, Scope.Scope> {
  const batches = new Map<Time, ReadonlyArray<PartitionOffset>>()
  const waiting = new Map<string, PartitionOffset>()
  const wake = yield* Queue.sliding<void>(1)
  let allAt = -Infinity
  let told = false

  const add = (offsets: ReadonlyArray<PartitionOffset>): void => {
    for (const offset of offsets) {
      const place = placeOf(offset)
      if (offset.offset > (waiting.get(place)?.offset ?? -1)) waiting.set(place, offset)
    }
  }

  const plan = (time: Time, offsets: ReadonlyArray<PartitionOffset>): void => {
    if (offsets.length > 0) batches.set(time, offsets)
  }

  const commit = Effect.suspend(() => {
    const committing = [...waiting]
    if (committing.length === 0) return Effect.void
    return cluster.commitOffsets(group, committing.map(([, offset]) => ({ ...offset, metadata: "" }))).pipe(
      Effect.map(() => {
        told = false
        for (const [place, offset] of committing) if (waiting.get(place) === offset) waiting.delete(place)
      }),
      Effect.catch(({ message }) => {
        if (told) return Effect.void
        told = true
        return Effect.logWarning(
          `The offsets of what is done could not be committed to group ${group}, only for monitoring: ${message}`
        )
      })
    )
  })

  yield* Effect.addFinalizer(() => Effect.timeoutOption(commit, lastCommitMillis))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(wake), commit)))
  return {
    restored: (time, ranges) => plan(time, largestUntil(ranges)),
    planned: (time, ranges, all) =>
      Effect.map(uptime, (now) => {
        if (now < allAt) return plan(time, largestUntil(ranges))
        allAt = now + allEveryMillis
        plan(time, all())
      }),
    completed: (upTo) =>
      Effect.suspend(() => {
        for (const [time, offsets] of batches) {
          if (time > upTo) continue
          add(offsets)
          batches.delete(time)
        }
        return waiting.size > 0 ? Effect.asVoid(Queue.offer(wake, undefined)) : Effect.void
      })
  }
})
