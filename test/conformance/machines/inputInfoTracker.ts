/** inputInfoTracker: records per batch and input stream. */
import { Effect } from "effect"
import { InputInfoTracker } from "../../../core/scheduling/InputInfoTracker.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

export const inputInfoTracker: Machine = {
  takes: ["do", "batchMs", "beforeMs", "stream", "records"],
  open: () =>
    Effect.sync(() => {
      const tracker = new InputInfoTracker()
      const steps: Readonly<Record<string, Apply>> = {
        report: ({ batchMs, stream, records }) =>
          Effect.fromResult(tracker.report(batchMs, { stream: String(stream), records })),
        get: ({ batchMs }) =>
          Effect.sync(() => ({
            expect: new Map(tracker.get(batchMs).map(({ stream, records }) => [stream, records]))
          })),
        cleanup: ({ batchMs, beforeMs = batchMs }) => Effect.sync(() => tracker.cleanup(beforeMs - 1))
      }
      return (step) => known("step", steps, step.do)(step)
    })
}
