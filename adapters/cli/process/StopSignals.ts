/**
 * StopSignals: how people and supervisors ask a running program to end.
 *
 * The first SIGINT or SIGTERM asks for a graceful stop, the second for one at once, the third ends the process. One that comes right
 * after another is the same: a terminal tells the whole group of processes, and a task runner that is in it passes on what it was told.
 * Output that cannot be written any more (its reader went away, `dstreams run ... | head`; a full disk) asks for a graceful stop too.
 */
import { Clock, Effect, Queue, type Scope } from "effect"
import { uptimeMillis } from "../../../core/time/Uptime.ts"
import { say } from "../messages.ts"
import { endThreads } from "./endProcess.ts"

export type StopRequest = "graceful" | "at once" | "output failed"

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
    if (signals > 2) return void endThreads(1, say)
    Queue.offerUnsafe(requests, signals === 1 ? "graceful" : "at once")
  }
  const onOutputError = () => {
    if (signals++ === 0) Queue.offerUnsafe(requests, "output failed")
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.on("SIGINT", onSignal)
      process.on("SIGTERM", onSignal)
      process.stdout.on("error", onOutputError)
    }),
    () =>
      Effect.sync(() => {
        process.off("SIGINT", onSignal)
        process.off("SIGTERM", onSignal)
        process.stdout.off("error", onOutputError)
      })
  )
  return requests
})
