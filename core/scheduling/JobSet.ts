/**
 * JobSet: the jobs of one batch and when each started and ended. Values: each step gives a new set.
 *
 * A job goes from waiting (no times) over running (a start) to ended (a start and an end); jobs start in the order of the outputs. A
 * set is complete when all its jobs have ended, well or not. Source: Spark Streaming's `JobSet`.
 */
import type { Time } from "../time/Time.ts"
import { type BatchInfo, delays, type OutputOperationInfo } from "./BatchInfo.ts"
import type { InputInfo } from "./InputInfoTracker.ts"
import type { Job, JobId } from "./Job.ts"

export interface JobSet {
  readonly time: Time
  readonly inputs: ReadonlyArray<InputInfo>
  readonly submissionTime: Time
  /** In the order of the program's outputs, as are `operations`. */
  readonly jobs: ReadonlyArray<Job>
  readonly operations: ReadonlyArray<OutputOperationInfo>
  /** Where each job stands in these lists. */
  readonly places: ReadonlyMap<JobId, number>
  /** How many jobs have started, ended, failed. */
  readonly started: number
  readonly ended: number
  readonly failed: number
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
  jobs,
  places: new Map(jobs.map(({ id }, place) => [id, place])),
  started: 0,
  ended: 0,
  failed: 0,
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
  set.operations[set.places.get(job) ?? -1]

const changed = (set: JobSet, job: JobId, to: Partial<OutputOperationInfo>): ReadonlyArray<OutputOperationInfo> => {
  const place = set.places.get(job)
  return place === undefined ? set.operations : set.operations.with(place, { ...set.operations[place]!, ...to })
}

/** The next job to start; undefined: all have started. */
export const nextJob = (set: JobSet): Job | undefined => set.jobs[set.started]

export const started = (set: JobSet, job: JobId, startTime: Time): JobSet => ({
  ...set,
  operations: changed(set, job, { startTime }),
  started: set.started + 1
})

export const ended = (set: JobSet, job: JobId, endTime: Time, failureReason: string | undefined): JobSet => ({
  ...set,
  operations: changed(set, job, { endTime, failureReason }),
  ended: set.ended + 1,
  failed: set.failed + (failureReason === undefined ? 0 : 1)
})

export const hasStarted = (set: JobSet): boolean => set.started > 0

export const hasCompleted = (set: JobSet): boolean => set.ended === set.jobs.length

export const hasFailed = (set: JobSet): boolean => set.failed > 0

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
