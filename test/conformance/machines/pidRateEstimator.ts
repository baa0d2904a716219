/** pidRateEstimator: the pure estimator, update by update. */
import { Effect, Result } from "effect"
import * as RateEstimator from "../../../core/rates/RateEstimator.ts"
import type { Machine } from "./machine.ts"

export const pidRateEstimator: Machine = {
  takes: ["timeMs", "elements", "processingMs", "schedulingMs"],
  open: ({ batchMs, p, i, d, minRate }) =>
    Effect.sync(() => {
      const settings = { batchMillis: batchMs, proportional: p, integral: i, derivative: d, minRate }
      const estimator = Result.getOrThrow(RateEstimator.pid(settings))
      let state = estimator.initial
      return ({ timeMs: time, elements: records, processingMs, schedulingMs }) =>
        Effect.sync(() => {
          const measure = { time, records, processingDelay: processingMs, schedulingDelay: schedulingMs }
          const [next, rate] = estimator.step(state, measure)
          state = next
          return { expect: rate }
        })
    })
}
