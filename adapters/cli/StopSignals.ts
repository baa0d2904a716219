/**
 * StopSignals: how people and supervisors ask a running program to end.
 *
 * The first SIGINT or SIGTERM asks for a graceful stop, the second for one at once, the third ends the process. One that comes right
 * after another is the same: a terminal tells the whole group of processes, and a task runner that is in it passes on what it was told.
 * A reader of our output that goes away (`dstreams run ... | head`) counts as a graceful stop that nobody can be told of.
 */
import { Clock, Effect, Queue, type Scope } from "effect"
import { uptimeMillis } from "../../core/time/Uptime.ts"
import { say } from "./messages.ts"

export type StopRequest = "graceful" | "at once"

/** Nobody types so fast who means two things. */
const sameMillis = 200

/** Requests in order; the handlers of signals are removed when the scope closes. */
export const make = Effect.gen(function* (): Effect.fn.Return<Queue.Dequeue<StopRequest>, never, Scope.Scope> {
  const requests = yield* Queue.unbounded<StopRequest>()
  const clock = yield* Clock.Clock
  let signals = 0
  let last = -Infinity
  const onSignal = () => {
    const now = uptimeMillis(clock)
    if (now - last < sameMillis) return
    last = now
    signals++
    if (signals > 2) process.exit(1)
    Queue.offerUnsafe(requests, signals === 1 ? "graceful" : "at once")
  }
  const onOutputError = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") say(`its output cannot be written: ${error.message}`)
    if (signals++ === 0) Queue.offerUnsafe(requests, "graceful")
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.on("SIGINT", onSignal)
      process.on("SIGTERM", onSignal)
      process.stdout.on("error", onOutputError)
      // Whoever no longer hears what the command says does not end the program.
      process.stderr.on("error", () => {})
    }),
    () =>
      Effect.sync(() => {
        process.off("SIGINT", onSignal)
        process.off("SIGTERM", onSignal)
        // The handler of output errors stays: the last words may find no reader either.
      })
  )
  return requests
})
