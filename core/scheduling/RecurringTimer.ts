/**
 * RecurringTimer, its arithmetic: when a timer of a period is due, as a function of the clock alone.
 *
 * Ticks have nominal times: multiples of the period (of a timer with a given start: that plus multiples of it), whatever the
 * clock says when they are told. What is due at one look at the clock is a range, never a list, so that a clock that jumps by
 * a day costs no more than one that does not. A clock that is set back gives no tick twice: none is due until it has caught up
 * with the last one. Source: Spark Streaming's `RecurringTimer`.
 */
import { floorTo, type Millis, nextMultiple, type Time } from "../time/Time.ts"

/** All ticks from `first` to `last`, both included. */
export interface TickRange {
  readonly first: Time
  readonly last: Time
  readonly count: number
}

/** The first tick of a timer without a given start: the next multiple of the period strictly after now. */
export const startTime = (now: Time, period: Millis): Time => nextMultiple(now, period)

/** Zero time of a fresh context: the multiple of the batch duration at or before now. The first batch is one later. */
export const zeroTime = (now: Time, batchMillis: Millis): Time => floorTo(now, batchMillis)

/** The ticks due at `now` of which `next` is the first that was not told yet; undefined: none. */
export const ticksDue = (next: Time, now: Time, period: Millis): TickRange | undefined =>
  now < next ? undefined : rangeOf(next, next + floorTo(now - next, period), period)

/** Whether the clock was set back so far that a period or more passes without a tick before it has caught up with the last one. */
export const isSetBack = (next: Time, now: Time, period: Millis): boolean => now <= next - 2 * period

export const rangeOf = (first: Time, last: Time, period: Millis): TickRange => ({
  first,
  last,
  count: (last - first) / period + 1
})
