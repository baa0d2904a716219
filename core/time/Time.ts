/**
 * Time: instants and durations of the engine, both in whole milliseconds.
 *
 * An instant counts from the Unix epoch, as a batch time does. Users write durations as Effect's `Duration.Input` ("1 second",
 * "100 millis", 250), and as the tool prints them ("1 s", "100 ms", "1s"); inside, everything is a plain number, so that batch
 * times are cheap keys. `millisOrNaN` is the one place where durations are read.
 * Source: Spark Streaming's `Time` and `Duration`.
 */
import { Duration, Option } from "effect"
import { describeValue } from "../protocol/describeValue.ts"

/** An instant in milliseconds since the Unix epoch. */
export type Time = number

/** A length of time in milliseconds. */
export type Millis = number

/** Every name that a unit goes by, and what Effect calls it. */
const units = {
  ms: "millis",
  msec: "millis",
  millisecond: "millis",
  milliseconds: "millis",
  s: "seconds",
  sec: "seconds",
  secs: "seconds",
  m: "minutes",
  min: "minutes",
  mins: "minutes",
  h: "hours",
  hr: "hours",
  hrs: "hours",
  d: "days"
} as const

type ShortUnit = keyof typeof units

/** A duration as users write it; a number is milliseconds. */
export type DurationInput = Duration.Input | `${number} ${ShortUnit}` | `${number}${ShortUnit}`

/** For messages: how durations are written. */
export const durationExamples = `such as "5 seconds", "200 ms" or 500 (milliseconds)`

/** The milliseconds of a duration as users write it; throws a TypeError if it is none. */
export const millisOf = (duration: DurationInput): Millis => {
  const millis = millisOrNaN(duration)
  if (Number.isNaN(millis)) {
    throw new TypeError(`${describeValue(duration)} is no duration; write one ${durationExamples}`)
  }
  return millis
}

/** As `millisOf`, of anything: NaN if it is no duration. */
export const millisOrNaN = (duration: unknown): Millis =>
  Number.isNaN(duration)
    ? NaN
    : Option.getOrElse(Option.map(Duration.fromInput(asEffectWrites(duration)), Duration.toMillis), () => NaN)

/** A number, with commas between the thousands or without, and a unit. */
const written = /^\s*(-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*([a-z]+)\s*$/

const asEffectWrites = (duration: unknown): Duration.Input => {
  const [, number, unit] = (typeof duration === "string" ? written.exec(duration) : null) ?? []
  if (number === undefined || unit === undefined) return duration as Duration.Input
  const known = Object.hasOwn(units, unit) ? units[unit as ShortUnit] : unit
  return `${number.replaceAll(",", "")} ${known}` as Duration.Input
}

/** The greatest multiple of `period` at or before `time`. */
export const floorTo = (time: Time, period: Millis): Time => Math.floor(time / period) * period

/** The least multiple of `period` strictly after `time`: the first call of a recurring timer. */
export const nextMultiple = (time: Time, period: Millis): Time => (Math.floor(time / period) + 1) * period

/** Whether `duration` is a whole multiple of `unit`. */
export const isMultipleOf = (duration: Millis, unit: Millis): boolean => duration % unit === 0
