/**
 * ExecutorAllocationManager: has executors started and removed by how long batches take: performs `core/allocation`.
 *
 * | when | what happens |
 * | --- | --- |
 * | it starts | executors are requested up to the fewest |
 * | a batch is completed | it counts; if an executor is to be removed, that is tried |
 * | each scaling interval | the policy decides: ExecutorsRequested, or one is to be removed, which is tried at once |
 * | it stops | nothing any more |
 *
 * An executor is removed between batches, while no job runs: then no task loses its executor, and no reader what it has come to
 * read. Who is removed is chosen at that moment: nobody where a receiver is, or that holds the only copy of a received block. It is
 * told lost at once, so that tasks, receivers and copies of blocks go elsewhere, and ends by itself; states that it held are
 * restored from their snapshots. Nothing of that is a retry or counts as one. If no moment comes before the next decision, that
 * one counts. Source: Spark Streaming's `ExecutorAllocationManager`.
 */
import { Effect, type Scope } from "effect"
import * as ExecutorAllocation from "../../../core/allocation/ExecutorAllocation.ts"
import type { Millis } from "../../../core/time/Time.ts"
import type { Fail } from "../../Supervisor.ts"
import type { BlockLocations } from "../BlockLocations.ts"
import type { ListenerBus } from "../ListenerBus.ts"
import type { ReceiverTracker } from "../ReceiverTracker.ts"
import * as RecurringTimer from "../RecurringTimer.ts"
import type { TaskScheduler } from "../TaskScheduler.ts"
import type { ExecutorEvents } from "./ExecutorEvents.ts"

export interface Options {
  readonly policy: ExecutorAllocation.ExecutorAllocation
  readonly scalingIntervalMillis: Millis
  readonly executors: Pick<ExecutorEvents, "ready" | "request" | "remove">
  readonly tasks: Pick<TaskScheduler, "counts" | "loadOf">
  readonly receivers: Pick<ReceiverTracker, "executorsInUse">
  readonly locations: Pick<BlockLocations, "onlyHolders">
  readonly bus: Pick<ListenerBus, "addEngineListener" | "post">
  readonly fail: Fail<never>
}

export interface ExecutorAllocationManager {
  readonly start: () => void
  /** The number of executors does not change after it. */
  readonly stop: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (
  { policy, scalingIntervalMillis, executors, tasks, receivers, locations, bus, fail }: Options
): Effect.fn.Return<ExecutorAllocationManager, never, Scope.Scope> {
  let running = false
  let removing = false

  const tryRemove = () => {
    if (tasks.counts().jobs > 0) return
    removing = false
    const inUse = receivers.executorsInUse()
    const onlyHolders = locations.onlyHolders()
    const candidates = executors.ready().map((executor): ExecutorAllocation.Candidate => {
      const load = tasks.loadOf(executor)
      const needed = load.tasks > 0 || inUse.has(executor) || onlyHolders.has(executor)
      return { executor, needed, states: load.states }
    })
    const executor = ExecutorAllocation.removeOne(policy, candidates)
    if (executor !== undefined) executors.remove(executor)
  }

  const manage = () => {
    const current = executors.ready().length
    const decision = ExecutorAllocation.decide(policy, current)
    removing = decision.kind === "remove"
    if (removing) return tryRemove()
    if (decision.kind !== "request" || decision.total <= current) return
    executors.request(decision.total)
    bus.post({ kind: "ExecutorsRequested", total: decision.total })
  }

  const forget = bus.addEngineListener((event) => {
    if (event.kind !== "BatchCompleted") return
    ExecutorAllocation.batchCompleted(policy, event.batch)
    if (running && removing) tryRemove()
  })
  yield* Effect.addFinalizer(() => Effect.sync(forget))
  // The batches of a clock that is set back are decided upon when it has caught up, as they come.
  const timer = yield* RecurringTimer.make(scalingIntervalMillis, { ticked: manage, setBack: () => {} }, fail)
  return {
    start: () => {
      running = true
      manage()
      timer.start()
    },
    stop: Effect.andThen(Effect.sync(() => void (running = false)), timer.stop)
  }
})
