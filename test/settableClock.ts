/**
 * A clock that goes with the test's clock, sleeps and all, but may be set, as that of a machine may.
 */
import { Clock, Effect } from "effect"

export const make = Effect.map(Clock.Clock, (clock) => {
  let ahead = 0
  const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + ahead
  const currentTimeNanosUnsafe = () => clock.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n
  const settable: Clock.Clock = {
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanosUnsafe,
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return { clock: settable, moveBy: (millis: number) => void (ahead += millis) }
})
