/**
 * RateEstimator: from how a batch went, how many records a second its input may bring. Pluggable, by `StreamingApp.make({
 * rateEstimator })`; `pid` is the one that is built in.
 *
 * An estimator is a pure step from state and measurement to state and rate; undefined is "no new estimate". The PID controller
 * follows the processing rate (proportional to the error against it), works off what has piled up (integral: the scheduling
 * delay as records), and damps (derivative). The first measurement only sets the reference; one that is not later than the
 * last accepted, or without records or processing time, changes nothing. Source: Spark Streaming's `PIDRateEstimator`.
 */
import { Result, Schema } from "effect"
import type { Millis, Time } from "../time/Time.ts"

export interface BatchMeasure {
  /** When processing ended. */
  readonly time: Time
  readonly records: number
  readonly processingDelay: Millis
  readonly schedulingDelay: Millis
}

export interface RateEstimator<State = any> {
  readonly name: string
  readonly initial: State
  /** The rate in records a second; called once per completed batch and input. A rate that is not above zero is none. */
  readonly step: (state: State, measure: BatchMeasure) => readonly [State, number | undefined]
}

/** An estimator was asked for by a wrong name or with wrong numbers. */
export class InvalidRateEstimator extends Schema.TaggedError<InvalidRateEstimator>()("InvalidRateEstimator", {
  message: Schema.String
}) {}

export interface PIDSettings {
  readonly batchMillis: Millis
  readonly proportional: number
  readonly integral: number
  readonly derivative: number
  /** Records a second below which no estimate goes. */
  readonly minRate: number
}

/** Spark's `spark.streaming.backpressure.pid.*`. */
export const pidDefaults = { proportional: 1, integral: 0.2, derivative: 0, minRate: 100 }

export interface PIDState {
  readonly firstRun: boolean
  readonly time: Time
  readonly rate: number
  readonly error: number
}

export const pid = (settings: PIDSettings): Result.Result<RateEstimator<PIDState>, InvalidRateEstimator> => {
  const wrong = [
    settings.batchMillis > 0 ? [] : [`batchMillis has to be above 0, and is ${settings.batchMillis}`],
    ...(["proportional", "integral", "derivative"] as const).map((factor) =>
      settings[factor] >= 0 ? [] : [`${factor} has to be at least 0, and is ${settings[factor]}`]
    ),
    settings.minRate > 0 ? [] : [`minRate has to be above 0, and is ${settings.minRate}`]
  ].flat()
  return wrong.length > 0
    ? Result.fail(new InvalidRateEstimator({ message: `the PID rate estimator cannot work so: ${wrong.join("; ")}` }))
    : Result.succeed({
      name: "pid",
      initial: { firstRun: true, time: -1, rate: -1, error: -1 },
      step: (state, measure) => pidStep(settings, state, measure)
    })
}

const pidStep = (
  settings: PIDSettings,
  state: PIDState,
  { time, records, processingDelay, schedulingDelay }: BatchMeasure
): readonly [PIDState, number | undefined] => {
  if (!(time > state.time && records > 0 && processingDelay > 0)) return [state, undefined]
  const processingRate = records / processingDelay * 1000
  if (state.firstRun) return [{ firstRun: false, time, rate: processingRate, error: 0 }, undefined]
  const secondsSince = (time - state.time) / 1000
  const error = state.rate - processingRate
  const historicalError = schedulingDelay * processingRate / settings.batchMillis
  const derivativeError = (error - state.error) / secondsSince
  const rate = Math.max(
    settings.minRate,
    state.rate - settings.proportional * error - settings.integral * historicalError -
      settings.derivative * derivativeError
  )
  return [{ firstRun: false, time, rate, error }, rate]
}

/** An estimator by its name. */
export const byName = (
  name: string,
  settings: PIDSettings
): Result.Result<RateEstimator, InvalidRateEstimator> =>
  name === "pid" ? pid(settings) : Result.fail(
    new InvalidRateEstimator({ message: `there is no rate estimator "${name}": take "pid", or give your own` })
  )
