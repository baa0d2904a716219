/**
 * finalSnapshots: what a graceful stop does for the next driver: every state is made safe as of its last version, so that no step has to
 * be taken again, whatever has changed in the program, and whether or not the blocks of those steps are still there.
 *
 * A state of which some partition cannot be made safe keeps its earlier snapshots; a stop does not wait for it longer than
 * `waitMillis`.
 */
import { Deferred, Effect, Exit } from "effect"
import type { DStreamGraph } from "../../../core/dstream/DStreamGraph.ts"
import type { GeneratedRDDs } from "../../../core/dstream/GeneratedRDDs.ts"
import type { ExecutorId, RddId } from "../../../core/protocol/Ids.ts"
import * as RddIds from "../../../core/rdd/RddId.ts"
import type { SnapshotTracker } from "../../../core/state/SnapshotTracker.ts"
import { floorTo, type Time } from "../../../core/time/Time.ts"
import type { Executors } from "../../placement/Placement.ts"
import type { ListenerBus } from "../ListenerBus.ts"
import type { TaskScheduler } from "../TaskScheduler.ts"

export interface FinalSnapshotsOptions {
  readonly graph: DStreamGraph
  readonly memo: GeneratedRDDs
  readonly snapshots: SnapshotTracker
  readonly tasks: TaskScheduler
  readonly bus: ListenerBus
  readonly executors: { readonly send: Executors["send"]; readonly ready: () => ReadonlyArray<ExecutorId> }
  readonly zeroTime: Time
  readonly lastBatch: Time
}

const waitMillis = 30_000

export const finalSnapshots = (options: FinalSnapshotsOptions): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { bus, executors } = options
    const states = lastVersions(options)
    const wanted = new Set(states)
    if (wanted.size === 0) return Effect.void
    const over = Deferred.makeUnsafe<void>()
    const settle = (state: RddId) => {
      if (wanted.delete(state) && wanted.size === 0) Deferred.doneUnsafe(over, Exit.void)
    }
    bus.addEngineListener((event) => {
      if (event.kind === "SnapshotCompleted") settle(RddIds.stateId(event.operator, event.time))
      else if (event.kind === "SnapshotFailed") settle(event.state)
    })
    for (const executor of executors.ready()) executors.send(executor, { kind: "TakeSnapshots", states })
    return Effect.asVoid(Effect.timeoutOption(Deferred.await(over), waitMillis))
  })

/** Of each state the last version that is there and is in no snapshot. */
const lastVersions = ({ graph, lastBatch, memo, snapshots, tasks, zeroTime }: FinalSnapshotsOptions) =>
  graph.nodes.flatMap(({ checkpointMillis, id, slideMillis }): ReadonlyArray<RddId> => {
    if (checkpointMillis === undefined) return []
    const time = memo.previousTime(id, zeroTime + floorTo(lastBatch - zeroTime, slideMillis) + slideMillis)
    const state = RddIds.stateId(id, time)
    return time > zeroTime && tasks.isComplete(state) && snapshots.filesOf(id, time) === undefined ? [state] : []
  })
