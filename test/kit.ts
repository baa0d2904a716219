/**
 * The kit of the tests: `it` runs an Effect as a `node:test` test, on the virtual clock, in a scope of its own.
 * The same files run on Node (`npm test`) and on Deno (`deno task test`).
 *
 * - `it(name, body)`: TestClock; time moves only by `TestClock.adjust`.
 * - `it.live(name, body)`: the real clock, for real sockets, threads and processes.
 * - `it.skip`, and `{ timeout }` in milliseconds as the last argument, are as in `node:test`.
 */
import { test } from "node:test"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"

export type Body<E = unknown> = () => Effect.Effect<unknown, E, Scope.Scope>

export interface Options {
  readonly timeout?: number
}

/** A test that hangs is a failure that names it, not a run without end. */
const timeoutMillisDefault = 30_000

/** Ends the test's scope when the test is given up, so that what it started does not outlive it. */
type Run = (body: Body, signal: AbortSignal | undefined) => Promise<void>

const virtual: Run = (body, signal) =>
  Effect.runPromise(body().pipe(Effect.scoped, Effect.asVoid, Effect.provide(TestClock.layer())), { signal })

const live: Run = (body, signal) => Effect.runPromise(body().pipe(Effect.scoped, Effect.asVoid), { signal })

const make =
  (run: Run, settings: { readonly skip?: boolean } = {}) => (name: string, body: Body, options: Options = {}) =>
    void test(
      name,
      { timeout: options.timeout ?? timeoutMillisDefault, ...settings },
      (context) => run(body, context?.signal)
    )

export const it = Object.assign(make(virtual), {
  live: make(live),
  skip: make(virtual, { skip: true })
})
