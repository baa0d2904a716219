/**
 * ReceiverSchedulingPolicy: on which executors receivers run. Pluggable and pure; two makings.
 *
 * - `schedule` places all receivers at the start: each gets a list of candidates, the first being where it goes. Without
 *   executors every list is empty, and the receivers wait for one.
 * - `reschedule` places one: it gives all executors that are as good as each other, best first.
 *
 * `leastLoaded` is Spark's: receivers with a preferred host go to the least loaded executor of it, the others to the least
 * loaded of all, and executors that are still idle become further candidates of the receivers with the fewest. On
 * re-placement, every idle executor is a candidate, else those of the least load; a scheduled receiver weighs one over the
 * number of its candidates, an active one weighs one. A preferred host that has no executor counts as no preference.
 * `roundRobin` deals receivers out in turn, whatever the load. Ties go to the executor that joined first.
 * Source: Spark Streaming's `ReceiverSchedulingPolicy`.
 */
import type { ExecutorId, StreamId } from "../protocol/Ids.ts"

export interface ReceiverToPlace {
  readonly stream: StreamId
  readonly preferredHost: string | undefined
}

export interface ReceiverExecutor {
  readonly executor: ExecutorId
  readonly host: string
}

export type ReceiverState = "Inactive" | "Scheduled" | "Active"

/** Where a receiver is at the moment. */
export interface ReceiverTracking {
  readonly stream: StreamId
  readonly state: ReceiverState
  /** Candidates of a scheduled receiver. */
  readonly candidates: ReadonlyArray<ExecutorId>
  /** Executor of an active one. */
  readonly running: ExecutorId | undefined
}

export interface ReceiverSchedulingPolicy {
  readonly name: string
  readonly schedule: (
    receivers: ReadonlyArray<ReceiverToPlace>,
    executors: ReadonlyArray<ReceiverExecutor>
  ) => ReadonlyMap<StreamId, ReadonlyArray<ExecutorId>>
  readonly reschedule: (
    receiver: ReceiverToPlace,
    tracking: ReadonlyArray<ReceiverTracking>,
    executors: ReadonlyArray<ReceiverExecutor>
  ) => ReadonlyArray<ExecutorId>
}

/** The first item with the least weight. */
const leastBy = <A>(items: ReadonlyArray<A>, weight: (item: A) => number): A =>
  items.reduce((best, item) => weight(item) < weight(best) ? item : best)

/** The executors of the preferred host, if there are any; else undefined. */
const onPreferredHost = (
  { preferredHost }: ReceiverToPlace,
  executors: ReadonlyArray<ReceiverExecutor>
): ReadonlyArray<ReceiverExecutor> | undefined => {
  const preferred = executors.filter((executor) => executor.host === preferredHost)
  return preferred.length === 0 ? undefined : preferred
}

const scheduleLeastLoaded: ReceiverSchedulingPolicy["schedule"] = (receivers, executors) => {
  const plan = new Map<StreamId, Array<ExecutorId>>(receivers.map(({ stream }) => [stream, []]))
  if (receivers.length === 0 || executors.length === 0) return plan
  const load = new Map<ExecutorId, number>(executors.map(({ executor }) => [executor, 0]))
  const place = (receiver: ReceiverToPlace, among: ReadonlyArray<ReceiverExecutor>) => {
    const { executor } = leastBy(among, (candidate) => load.get(candidate.executor)!)
    plan.get(receiver.stream)!.push(executor)
    load.set(executor, load.get(executor)! + 1)
  }
  for (const receiver of receivers) {
    const preferred = onPreferredHost(receiver, executors)
    if (preferred !== undefined) place(receiver, preferred)
  }
  for (const receiver of receivers) if (plan.get(receiver.stream)!.length === 0) place(receiver, executors)
  const places = Array.from(plan.values())
  for (const { executor } of executors) {
    if (load.get(executor) === 0) leastBy(places, (candidates) => candidates.length).push(executor)
  }
  return plan
}

/** Load of each executor by the receivers that are on it, or may be. */
const weights = (tracking: ReadonlyArray<ReceiverTracking>): ReadonlyMap<ExecutorId, number> => {
  const load = new Map<ExecutorId, number>()
  const add = (executor: ExecutorId, weight: number) => load.set(executor, (load.get(executor) ?? 0) + weight)
  for (const { state, candidates, running } of tracking) {
    if (state === "Active" && running !== undefined) add(running, 1)
    if (state === "Scheduled") candidates.forEach((executor) => add(executor, 1 / candidates.length))
  }
  return load
}

const leastOf = (executors: ReadonlyArray<ReceiverExecutor>, load: ReadonlyMap<ExecutorId, number>) => {
  const weightOf = ({ executor }: ReceiverExecutor) => load.get(executor) ?? 0
  const least = Math.min(...executors.map(weightOf))
  return executors.filter((executor) => weightOf(executor) === least).map(({ executor }) => executor)
}

export const leastLoaded: ReceiverSchedulingPolicy = {
  name: "leastLoaded",
  schedule: scheduleLeastLoaded,
  reschedule: (receiver, tracking, executors) => {
    if (executors.length === 0) return []
    const load = weights(tracking.filter(({ stream }) => stream !== receiver.stream))
    const preferred = leastOf(onPreferredHost(receiver, executors) ?? [], load)
    const others = leastOf(executors, load)
    return [...preferred, ...others.filter((executor) => !preferred.includes(executor))]
  }
}

export const roundRobin: ReceiverSchedulingPolicy = {
  name: "roundRobin",
  schedule: (receivers, executors) => {
    const dealt = new Map<string | undefined, number>()
    return new Map(receivers.map((receiver) => {
      const preferred = onPreferredHost(receiver, executors)
      const among = preferred ?? executors
      const host = preferred === undefined ? undefined : receiver.preferredHost
      const turn = dealt.get(host) ?? 0
      dealt.set(host, turn + 1)
      return [receiver.stream, among.length === 0 ? [] : [among[turn % among.length]!.executor]]
    }))
  },
  reschedule: (receiver, tracking, executors) => {
    const among = onPreferredHost(receiver, executors) ?? executors
    const turn = Math.max(0, tracking.findIndex(({ stream }) => stream === receiver.stream))
    return among.map((_, index) => among[(turn + index) % among.length]!.executor)
  }
}
