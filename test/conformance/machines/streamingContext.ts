/**
 * streamingContext: contexts on an engine of their own: what runs the jobs underneath are the context's executors.
 */
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { StreamingContext } from "../../../runtime/driver/StreamingContext.ts"
import * as Local from "../../driver/local.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

interface Running {
  readonly context: StreamingContext<never>
  /** Those that are alive. */
  readonly executors: ReadonlySet<string>
}

const watched = (executors: Set<string>) => (executor: string): Effect.Effect<never> =>
  Effect.sync(() => executors.add(executor)).pipe(
    Effect.andThen(Effect.never),
    Effect.ensuring(Effect.sync(() => executors.delete(executor)))
  )

export const streamingContext: Machine = {
  // An engine cannot be kept beyond its context, and no setting asks for it: see deviations.md.
  takes: ["do", "as", "on", "stopEngine", "conf", "graceful"],
  open: () =>
    Effect.sync(() => {
      const contexts = new Map<string, Running>()
      const of = (step: { readonly on?: string; readonly as?: string }) =>
        contexts.get(step.on ?? step.as ?? "context")!
      const app = StreamingApp.make({
        name: "context",
        batchDuration: "1 second",
        outputs: [Memory.batches([[1]]).pipe(DStream.foreachBatch((batch) => batch.count))]
      })
      const steps: Readonly<Record<string, Apply>> = {
        new: Effect.fnUntraced(function* ({ as = "context" }) {
          const executors = new Set<string>()
          const kill = Object.assign(new Local.Killer(), { mortal: watched(executors) })
          contexts.set(as, { context: yield* Local.make(app, { kill }), executors })
        }),
        // Streams and outputs are values of the app, which the context had from the beginning.
        addInput: () => Effect.void,
        addOutput: () => Effect.void,
        start: (step) => of(step).context.start,
        stop: Effect.fnUntraced(function* (step) {
          const stopping = yield* Effect.forkChild(of(step).context.stop({ graceful: step.graceful }))
          // gracefully: with the batch of the next tick
          yield* Effect.andThen(Local.settled, TestClock.adjust("1 second"))
          yield* Fiber.join(stopping)
        })
      }
      return (step) =>
        Effect.map(Effect.result(known("step", steps, step.do)(step)), (result) => {
          const { context, executors } = of(step)
          const error = Result.isFailure(result) ? result.failure : undefined
          return { error, expectState: context.state().toUpperCase(), expectEngineUsable: executors.size > 0 }
        })
    })
}
