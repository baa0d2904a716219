/**
 * CompleteSnapshots: the states' snapshots as far as they are known to be complete, and what they make needless.
 */
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { Observation } from "./Observation.ts"

export class CompleteSnapshots {
  private readonly times = new Map<StreamId, Array<Time>>()

  constructor(states: ReadonlyArray<StreamId>) {
    for (const operator of states) this.times.set(operator, [])
  }

  see(event: Observation): void {
    if (event.kind !== "SnapshotCompleted") return
    const times = new Set(this.times.get(event.operator)).add(event.time)
    this.times.set(event.operator, [...times].sort((a, b) => a - b))
  }

  /** The last complete snapshot but one of an operator. */
  lastButOne(operator: StreamId): Time {
    return this.times.get(operator)?.at(-2) ?? -Infinity
  }

  /** Of each operator so many complete snapshots have been taken since. */
  before(count: number): Time {
    return [...this.times.values()].reduce((from, times) => Math.min(from, times.at(-count) ?? -Infinity), Infinity)
  }

  /** Batches from here on may be needed. */
  get neededFrom(): Time {
    return this.before(2)
  }
}
