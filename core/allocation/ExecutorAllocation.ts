/**
 * ExecutorAllocation: how many executors there shall be, by how long batches take: dynamic allocation. Pure; its one owner is
 * `runtime/driver/executors/ExecutorAllocationManager.ts`, which changes it in place.
 *
 * Once in each scaling interval it is asked what to do, by the batches that were completed since. The ratio is their average
 * processing time over the batch duration:
 *
 * | ratio | decision |
 * | --- | --- |
 * | at least `scalingUpRatio` | request: as many more as the ratio, rounded, and at least one; within the bounds |
 * | at most `scalingDownRatio`, and more than the fewest are there | remove: one of those that can be spared |
 * | any, or no batch, and fewer than the fewest are there | request: the fewest |
 * | else | keep |
 *
 * A batch with a failed output does not count: it says nothing of how long the others take. The fewest are stronger than the
 * most, if they contradict each other. Source: Spark Streaming's `ExecutorAllocationManager`.
 */
import type { ExecutorId } from "../protocol/Ids.ts"
import type { BatchInfo } from "../scheduling/BatchInfo.ts"
import type { Settings } from "../settings/Settings.ts"
import type { Millis } from "../time/Time.ts"

export type AllocationSettings = Pick<
  Settings,
  "dynamicAllocation" | "minExecutors" | "maxExecutors" | "scalingUpRatio" | "scalingDownRatio"
>

export interface ExecutorAllocation {
  readonly batchMillis: Millis
  /** The fewest: by default one for each receiver. */
  readonly minExecutors: number
  readonly maxExecutors: number
  readonly scalingUpRatio: number
  readonly scalingDownRatio: number
  /** Of the batches since the last decision: their processing times together, and how many they are. */
  processingMillis: Millis
  batches: number
}

export type Decision =
  | { readonly kind: "keep" }
  | { readonly kind: "request"; readonly total: number }
  | { readonly kind: "remove" }

/** undefined: the number of executors is fixed. */
export const make = (
  settings: AllocationSettings,
  app: { readonly batchMillis: Millis; readonly receivers: number }
): ExecutorAllocation | undefined => {
  if (!settings.dynamicAllocation) return undefined
  return {
    batchMillis: app.batchMillis,
    minExecutors: settings.minExecutors ?? Math.max(1, app.receivers),
    maxExecutors: settings.maxExecutors,
    scalingUpRatio: settings.scalingUpRatio,
    scalingDownRatio: settings.scalingDownRatio,
    processingMillis: 0,
    batches: 0
  }
}

export const batchCompleted = (self: ExecutorAllocation, { outputs, processingDelay }: BatchInfo): void => {
  if (processingDelay === undefined || outputs.some(({ failureReason }) => failureReason !== undefined)) return
  self.processingMillis += processingDelay
  self.batches++
}

/** What to do, with so many executors; the batches so far are then forgotten. */
export const decide = (self: ExecutorAllocation, executors: number): Decision => {
  const { batches, batchMillis, minExecutors, processingMillis, scalingDownRatio, scalingUpRatio } = self
  const ratio = batches === 0 ? undefined : Math.floor(processingMillis / batches) / batchMillis
  self.processingMillis = 0
  self.batches = 0
  if (ratio !== undefined && ratio >= scalingUpRatio) {
    return { kind: "request", total: requestTotal(self, executors, Math.max(1, Math.round(ratio))) }
  }
  if (executors < minExecutors) return { kind: "request", total: minExecutors }
  return ratio !== undefined && ratio <= scalingDownRatio && executors > minExecutors
    ? { kind: "remove" }
    : { kind: "keep" }
}

type Bounds = Pick<ExecutorAllocation, "minExecutors" | "maxExecutors">

/** How many to ask for, of whom there are `current`. Throws a RangeError if none are to be `added`. */
export const requestTotal = ({ maxExecutors, minExecutors }: Bounds, current: number, added: number): number => {
  if (added < 1) throw new RangeError(`a request adds at least one executor, and not ${added}`)
  return Math.max(minExecutors, Math.min(maxExecutors, current + added))
}

/** An executor that could be removed. */
export interface Candidate {
  readonly executor: ExecutorId
  /** It cannot be spared: a receiver runs there, or it holds what nobody else does. */
  readonly needed: boolean
  /** Versions of partitions of states that it holds: what would have to be restored elsewhere. */
  readonly states: number
}

/** Of those that can be spared the one with the fewest states, and of these the last; undefined: none may go. */
export const removeOne = (
  { minExecutors }: Pick<Bounds, "minExecutors">,
  executors: ReadonlyArray<Candidate>
): ExecutorId | undefined => {
  if (executors.length <= minExecutors) return undefined
  let choice: Candidate | undefined
  for (const candidate of executors) {
    if (!candidate.needed && (choice === undefined || candidate.states <= choice.states)) choice = candidate
  }
  return choice?.executor
}
