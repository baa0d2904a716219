/**
 * Interval: a stretch of time between two instants, and the batch times that lie in one.
 *
 * Source: Spark Streaming's `Interval`, and `Time.until` and `Time.to`.
 */
import type { Millis, Time } from "./Time.ts"

export interface Interval {
  readonly begin: Time
  readonly end: Time
}

export const duration = (interval: Interval): Millis => interval.end - interval.begin

/** Both ends, later by `millis`; earlier if it is negative. */
export const shift = (interval: Interval, millis: Millis): Interval => ({
  begin: interval.begin + millis,
  end: interval.end + millis
})

export const format = (interval: Interval): string => `[${interval.begin} ms, ${interval.end} ms]`

/** What a window that ends at the batch of `time` covers: the parent's batches from `begin` to `end`, both included. */
export const ofWindow = (time: Time, windowMillis: Millis, parentSlideMillis: Millis): Interval => ({
  begin: time - windowMillis + parentSlideMillis,
  end: time
})

/** The instants from `from` up to but without `to`, by a step. */
export const timesUntil = (from: Time, to: Time, step: Millis): ReadonlyArray<Time> =>
  Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, index) => from + index * step)
