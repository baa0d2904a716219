/**
 * JobSet: the jobs of one batch and when each started and ended. Values: each step gives a new set.
 *
 * A job goes from waiting (no times) over running (a start) to ended (a start and an end); a set is complete when all its jobs
 * have ended, well or not. Source: Spark Streaming's `JobSet`.
 */
import type { Time } from "../time/Time.ts"
import { type BatchInfo, delays, type OutputOperationInfo } from "./BatchInfo.ts"
import type { InputInfo } from "./InputInfoTracker.ts"
import type { Job, JobId } from "./Job.ts"

export interface JobSet {
  readonly time: Time
  readonly inputs: ReadonlyArray<InputInfo>
  readonly submissionTime: Time
  /** In the order of the program's outputs. */
  readonly operations: ReadonlyArray<OutputOperationInfo>
}

export const make = (
  time: Time,
  jobs: ReadonlyArray<Job>,
  inputs: ReadonlyArray<InputInfo>,
  submissionTime: Time
): JobSet => ({
  time,
  inputs,
  submissionTime,
  operations: jobs.map(({ id, output }) => ({
    time,
    job: id,
    output,
    startTime: undefined,
    endTime: undefined,
    failureReason: undefined
  }))
})

export const operation = (set: JobSet, job: JobId): OutputOperationInfo | undefined =>
  set.operations.find((operation) => operation.job === job)

const change = (set: JobSet, job: JobId, to: Partial<OutputOperationInfo>): JobSet => ({
  ...set,
  operations: set.operations.map((operation) => operation.job === job ? { ...operation, ...to } : operation)
})

export const started = (set: JobSet, job: JobId, startTime: Time): JobSet => change(set, job, { startTime })

export const ended = (set: JobSet, job: JobId, endTime: Time, failureReason: string | undefined): JobSet =>
  change(set, job, { endTime, failureReason })

export const hasStarted = (set: JobSet): boolean => set.operations.some(({ startTime }) => startTime !== undefined)

export const hasCompleted = (set: JobSet): boolean => set.operations.every(({ endTime }) => endTime !== undefined)

export const hasFailed = (set: JobSet): boolean =>
  set.operations.some(({ failureReason }) => failureReason !== undefined)

export const toBatchInfo = (set: JobSet): BatchInfo => {
  const starts = set.operations.flatMap(({ startTime }) => startTime === undefined ? [] : [startTime])
  const ends = set.operations.flatMap(({ endTime }) => endTime === undefined ? [] : [endTime])
  const processingStartTime = starts.length === 0 ? undefined : Math.min(...starts)
  const processingEndTime = ends.length < set.operations.length ? undefined : Math.max(...ends)
  return {
    time: set.time,
    inputs: set.inputs,
    records: set.inputs.reduce((sum, input) => sum + input.records, 0),
    submissionTime: set.submissionTime,
    processingStartTime,
    processingEndTime,
    outputs: set.operations,
    ...delays(set.submissionTime, processingStartTime, processingEndTime)
  }
}
