/**
 * Time: instants and durations of the engine, both in whole milliseconds.
 *
 * An instant counts from the Unix epoch, as a batch time does. Public functions take Effect's `Duration.Input`
 * ("1 second", "100 millis", 250); inside, everything is a plain number, so that batch times are cheap keys.
 * Source: Spark Streaming's `Time` and `Duration`.
 */
import { Duration, Option } from "effect"

/** An instant in milliseconds since the Unix epoch. */
export type Time = number

/** A length of time in milliseconds. */
export type Millis = number

/** The milliseconds of a duration as users write it. */
export const millisOf = (duration: Duration.Input): Millis => Duration.toMillis(duration)

/** As `millisOf`, of anything: NaN if it is no duration. */
export const millisOrNaN = (duration: unknown): Millis =>
  Number.isNaN(duration)
    ? NaN
    : Option.getOrElse(Option.map(Duration.fromInput(duration as Duration.Input), Duration.toMillis), () => NaN)

/** The greatest multiple of `period` at or before `time`. */
export const floorTo = (time: Time, period: Millis): Time => Math.floor(time / period) * period

/** The least multiple of `period` strictly after `time`: the first call of a recurring timer. */
export const nextMultiple = (time: Time, period: Millis): Time => (Math.floor(time / period) + 1) * period

/** Whether `duration` is a whole multiple of `unit`. */
export const isMultipleOf = (duration: Millis, unit: Millis): boolean => duration % unit === 0
