/**
 * ExecutorLoad: what an executor is there for at the moment, as the TaskScheduler knows it.
 */
import type { ExecutorId } from "../protocol/Ids.ts"
import type { State } from "../scheduling/tasks/TaskSchedulerState.ts"

export interface ExecutorLoad {
  /** Tasks that it was given and has not told the end of. */
  readonly tasks: number
  /** Versions of partitions of states that it holds. */
  readonly states: number
}

export const loadOf = ({ executors, stages }: State, executor: ExecutorId): ExecutorLoad => {
  let states = 0
  for (const { outputs, work } of stages.values()) {
    if (work.kind !== "state") continue
    for (const holder of outputs) if (holder === executor) states++
  }
  return { tasks: executors.get(executor)?.outstanding.size ?? 0, states }
}
