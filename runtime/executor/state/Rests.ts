/**
 * Rests: how work that nobody waits for keeps out of the way of batches: after `workMillis` of it, it rests for four times as long as
 * it has worked, so that it takes at most a fifth of the time of a busy executor. Where it is late - the next of its kind waits
 * already - it only gives way.
 */
import { Clock, Effect } from "effect"
import { uptimeMillis } from "../../../core/time/Uptime.ts"

/** How long it works at a stretch. */
const workMillis = 2

/** How much longer it rests than it has worked. */
const restShare = 4

export interface Rests {
  readonly isDue: () => boolean
  readonly rest: Effect.Effect<void>
}

export const make = (isLate: () => boolean): Effect.Effect<Rests> =>
  Effect.clockWith((clock: Clock.Clock) =>
    Effect.sync(() => {
      const now = () => uptimeMillis(clock)
      let since = now()
      return {
        isDue: () => now() - since >= workMillis,
        rest: Effect.suspend(() => isLate() ? Effect.yieldNow : Effect.sleep((now() - since) * restShare)).pipe(
          Effect.andThen(Effect.sync(() => void (since = now())))
        )
      }
    })
  )
