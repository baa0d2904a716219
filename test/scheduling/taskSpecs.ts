/**
 * Tasks and stages as tests of the TaskScheduler write them, and how they end.
 */
import type { TaskResult } from "../../core/protocol/ExecutorProtocol.ts"
import type { StageSpec, TaskSpec } from "../../core/scheduling/tasks/JobGraph.ts"

export const done = (text: string): TaskResult => ({
  kind: "Done",
  value: { kind: "value", value: text },
  records: 1,
  bytes: 0
})
export const failed: TaskResult = { kind: "Failed", operator: "op", partition: 0, message: "boom", stack: undefined }

export const taskSpec = (partition: number, more: Partial<TaskSpec> = {}): TaskSpec => ({
  partition,
  reads: [],
  snapshot: undefined,
  block: undefined,
  affinity: partition,
  ...more
})

/** The whole of a shuffle. */
export const all = (stage: string) => [{ stage, partition: undefined }]

export const stageSpec = (stage: string, tasks: ReadonlyArray<TaskSpec>): StageSpec => ({
  stage,
  work: "map",
  snapshot: false,
  reusedUntil: Infinity,
  operator: stage,
  digest: "d",
  tasks
})
