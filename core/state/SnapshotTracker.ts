/**
 * SnapshotTracker: which snapshots of states are complete, and hence what recovery may still need.
 *
 * Of each stateful operator the oldest version counts that may be asked for: its versions are read for as long as `reuseMillis` says,
 * after the batches that are done as by a state that is made of them, should that have to be made again. Of the complete snapshots
 * up to that version the last two are kept: should the last one turn out to be damaged, the one before is gone on from. What a
 * batch left behind - plan, blocks - is needed while the lineage of some version from there on reaches it. An operator without
 * two such snapshots needs everything.
 */
import type { DStreamGraph } from "../dstream/DStreamGraph.ts"
import type { StreamId } from "../protocol/Ids.ts"
import type { Millis, Time } from "../time/Time.ts"

interface Snapshot {
  readonly time: Time
  /** The version before that one, of which its lineage tells. */
  readonly previous: Time
}

interface Tracked {
  readonly slideMillis: Millis
  readonly reuseMillis: Millis
  /** The states that are made of its versions, directly or through streams that keep none. */
  readonly readers: Array<StreamId>
  /** The complete snapshots that may be needed, oldest first. */
  complete: ReadonlyArray<Snapshot>
}

export interface Needed {
  /** Batches before this time are not needed by any state. Infinity: there is no state. */
  readonly from: Time
  /** By operator: its snapshots before this time are not needed any more. */
  readonly removable: ReadonlyArray<readonly [operator: StreamId, before: Time]>
}

export class SnapshotTracker {
  private readonly states = new Map<StreamId, Tracked>()
  /** The furthest that the lineage of a batch reaches back. */
  private readonly reachMillis: Millis

  constructor({ node, nodes }: Pick<DStreamGraph, "node" | "nodes">) {
    this.reachMillis = nodes.reduce((longest, { reuseMillis }) => Math.max(longest, reuseMillis), 0)
    const stateful = nodes.filter(({ checkpointMillis }) => checkpointMillis !== undefined)
    for (const { id, reuseMillis, slideMillis } of stateful) {
      this.states.set(id, { slideMillis, reuseMillis, readers: [], complete: [] })
    }
    const above = (id: StreamId): ReadonlyArray<StreamId> =>
      node(id)!.parents.flatMap((parent) => this.states.has(parent) ? [parent] : above(parent))
    for (const { id } of stateful) for (const read of new Set(above(id))) this.states.get(read)!.readers.push(id)
  }

  /** All partitions of the operator's version are safe; `previous`: the version before it. */
  completed(operator: StreamId, time: Time, previous: Time): void {
    const state = this.states.get(operator)
    if (state === undefined || state.complete.some((snapshot) => snapshot.time === time)) return
    state.complete = [...state.complete, { time, previous }].sort((a, b) => a.time - b.time)
  }

  /** All batches up to `done` are done. */
  needed(done: Time): Needed {
    const kept = new Map<StreamId, Snapshot>()
    const oldest = (id: StreamId): Snapshot => {
      const known = kept.get(id)
      if (known !== undefined) return known
      const state = this.states.get(id)!
      const until = Math.min(done, ...state.readers.map((reader) => oldest(reader).time))
      const asked = until - state.reuseMillis + state.slideMillis
      const snapshot = state.complete.findLast((_, i, all) => all[i + 1] !== undefined && all[i + 1]!.time <= asked)
      if (snapshot !== undefined) state.complete = state.complete.filter(({ time }) => time >= snapshot.time)
      kept.set(id, snapshot ?? nothing)
      return kept.get(id)!
    }
    const all = Array.from(this.states.keys(), (id) => [id, oldest(id)] as const)
    return {
      from: all.reduce((from, [, { previous }]) => Math.min(from, previous - this.reachMillis), Infinity),
      removable: all.flatMap(([id, { time }]) => time === -Infinity ? [] : [[id, time] as const])
    }
  }
}

const nothing: Snapshot = { time: -Infinity, previous: -Infinity }
