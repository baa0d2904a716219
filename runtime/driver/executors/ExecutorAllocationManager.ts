/**
 * ExecutorAllocationManager: has executors started and removed by how long batches take: performs `core/allocation`.
 *
 * | when | what happens |
 * | --- | --- |
 * | it starts | executors are requested up to the fewest |
 * | each scaling interval | the policy decides: ExecutorsRequested, or one is chosen to leave, or nobody leaves |
 * | a batch is completed | it counts; who is to leave is removed, if it is free to go |
 * | it stops | nothing any more |
 *
 * Nobody is chosen to leave where a receiver is, or that holds the only copy of a received block. Who is to leave works on, but is
 * given no more copies of blocks, and those that it holds are made elsewhere too. It is free to go when two others have each of its
 * blocks, while no job runs: then no task loses its executor, no reader what it has come to read, and no block its safety: streams that
 * keep blocks at two executors keep two. It is told lost
 * at once, so that tasks go elsewhere, and ends by itself; states that it held are restored from their snapshots. Nothing of
 * that is a retry or counts as one. Should a receiver start there meanwhile, or the next decision be another, it stays.
 * Source: Spark Streaming's `ExecutorAllocationManager`.
 */
import { Effect, type Scope } from "effect"
import * as ExecutorAllocation from "../../../core/allocation/ExecutorAllocation.ts"
import type { ExecutorId } from "../../../core/protocol/Ids.ts"
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
  readonly executors: Pick<ExecutorEvents, "ready" | "request" | "leave" | "remove">
  readonly tasks: Pick<TaskScheduler, "counts" | "loadOf">
  readonly receivers: Pick<ReceiverTracker, "executorsInUse">
  readonly locations: Pick<BlockLocations, "onlyHolders" | "isSpare">
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
  let leaving: ExecutorId | undefined

  const leave = (executor: ExecutorId | undefined) => {
    if (leaving === executor) return
    leaving = executor
    executors.leave(executor)
  }

  const chosen = (): ExecutorId | undefined => {
    const inUse = receivers.executorsInUse()
    const onlyHolders = locations.onlyHolders()
    const candidates = executors.ready().map((executor) => ({
      executor,
      needed: inUse.has(executor) || onlyHolders.has(executor),
      states: tasks.loadOf(executor).states
    }))
    return ExecutorAllocation.removeOne(policy, candidates)
  }

  const removeIfFree = (executor: ExecutorId) => {
    const ready = executors.ready()
    const stays = !ready.includes(executor) || ready.length <= policy.minExecutors ||
      receivers.executorsInUse().has(executor)
    if (stays) return leave(undefined)
    if (tasks.counts().jobs > 0 || tasks.loadOf(executor).tasks > 0) return
    if (!locations.isSpare(executor)) return
    leaving = undefined
    executors.remove(executor)
  }

  const manage = () => {
    const current = executors.ready().length
    const decision = ExecutorAllocation.decide(policy, current)
    if (decision.kind === "remove") return leave(leaving ?? chosen())
    leave(undefined)
    if (decision.kind !== "request" || decision.total <= current) return
    executors.request(decision.total)
    bus.post({ kind: "ExecutorsRequested", total: decision.total })
  }

  const forget = bus.addEngineListener((event) => {
    if (event.kind !== "BatchCompleted") return
    ExecutorAllocation.batchCompleted(policy, event.batch)
    if (running && leaving !== undefined) removeIfFree(leaving)
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
