/**
 * Uptime: time that only goes on. What lasts is measured by it, for the time of day may be set meanwhile, forward or back: by that, a pause
 * could last for hours, or patience end at once.
 */
import { Clock, Effect } from "effect"
import type { Millis } from "./Time.ts"

/** Since some moment, in steps of a microsecond. */
export const uptimeMillis = (clock: Clock.Clock): Millis => Number(clock.monotonicTimeNanosUnsafe() / 1000n) / 1000

export const uptime: Effect.Effect<Millis> = Effect.clockWith((clock: Clock.Clock) =>
  Effect.sync(() => uptimeMillis(clock))
)
