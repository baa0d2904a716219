/**
 * SnapshotTracker: which snapshots of states are complete, and hence what recovery may still need.
 *
 * Of each stateful operator the last two complete snapshots count: should the newest turn out to be damaged, the one before is gone
 * on from. What a batch left behind - plan, blocks, versions - is needed while some operator's last snapshot but one is older than
 * it. An operator without two complete snapshots needs everything.
 */
import type { StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"

export class SnapshotTracker {
  /** Times of the complete snapshots, newest last, at most two. */
  private readonly complete = new Map<StreamId, Array<Time>>()

  constructor(operators: Iterable<StreamId>) {
    for (const operator of operators) this.complete.set(operator, [])
  }

  /** All partitions of the operator's version are safe. */
  completed(operator: StreamId, time: Time): void {
    const times = this.complete.get(operator)
    if (times === undefined || times.includes(time)) return
    times.push(time)
    times.sort((a, b) => a - b)
    if (times.length > 2) times.shift()
  }

  /** Batches before this time are not needed by any state. Infinity: there is no state. */
  neededFrom(): Time {
    let from = Infinity
    for (const times of this.complete.values()) from = Math.min(from, times.length < 2 ? -Infinity : times[0]!)
    return from
  }

  /** By operator: its snapshots before this time are not needed any more. */
  removable(): ReadonlyArray<readonly [operator: StreamId, before: Time]> {
    return [...this.complete].flatMap(([operator, times]) => times.length < 2 ? [] : [[operator, times[0]!] as const])
  }
}
