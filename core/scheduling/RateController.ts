/**
 * RateController: asks a rate estimator per input stream after each completed batch.
 *
 * One owner: an engine's own listener, which publishes the rates to the receivers. A batch that is not complete, and a stream
 * that it does not control, changes nothing. Source: Spark Streaming's `RateController`.
 */
import type { StreamId } from "../protocol/Ids.ts"
import type { BatchInfo } from "./BatchInfo.ts"
import type { RateEstimator } from "./RateEstimator.ts"

export interface RateUpdate {
  readonly stream: StreamId
  /** Whole records a second. */
  readonly rate: number
}

export class RateController {
  private readonly states = new Map<StreamId, unknown>()
  private readonly estimator: RateEstimator

  constructor(estimator: RateEstimator, streams: ReadonlyArray<StreamId>) {
    this.estimator = estimator
    for (const stream of streams) this.states.set(stream, estimator.initial)
  }

  /** The new rates after a batch; streams without a new estimate are not named. */
  batchCompleted(batch: BatchInfo): ReadonlyArray<RateUpdate> {
    const { processingEndTime: time, processingDelay, schedulingDelay } = batch
    if (time === undefined || processingDelay === undefined || schedulingDelay === undefined) return []
    return batch.inputs.flatMap(({ stream, records }) => {
      if (!this.states.has(stream)) return []
      const measure = { time, records, processingDelay, schedulingDelay }
      const [state, rate] = this.estimator.step(this.states.get(stream), measure)
      this.states.set(stream, state)
      return rate === undefined ? [] : [{ stream, rate: Math.floor(rate) }]
    })
  }
}
