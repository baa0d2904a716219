/**
 * RateController: the rate in force of every input stream that keeps to one; after each completed batch it asks a rate estimator,
 * per stream, for the next.
 *
 * The rate in force is the newest estimate, before the first one the initial rate, and never more than the stream's maximum;
 * without an estimator (no backpressure) it is the maximum; undefined is no limit. One owner: an engine's own listener, which
 * publishes the updates to the receivers. A batch that is not complete, a stream that it does not control, and an estimate that is
 * not above zero change nothing. Source: Spark Streaming's `RateController`.
 */
import { Result, Schema } from "effect"
import type { DStreamGraph } from "../dstream/DStreamGraph.ts"
import { describeError } from "../protocol/describeError.ts"
import { describeValue } from "../protocol/describeValue.ts"
import type { StreamId } from "../protocol/Ids.ts"
import type { Settings } from "../settings/Settings.ts"
import type { BatchInfo } from "../scheduling/BatchInfo.ts"
import { type BatchMeasure, type InvalidRateEstimator, pid, type RateEstimator } from "./RateEstimator.ts"

export interface RateUpdate {
  readonly stream: StreamId
  /** Whole records a second, at least 1. */
  readonly rate: number
}

/** A rate estimator threw, or answered what is no rate. */
export class RateEstimatorFailed extends Schema.TaggedError<RateEstimatorFailed>()("RateEstimatorFailed", {
  estimator: Schema.String,
  stream: Schema.String,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {}

export interface RateControllerOptions {
  /** undefined: no backpressure. */
  readonly estimator: RateEstimator | undefined
  readonly initialRate?: number | undefined
  readonly streams: ReadonlyArray<{ readonly stream: StreamId; readonly maxRate?: number | undefined }>
}

interface Controlled {
  readonly maxRate: number | undefined
  state: unknown
  rate: number | undefined
}

export class RateController {
  private readonly controlled = new Map<StreamId, Controlled>()
  private readonly estimator: RateEstimator | undefined

  constructor({ estimator, initialRate, streams }: RateControllerOptions) {
    this.estimator = estimator
    for (const { stream, maxRate } of streams) {
      const rate = estimator === undefined ? maxRate : capped(initialRate, maxRate)
      this.controlled.set(stream, { maxRate, state: estimator?.initial, rate })
    }
  }

  /** Records a second that the stream may bring now; undefined: as many as it likes. */
  rate(stream: StreamId): number | undefined {
    return this.controlled.get(stream)?.rate
  }

  /** The new rates after a batch; streams without a new estimate are not named. */
  batchCompleted(batch: BatchInfo): Result.Result<ReadonlyArray<RateUpdate>, RateEstimatorFailed> {
    const { estimator } = this
    const { processingEndTime: time, processingDelay, schedulingDelay } = batch
    if (
      estimator === undefined || time === undefined || processingDelay === undefined || schedulingDelay === undefined
    ) {
      return Result.succeed([])
    }
    const updates: Array<RateUpdate> = []
    for (const { stream, records } of batch.inputs) {
      const known = this.controlled.get(stream)
      if (known === undefined) continue
      const stepped = step(estimator, stream, known.state, { time, records, processingDelay, schedulingDelay })
      if (Result.isFailure(stepped)) return Result.fail(stepped.failure)
      const [state, estimate] = stepped.success
      known.state = state
      if (estimate === undefined || estimate <= 0) continue
      known.rate = Math.max(1, Math.floor(capped(estimate, known.maxRate)!))
      updates.push({ stream, rate: known.rate })
    }
    return Result.succeed(updates)
  }
}

const capped = (rate: number | undefined, maxRate: number | undefined): number | undefined =>
  rate === undefined || maxRate === undefined ? rate ?? maxRate : Math.min(rate, maxRate)

/** An estimator is a user's: whatever it does is told by its name. */
const step = (estimator: RateEstimator, stream: StreamId, state: unknown, measure: BatchMeasure) => {
  const failed = (what: string, cause?: unknown) =>
    new RateEstimatorFailed({
      estimator: String(estimator.name),
      stream,
      message: `the rate estimator "${estimator.name}" ${what} for input ${stream}; ` +
        "correct it, or leave rateEstimator out to have the PID estimator",
      cause
    })
  return Result.try({
    try: () => estimator.step(state, measure),
    catch: (cause) => failed(`threw ${describeError(cause)}`, cause)
  }).pipe(Result.flatMap((answer: unknown) => {
    if (!Array.isArray(answer)) return Result.fail(failed(`answered ${describeValue(answer)}, not [state, rate]`))
    const rate: unknown = answer[1]
    return rate === undefined || (typeof rate === "number" && rate < Infinity)
      ? Result.succeed([answer[0] as unknown, rate] as const)
      : Result.fail(failed(`answered ${describeValue(rate)}, which is no rate,`))
  }))
}

/** The controller of an app's receivers, and of its direct inputs that keep to a rate. */
export const ofGraph = (
  graph: DStreamGraph,
  settings: Settings,
  estimator: RateEstimator | undefined
): Result.Result<RateController, InvalidRateEstimator> => {
  const streams = graph.inputs.flatMap(({ id, stream }) => {
    if (stream.input?.kind === "receiver") return [{ stream: id, maxRate: settings.receiverMaxRate }]
    return stream.input?.keepsRate === true ? [{ stream: id }] : []
  })
  if (!settings.backpressure) return Result.succeed(new RateController({ estimator: undefined, streams }))
  const chosen: Result.Result<RateEstimator, InvalidRateEstimator> = estimator === undefined
    ? pid({
      batchMillis: graph.batchMillis,
      proportional: settings.backpressureProportional,
      integral: settings.backpressureIntegral,
      derivative: settings.backpressureDerivative,
      minRate: settings.backpressureMinRate
    })
    : Result.succeed(estimator)
  return Result.map(
    chosen,
    (estimator) => new RateController({ estimator, streams, initialRate: settings.backpressureInitialRate })
  )
}
