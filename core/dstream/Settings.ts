/**
 * Settings: what of an app can be set, with its defaults.
 *
 * Precedence: what a run is started with, then what the app says, then the defaults. The driver resolves them once, records
 * them and gives them to every executor before it builds the graph. Durations are Effect's `Duration.Input`; resolved, they
 * are milliseconds. Spark's name stands beside each.
 */
import { type Duration, Schema } from "effect"
import { millisOf } from "../time/Time.ts"

/** What users may write. */
export interface SettingsInput {
  /** Jobs that run at once. 1. (`spark.streaming.concurrentJobs`) */
  readonly concurrentJobs?: number | undefined
  /** Partitions of a shuffle that was not told how many: the number of executors. (`spark.default.parallelism`) */
  readonly defaultParallelism?: number | undefined
  /** How often a receiver's records are cut into a block. 200 ms. (`spark.streaming.blockInterval`) */
  readonly blockInterval?: Duration.Input | undefined
  /** How often a task may fail before its job does. 4. (`spark.task.maxFailures`) */
  readonly maxTaskFailures?: number | undefined
  /** How often a stage may lose data (an executor, a map output, a block) before its job fails. 10. */
  readonly maxStageRepairs?: number | undefined
  /** What a failed batch does: `stop` ends the context with its cause, `skip` goes on. `stop`. */
  readonly onBatchFailure?: "stop" | "skip" | undefined
  /** A block that is lost: `fail` the job, or `ignore` it, read as empty, counted and reported. `fail`. */
  readonly onBlockLost?: "fail" | "ignore" | undefined
  /** Ticks that were missed: `replay` all, `coalesce` into the newest, or `skip` them. `replay`. */
  readonly missedTicks?: "replay" | "coalesce" | "skip" | undefined
  /** How long every stream remembers its batches at least. (`StreamingContext.remember`) */
  readonly remember?: Duration.Input | undefined
  /** Limit on a graceful stop: ten batches, at least 10 s. (`spark.streaming.gracefulStopTimeout`) */
  readonly gracefulStopTimeout?: Duration.Input | undefined
  /** Pause before a receiver starts again. 2 s. (`spark.streaming.receiverRestartDelay`) */
  readonly receiverRestartDelay?: Duration.Input | undefined
  /** Records a second that a receiver may store at most. No limit. (`spark.streaming.receiver.maxRate`) */
  readonly receiverMaxRate?: number | undefined
  /** Lets receivers store no faster than batches are processed. false. (`spark.streaming.backpressure.enabled`) */
  readonly backpressure?: boolean | undefined
  /** Records a second before the first estimate. 10,000. (`spark.streaming.backpressure.initialRate`) */
  readonly backpressureInitialRate?: number | undefined
  /** Memory for the blocks of one executor, in bytes. 512 MiB. (`spark.memory.*`) */
  readonly blockMemoryBytes?: number | undefined
  /** Generate code for the loops of a stage, where the host allows it. true. */
  readonly codeGeneration?: boolean | undefined
}

/** Resolved settings; every duration in milliseconds. */
export interface Settings {
  readonly concurrentJobs: number
  readonly defaultParallelism: number
  readonly blockIntervalMillis: number
  readonly maxTaskFailures: number
  readonly maxStageRepairs: number
  readonly onBatchFailure: "stop" | "skip"
  readonly onBlockLost: "fail" | "ignore"
  readonly missedTicks: "replay" | "coalesce" | "skip"
  readonly rememberMillis: number
  readonly gracefulStopTimeoutMillis: number
  readonly receiverRestartDelayMillis: number
  readonly receiverMaxRate: number | undefined
  readonly backpressure: boolean
  readonly backpressureInitialRate: number
  readonly blockMemoryBytes: number
  readonly codeGeneration: boolean
}

/** A setting has a value that it cannot have. */
export class InvalidSetting extends Schema.TaggedError<InvalidSetting>()("InvalidSetting", {
  setting: Schema.String,
  message: Schema.String
}) {}

const defaults = {
  concurrentJobs: 1,
  blockInterval: 200,
  maxTaskFailures: 4,
  maxStageRepairs: 10,
  receiverRestartDelay: 2000
}

/** The settings of a run; `inputs` in order of precedence, first the strongest. Throws nothing: see `invalidSettings`. */
export const resolve = (
  inputs: ReadonlyArray<SettingsInput>,
  run: { readonly batchMillis: number; readonly executors: number }
): Settings => {
  const given: SettingsInput = {}
  for (const input of inputs.toReversed()) {
    for (const [key, value] of Object.entries(input)) {
      if (value !== undefined) (given as Record<string, unknown>)[key] = value
    }
  }
  const stopTimeout = Math.max(10_000, 10 * run.batchMillis)
  return {
    concurrentJobs: given.concurrentJobs ?? defaults.concurrentJobs,
    defaultParallelism: given.defaultParallelism ?? run.executors,
    blockIntervalMillis: millisOf(given.blockInterval ?? defaults.blockInterval),
    maxTaskFailures: given.maxTaskFailures ?? defaults.maxTaskFailures,
    maxStageRepairs: given.maxStageRepairs ?? defaults.maxStageRepairs,
    onBatchFailure: given.onBatchFailure ?? "stop",
    onBlockLost: given.onBlockLost ?? "fail",
    missedTicks: given.missedTicks ?? "replay",
    rememberMillis: millisOf(given.remember ?? 0),
    gracefulStopTimeoutMillis: millisOf(given.gracefulStopTimeout ?? stopTimeout),
    receiverRestartDelayMillis: millisOf(given.receiverRestartDelay ?? defaults.receiverRestartDelay),
    receiverMaxRate: given.receiverMaxRate,
    backpressure: given.backpressure ?? false,
    backpressureInitialRate: given.backpressureInitialRate ?? 10_000,
    blockMemoryBytes: given.blockMemoryBytes ?? 512 * 1024 * 1024,
    codeGeneration: given.codeGeneration ?? true
  }
}

const atLeastOne = ["concurrentJobs", "defaultParallelism", "maxTaskFailures", "blockMemoryBytes"] as const
const positive = ["blockIntervalMillis", "gracefulStopTimeoutMillis"] as const

/** What is wrong with resolved settings, all at once. */
export const invalidSettings = (settings: Settings): ReadonlyArray<InvalidSetting> => {
  const errors: Array<InvalidSetting> = []
  const say = (setting: string, needs: string, value: unknown) =>
    errors.push(new InvalidSetting({ setting, message: `${setting} has to be ${needs}, and is ${String(value)}` }))
  for (const key of atLeastOne) {
    if (!Number.isInteger(settings[key]) || settings[key] < 1) say(key, "a whole number of at least 1", settings[key])
  }
  for (const key of positive) if (!(settings[key] > 0)) say(key, "a duration above zero", settings[key])
  if (!(settings.backpressureInitialRate > 0)) {
    say("backpressureInitialRate", "above zero records a second", settings.backpressureInitialRate)
  }
  if (settings.receiverMaxRate !== undefined && !(settings.receiverMaxRate > 0)) {
    say("receiverMaxRate", "above zero records a second", settings.receiverMaxRate)
  }
  return errors
}
