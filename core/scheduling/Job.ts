/**
 * Job: one output operation at one batch time. What it does is known to whoever runs it; here it is a name.
 *
 * Source: Spark Streaming's `Job`.
 */
import { Cause } from "effect"
import { describeError } from "../protocol/describeError.ts"
import type { Time } from "../time/Time.ts"

/** `time/output`. */
export type JobId = string

export interface Job {
  readonly id: JobId
  readonly time: Time
  /** Id of the output operation. */
  readonly output: string
}

export const make = (time: Time, output: string): Job => ({ id: `${time}/${output}`, time, output })

/** How a job ended. `reason` is `failureReason` of the cause. */
export type JobResult<E> =
  | { readonly kind: "Done" }
  | {
    readonly kind: "Failed"
    readonly cause: Cause.Cause<E>
    readonly reason: string
    /** It failed for an earlier batch did, of which the end is told soon: that one's cause is what ends the context. */
    readonly consequence?: boolean | undefined
  }

/** What becomes of a batch with a failed job, or one that could not be generated. */
export type BatchFailurePolicy = "stop" | "skip"

/** Longest reason kept of a failure: it goes to every listener. */
export const failureReasonCharactersMax = 10_000

/** Why something failed, in a line per reason: tags and messages, without stacks, so that two runs say the same. */
export const failureReason = (cause: Cause.Cause<unknown>): string => {
  const lines = cause.reasons.map((reason) => {
    if (Cause.isFailReason(reason)) return describeError(reason.error)
    if (Cause.isDieReason(reason)) return describeError(reason.defect)
    return "interrupted"
  })
  return lines.join("\n").slice(0, failureReasonCharactersMax)
}
