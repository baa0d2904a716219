/**
 * Runs a user's Effect for the reference model, at once: sleeps take no time, a failure is thrown.
 */
import { Clock, Effect } from "effect"

const instantly: Clock.Clock = {
  currentTimeMillisUnsafe: () => 0,
  currentTimeMillis: Effect.succeed(0),
  currentTimeNanosUnsafe: () => 0n,
  currentTimeNanos: Effect.succeed(0n),
  monotonicTimeNanosUnsafe: () => 0n,
  monotonicTimeNanos: Effect.succeed(0n),
  sleep: () => Effect.void
}

export const runEffect = <A, E, R>(effect: Effect.Effect<A, E, R>): A =>
  Effect.runSync(Effect.provideService(effect as Effect.Effect<A, E>, Clock.Clock, instantly))
