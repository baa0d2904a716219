/**
 * taskFailures: what is said of a task that failed by an error of the user's: where, how often, why, and, where the settings allow
 * it, on which record.
 */
import type { TaskResult } from "../protocol/ExecutorProtocol.ts"
import type { JobFailure, TaskSchedulerSettings } from "./TaskSchedulerState.ts"

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
