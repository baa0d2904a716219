/**
 * Supervisor: forks the fibers of a part of the engine from anywhere in its node, synchronously, and lets none die silently.
 *
 * A fiber that fails, dies, or is interrupted by anybody but its canceller and the scope, ends the context with its cause.
 * A fiber starts at once, in the stack of whoever forks it, and is interrupted when the scope closes.
 */
import { Cause, Effect, Exit, Fiber, FiberSet, type Scope } from "effect"

/** Ends the context with a cause. The first one counts. */
export type Fail<E> = (cause: Cause.Cause<E>) => void

export interface Supervised {
  /** Interrupts the fiber and waits until it has ended. */
  readonly cancel: Effect.Effect<void>
}

export type Fork<E> = (effect: Effect.Effect<unknown, E>) => Supervised

export const make = <E = never>(fail: Fail<E>): Effect.Effect<Fork<E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, unknown, E>()
    let closed = false
    yield* Effect.addFinalizer(() => Effect.sync(() => closed = true))
    return (effect) => {
      let expected = false
      const fiber = run(effect)
      fiber.addObserver((exit) => {
        if (closed || Exit.isSuccess(exit) || (expected && Cause.hasInterruptsOnly(exit.cause))) return
        fail(exit.cause)
      })
      return {
        cancel: Effect.suspend(() => {
          expected = true
          return Fiber.interrupt(fiber)
        })
      }
    }
  })
