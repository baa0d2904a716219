/**
 * BatchInfo: what listeners, status lines and rate control know of a batch: input, outputs, and the three delays.
 *
 * Plain data, a snapshot of its moment: what is not known yet is undefined. Source: Spark Streaming's `BatchInfo` and
 * `OutputOperationInfo`.
 */
import type { Millis, Time } from "../time/Time.ts"
import type { InputInfo } from "./InputInfoTracker.ts"
import type { JobId } from "./Job.ts"

export interface OutputOperationInfo {
  readonly time: Time
  readonly job: JobId
  readonly output: string
  readonly startTime: Time | undefined
  readonly endTime: Time | undefined
  /** undefined: it has not ended, or it ended well. */
  readonly failureReason: string | undefined
}

export interface Delays {
  /** From submission to the start of the first job. */
  readonly schedulingDelay: Millis | undefined
  /** From the start of the first job to the end of the last. */
  readonly processingDelay: Millis | undefined
  /** The sum of both. */
  readonly totalDelay: Millis | undefined
}

export interface BatchInfo extends Delays {
  readonly time: Time
  readonly inputs: ReadonlyArray<InputInfo>
  /** Records of all inputs together. */
  readonly records: number
  readonly submissionTime: Time
  readonly processingStartTime: Time | undefined
  readonly processingEndTime: Time | undefined
  readonly outputs: ReadonlyArray<OutputOperationInfo>
}

/** Each delay is known as soon as its parts are. */
export const delays = (submission: Time, start: Time | undefined, end: Time | undefined): Delays => {
  const schedulingDelay = start === undefined ? undefined : start - submission
  const processingDelay = start === undefined || end === undefined ? undefined : end - start
  return {
    schedulingDelay,
    processingDelay,
    totalDelay: schedulingDelay === undefined || processingDelay === undefined
      ? undefined
      : schedulingDelay + processingDelay
  }
}

const millis = (value: Millis | undefined): string => value === undefined ? "unknown" : `${value} ms`

/** One line about a batch, for a terminal. */
export const formatStatus = (batch: BatchInfo): string => {
  const failed = batch.outputs.filter((output) => output.failureReason !== undefined).map((output) => output.output)
  const records = `${batch.records} ${batch.records === 1 ? "record" : "records"}`
  return `batch ${batch.time} ms: ${records}, scheduling delay ${millis(batch.schedulingDelay)}, ` +
    `processing time ${millis(batch.processingDelay)}, total delay ${millis(batch.totalDelay)}` +
    (failed.length === 0 ? "" : `, failed: ${failed.join(", ")}`)
}
