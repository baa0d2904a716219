/**
 * Functions of the area scheduling.
 */
import { Result } from "effect"
import * as BatchInfo from "../../../core/scheduling/BatchInfo.ts"
import * as RateEstimator from "../../../core/rates/RateEstimator.ts"
import { startTime, zeroTime } from "../../../core/scheduling/RecurringTimer.ts"
import * as RateLimiter from "../../../core/receiving/RateLimiter.ts"
import { type Call, of } from "./call.ts"

const orUndefined = (value: number | null) => value ?? undefined

export const schedulingCalls: Readonly<Record<string, Call>> = {
  timerStartMs: of(startTime),
  firstBatch: of((now, batch) => {
    const zeroMs = zeroTime(now, batch)
    return { zeroMs, firstMs: startTime(zeroMs, batch) }
  }),
  newPid: of((batchMillis, proportional, integral, derivative, minRate) =>
    Result.getOrThrow(RateEstimator.pid({ batchMillis, proportional, integral, derivative, minRate })).name
  ),
  estimatorFor: of((name) =>
    Result.getOrThrow(RateEstimator.byName(name, { batchMillis: 1000, ...RateEstimator.pidDefaults })).name
  ),
  limitAfter: of((maxRate, newRate) => {
    const limiter = RateLimiter.make({ maxRate: orUndefined(maxRate) })
    RateLimiter.update(limiter, newRate, 0)
    return limiter.limit
  }),
  delays: of((submission, start, end) => {
    const { processingDelay, schedulingDelay, totalDelay } = BatchInfo.delays(
      submission,
      orUndefined(start),
      orUndefined(end)
    )
    return { scheduling: schedulingDelay, processing: processingDelay, total: totalDelay }
  })
}
