/** rateLimiter: the limit in front of a block generator. */
import { Effect } from "effect"
import * as RateLimiter from "../../../core/receiving/RateLimiter.ts"
import { known } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

export const rateLimiter: Machine = {
  takes: ["do", "rate"],
  open: ({ maxRate, initialRate }) =>
    Effect.sync(() => {
      const limiter = RateLimiter.make({ maxRate: maxRate ?? undefined, initialRate: initialRate ?? undefined })
      const steps: Readonly<Record<string, Apply>> = {
        limit: () => Effect.sync(() => ({ expect: limiter.limit })),
        update: ({ rate }) => Effect.sync(() => RateLimiter.update(limiter, rate, 0))
      }
      return (step) => known("step", steps, step.do)(step)
    })
}
