/**
 * taskFailures: what is said of a task that failed by an error of the user's: where, how often, why, and, where the settings allow
 * it, on which record.
 */
import type { TaskResult } from "../../protocol/ExecutorProtocol.ts"
import type { JobFailure, Task, TaskSchedulerSettings } from "./TaskSchedulerState.ts"

type Failed = Extract<TaskResult, { readonly kind: "Failed" }>

/** Why a task is tried again. */
export const retryReason = (result: Failed, settings: TaskSchedulerSettings): string =>
  `operator "${result.operator}" failed: ${causeOf(result, settings)}`

/** Why its job is over after that many failures. */
export const taskFailure = (result: Failed, failures: number, settings: TaskSchedulerSettings): JobFailure => {
  const { operator, partition, permanent, stack } = result
  const often = permanent === true
    ? `failed in partition ${partition}, and would again: `
    : `failed ${failures} times in partition ${partition} (maxTaskFailures); the last cause: `
  return {
    kind: permanent === true ? "FailedForGood" : "FailedTooOften",
    operator,
    partition,
    message: `operator "${operator}" ${often}${causeOf(result, settings)}`,
    stack
  }
}

/** The record stands in the first line, which is all that some show. */
const causeOf = ({ message, record }: Failed, { showRecords = true }: TaskSchedulerSettings): string => {
  if (record === undefined || !showRecords) return message
  const [first, ...rest] = message.split("\n")
  return [`${first}; the record: ${record}`, ...rest].join("\n")
}

/** What kills each executor that runs it shall not kill them all, with what they hold. */
export const diedTooOften = (task: Task, why: string): JobFailure => {
  const { spec: { partition }, stage: { spec: { operator } }, deaths } = task
  const message =
    `partition ${partition} of operator "${operator}" was run by ${deaths} executors, and each died before it was ` +
    `done: does a function of the program end the process, or take all its memory? The last time: ${why}`
  return { kind: "LostTooOften", operator, partition, message, stack: undefined }
}
