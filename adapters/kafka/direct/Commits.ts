/**
 * Commits: what a stream has done is committed to its group at the brokers, batch after batch, so that tools which show the lag of groups
 * show that of the stream. Nothing is ever read from there: where the stream stands is in the driver's log.
 *
 * Of each partition the largest end counts. Only what is newest is committed; what cannot be is told once and tried with the next batch,
 * and no batch waits for it. When the stream ends, what waits is committed still, if that is quick.
 */
import { Effect, Queue, type Scope } from "effect"
import type { Time } from "../../../core/time/Time.ts"
import type { KafkaCluster } from "../KafkaCluster.ts"
import { largestUntil, type OffsetRange, placeOf } from "./OffsetRange.ts"

export interface Commits {
  /** What a batch reads. */
  readonly planned: (time: Time, ranges: ReadonlyArray<OffsetRange>) => void
  /** All batches up to this one are done. */
  readonly completed: (upTo: Time) => Effect.Effect<void>
}

const lastCommitMillis = 2000

export const make = Effect.fnUntraced(function* (
  cluster: KafkaCluster,
  group: string
): Effect.fn.Return<Commits, never, Scope.Scope> {
  const batches = new Map<Time, ReadonlyArray<OffsetRange>>()
  const waiting = new Map<string, OffsetRange>()
  const wake = yield* Queue.sliding<void>(1)
  let told = false

  const add = (ranges: Iterable<OffsetRange>): void => {
    for (const range of ranges) {
      const place = placeOf(range)
      if (range.until > (waiting.get(place)?.until ?? -1)) waiting.set(place, range)
    }
  }

  const commit = Effect.suspend(() => {
    const ranges = [...waiting.values()]
    waiting.clear()
    if (ranges.length === 0) return Effect.void
    const offsets = largestUntil(ranges).map((offset) => ({ ...offset, metadata: "" }))
    return cluster.commitOffsets(group, offsets).pipe(
      Effect.map(() => void (told = false)),
      Effect.catch(({ message }) => {
        add(ranges)
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
    planned: (time, ranges) => void (ranges.length > 0 && batches.set(time, ranges)),
    completed: (upTo) =>
      Effect.suspend(() => {
        for (const [time, ranges] of batches) {
          if (time > upTo) continue
          add(ranges)
          batches.delete(time)
        }
        return waiting.size > 0 ? Effect.asVoid(Queue.offer(wake, undefined)) : Effect.void
      })
  }
})
