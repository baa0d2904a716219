/**
 * Pace: how a long task gives way to the other fibers of its executor and to what comes in, without asking too often.
 *
 * Between slices of a few thousand records the task asks `isDue` (one look at the clock); after `giveWayMillis` of
 * work it yields. The runtime's scheduler resumes it by way of the host's event loop, so that messages, of threads
 * and sockets too, come first.
 */
import { Clock, Effect } from "effect"
import { uptimeMillis } from "../../core/time/Uptime.ts"

/** How long a task works before it gives way. */
export const giveWayMillis = 5

export interface Pace {
  readonly isDue: () => boolean
  readonly giveWay: Effect.Effect<void>
}

export const make: Effect.Effect<Pace> = Effect.clockWith((clock: Clock.Clock) =>
  Effect.sync(() => {
    let since = uptimeMillis(clock)
    return {
      isDue: () => uptimeMillis(clock) - since >= giveWayMillis,
      giveWay: Effect.andThen(Effect.yieldNow, Effect.sync(() => void (since = uptimeMillis(clock))))
    }
  })
)
