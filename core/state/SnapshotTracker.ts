/**
 * SnapshotTracker: which snapshots of states are complete, and hence what recovery may still need.
 *
 * Of each stateful operator the oldest version counts that may be asked for: its versions are read for as long as `reuseMillis` says,
 * after the batches that are done as by a state that is made of them, should that have to be made again. Of the complete snapshots
 * up to that version the last two are kept: should the last one turn out to be damaged, the one before is gone on from. What a
 * batch left behind - plan, blocks - is needed while the lineage of some version from there on reaches it. An operator without
 * two such snapshots needs everything.
 *
 * A snapshot is known by its files. It may build on files of snapshots before it, which then stay for as long as it does, whatever
 * their age. A driver that recovers begins with the snapshots that its predecessor knew, and goes on from those.
 */
import type { DStreamGraph } from "../dstream/DStreamGraph.ts"
import type { StreamId } from "../protocol/Ids.ts"
import type { Millis, Time } from "../time/Time.ts"

/** What a snapshot of one partition's version lies in: full names, base first; each builds on the one before it. */
export type SnapshotFiles = ReadonlyArray<string>

/** A version of a state of which every partition is safe. */
export interface CompleteSnapshot {
  readonly operator: StreamId
  readonly time: Time
  /** The version before that one, of which its lineage tells. */
  readonly previous: Time
  /** By partition. */
  readonly files: ReadonlyArray<SnapshotFiles>
}

/** Of an operator: the snapshots of versions before a time are not needed any more, but for files that later ones build on. */
export interface RemovableSnapshots {
  readonly operator: StreamId
  readonly before: Time
  readonly but: ReadonlyArray<string>
}

/** A snapshot that a version can be restored from; where it is the oldest, no version before it can be made again. */
export interface RestorableSnapshot {
  readonly files: ReadonlyArray<SnapshotFiles>
  readonly isOldest: boolean
}

interface Tracked {
  readonly slideMillis: Millis
  readonly reuseMillis: Millis
  /** The states that are made of its versions, directly or through streams that keep none. */
  readonly readers: Array<StreamId>
  /** The complete snapshots that may be needed, oldest first. */
  complete: ReadonlyArray<CompleteSnapshot>
}

export interface Needed {
  /** Batches before this time are not needed by any state. Infinity: there is no state. */
  readonly from: Time
  readonly removable: ReadonlyArray<RemovableSnapshots>
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

  /**
   * All partitions of a version are safe, by this driver or by one before it. One that was so before lies in these files now.
   * Operators that are no more are no matter.
   */
  completed(snapshot: CompleteSnapshot): void {
    const state = this.states.get(snapshot.operator)
    if (state === undefined) return
    const others = state.complete.filter(({ time }) => time !== snapshot.time)
    state.complete = [...others, snapshot].sort((a, b) => a.time - b.time)
  }

  /** Every complete snapshot that may still be needed, oldest first per operator: what a successor would have to know. */
  get complete(): ReadonlyArray<CompleteSnapshot> {
    return [...this.states.values()].flatMap(({ complete }) => complete)
  }

  /** A complete snapshot of just this version. */
  filesOf(operator: StreamId, time: Time): RestorableSnapshot | undefined {
    const complete = this.states.get(operator)?.complete ?? []
    const at = complete.findIndex((snapshot) => snapshot.time === time)
    return at < 0 ? undefined : { files: complete[at]!.files, isOldest: at === 0 }
  }

  /** All batches up to `done` are done. */
  needed(done: Time): Needed {
    const kept = new Map<StreamId, Oldest>()
    const oldest = (id: StreamId): Oldest => {
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
      removable: all.flatMap(([id, { time }]) =>
        time === -Infinity ? [] : [{ operator: id, before: time, but: this.basesOf(id) }]
      )
    }
  }

  /** The files that kept snapshots build on. */
  private basesOf(operator: StreamId): ReadonlyArray<string> {
    const bases = new Set<string>()
    for (const { files } of this.states.get(operator)!.complete) {
      for (const ofPartition of files) for (const file of ofPartition.slice(0, -1)) bases.add(file)
    }
    return [...bases]
  }
}

type Oldest = Pick<CompleteSnapshot, "time" | "previous">

const nothing: Oldest = { time: -Infinity, previous: -Infinity }
