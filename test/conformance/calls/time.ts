/**
 * Functions of the area time. Instants and durations of the engine are plain numbers of milliseconds, so much of their arithmetic
 * is the language's own.
 */
import * as Interval from "../../../core/time/Interval.ts"
import { floorTo, isMultipleOf, millisOf } from "../../../core/time/Time.ts"
import type { Json } from "../Vector.ts"
import { type Call, of } from "./call.ts"

const intervalOf = ([begin, end]: Json): Interval.Interval => ({ begin, end })

const boundsOf = ({ begin, end }: Interval.Interval) => [begin, end]

const comparisons: Readonly<Record<string, Call>> = {
  less: of((a, b) => a < b),
  lessEq: of((a, b) => a <= b),
  greater: of((a, b) => a > b),
  greaterEq: of((a, b) => a >= b),
  min: of(Math.min),
  max: of(Math.max),
  plus: of((a, b) => a + b),
  minus: of((a, b) => a - b),
  isMultipleOf: of(isMultipleOf)
}

const under = (prefix: string, table: Readonly<Record<string, Call>>) =>
  Object.fromEntries(Object.entries(table).map(([name, call]) => [`${prefix}.${name}`, call]))

export const timeCalls: Readonly<Record<string, Call>> = {
  ...under("time", comparisons),
  ...under("duration", comparisons),
  "time.minusDuration": of((time, duration) => time - duration),
  "time.minusTime": of((time, that) => time - that),
  "time.floor": of(floorTo),
  "time.until": of(Interval.timesUntil),
  "time.to": of((from, to, step) => Interval.timesUntil(from, to + 1, step)),
  "duration.times": of((duration, times) => duration * times),
  "duration.div": of((duration, that) => duration / that),
  "duration.isZero": of((duration) => duration === 0),
  milliseconds: of((n) => millisOf(`${n} millis`)),
  seconds: of((n) => millisOf(`${n} seconds`)),
  minutes: of((n) => millisOf(`${n} minutes`)),
  "interval.duration": of((interval) => Interval.duration(intervalOf(interval))),
  "interval.plus": of((interval, duration) => boundsOf(Interval.shift(intervalOf(interval), duration))),
  "interval.minus": of((interval, duration) => boundsOf(Interval.shift(intervalOf(interval), -duration))),
  "interval.toString": of((interval) => Interval.format(intervalOf(interval))),
  windowInterval: of((time, window, parentSlide) => boundsOf(Interval.ofWindow(time, window, parentSlide)))
}
