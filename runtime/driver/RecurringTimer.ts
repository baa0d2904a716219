/**
 * RecurringTimer: calls back at multiples of a period, with nominal times, on Effect's Clock.
 *
 * After each sleep the clock is looked at again, for timers may fire early, and clocks may be set. If several ticks are due at
 * one look (the process slept, the clock was set forward), they come in one call as a range. If the clock is set back, no tick
 * comes twice: the timer waits until the clock has caught up, and tells so if that is to be a period or more; again when the
 * clock is set back further. The callbacks are synchronous and short.
 * Source: Spark Streaming's `RecurringTimer`; the arithmetic is in `core/scheduling/RecurringTimer.ts`.
 */
import { Clock, Duration, Effect, type Scope } from "effect"
import { isSetBack, startTime, ticksDue } from "../../core/scheduling/RecurringTimer.ts"
import type { Millis, Time } from "../../core/time/Time.ts"
import type { Fail, Supervised } from "../Supervisor.ts"
import * as Supervisor from "../Supervisor.ts"

/** Longest sleep without a look at the clock: how late a clock that was set forward is noticed under long periods. */
export const sleepMillisMax = 10_000

export interface Callbacks {
  readonly ticked: (first: Time, last: Time) => void
  /** The clock shows `now`, a period or more before the last tick. */
  readonly setBack: (now: Time) => void
}

export interface RecurringTimer {
  /** Starts the timer; `first` defaults to the next multiple strictly after now. Once. */
  readonly start: (first?: Time) => void
  /** No callback comes after it. */
  readonly stop: Effect.Effect<void>
}

export const make = (
  period: Millis,
  callbacks: Callbacks,
  fail: Fail<never>
): Effect.Effect<RecurringTimer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const fork = yield* Supervisor.make(fail)
    let running: Supervised | undefined
    const run = Effect.fnUntraced(function* (first: Time) {
      let next = first
      let looked = Infinity
      while (true) {
        const now = clock.currentTimeMillisUnsafe()
        const due = ticksDue(next, now, period)
        if (due === undefined) {
          if (now < looked && isSetBack(next, now, period)) callbacks.setBack(now)
          looked = now
          yield* clock.sleep(Duration.millis(Math.min(next - now, sleepMillisMax)))
        } else {
          callbacks.ticked(due.first, due.last)
          next = due.last + period
          looked = now
        }
      }
    })
    return {
      start: (first = startTime(clock.currentTimeMillisUnsafe(), period)) => {
        if (running !== undefined) throw new Error("a recurring timer is started once")
        running = fork(run(first))
      },
      stop: Effect.suspend(() => running?.cancel ?? Effect.void)
    }
  })
