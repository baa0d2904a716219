/**
 * Settings: what of an app can be set, with its defaults.
 *
 * Precedence: what a run is started with, then what the app says, then the defaults. The driver resolves them once, records
 * them and gives them to every executor before it builds the graph. Durations are Effect's `Duration.Input`; resolved, they
 * are milliseconds. Spark's name stands beside each.
 */
import { type Duration, Schema } from "effect"
import { describeValue } from "../protocol/describeValue.ts"
import { millisOrNaN } from "../time/Time.ts"

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
  /**
   * Records a second that a receiver may store at most. No limit. (`spark.streaming.receiver.maxRate`, where zero or less means
   * no limit; here that is refused: leave it out.)
   */
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

/** A setting that there is not, or one with a value that it cannot have. */
export class InvalidSetting extends Schema.TaggedError<InvalidSetting>()("InvalidSetting", {
  setting: Schema.String,
  message: Schema.String,
  remedy: Schema.String
}) {}

const defaults = {
  concurrentJobs: 1,
  blockInterval: 200,
  maxTaskFailures: 4,
  maxStageRepairs: 10,
  receiverRestartDelay: 2000
}

/**
 * The settings of a run; `inputs` in order of precedence, first the strongest. Throws nothing:
 * what is no duration becomes NaN; `invalidSettings` tells it.
 */
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
    blockIntervalMillis: millisOrNaN(given.blockInterval ?? defaults.blockInterval),
    maxTaskFailures: given.maxTaskFailures ?? defaults.maxTaskFailures,
    maxStageRepairs: given.maxStageRepairs ?? defaults.maxStageRepairs,
    onBatchFailure: given.onBatchFailure ?? "stop",
    onBlockLost: given.onBlockLost ?? "fail",
    missedTicks: given.missedTicks ?? "replay",
    rememberMillis: millisOrNaN(given.remember ?? 0),
    gracefulStopTimeoutMillis: millisOrNaN(given.gracefulStopTimeout ?? stopTimeout),
    receiverRestartDelayMillis: millisOrNaN(given.receiverRestartDelay ?? defaults.receiverRestartDelay),
    receiverMaxRate: given.receiverMaxRate,
    backpressure: given.backpressure ?? false,
    backpressureInitialRate: given.backpressureInitialRate ?? 10_000,
    blockMemoryBytes: given.blockMemoryBytes ?? 512 * 1024 * 1024,
    codeGeneration: given.codeGeneration ?? true
  }
}

/** What a setting has to be, in words, and whether a value is that. */
interface Need {
  readonly what: string
  readonly holds: (value: unknown) => boolean
}

const wholeFromOne: Need = {
  what: "a whole number of at least 1",
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= 1
}
const rate: Need = {
  what: "a number of records a second above zero",
  holds: (value) => typeof value === "number" && value > 0
}
const boolean: Need = { what: "true or false", holds: (value) => typeof value === "boolean" }
const oneOf = (...names: ReadonlyArray<string>): Need => ({
  what: names.map((name) => `"${name}"`).join(" or "),
  holds: (value) => typeof value === "string" && names.includes(value)
})
const examples = `such as "1 second", "200 millis" or 500 (milliseconds)`
const duration: Need = {
  what: `a duration that is not negative, ${examples}`,
  holds: (value) => millisOrNaN(value) >= 0
}
const durationAboveZero: Need = {
  what: `a duration above zero, ${examples}`,
  holds: (value) => millisOrNaN(value) > 0
}

const needs: Readonly<Record<keyof SettingsInput, Need>> = {
  concurrentJobs: wholeFromOne,
  defaultParallelism: wholeFromOne,
  blockInterval: durationAboveZero,
  maxTaskFailures: wholeFromOne,
  maxStageRepairs: { what: "a whole number of at least 0", holds: (value) => value === 0 || wholeFromOne.holds(value) },
  onBatchFailure: oneOf("stop", "skip"),
  onBlockLost: oneOf("fail", "ignore"),
  missedTicks: oneOf("replay", "coalesce", "skip"),
  remember: duration,
  gracefulStopTimeout: durationAboveZero,
  receiverRestartDelay: duration,
  receiverMaxRate: rate,
  backpressure: boolean,
  backpressureInitialRate: rate,
  blockMemoryBytes: wholeFromOne,
  codeGeneration: boolean
}

/** What is wrong with settings as a user wrote them, all at once. */
export const invalidSettings = (input: unknown): ReadonlyArray<InvalidSetting> => {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return [
      new InvalidSetting({
        setting: "settings",
        message: `they have to be an object, and are ${describeValue(input)}`,
        remedy: "write them as { concurrentJobs: 2 }, or leave them out"
      })
    ]
  }
  return Object.entries(input).flatMap(([setting, value]) => {
    if (!Object.hasOwn(needs, setting)) return [unknownSetting(setting)]
    const { what, holds } = needs[setting as keyof SettingsInput]
    if (value === undefined || holds(value)) return []
    const message = `it has to be ${what}, and is ${describeValue(value)}`
    return [new InvalidSetting({ setting, message, remedy: "change it, or leave it out" })]
  })
}

const unknownSetting = (setting: string) => {
  const near = nearest(setting, Object.keys(needs))
  return new InvalidSetting({
    setting,
    message: "there is no such setting",
    remedy: near === undefined ? `the settings are ${Object.keys(needs).join(", ")}` : `did you mean ${near}?`
  })
}

/** The name with the fewest edits to the wrong one, if they are few. */
const nearest = (wrong: string, names: ReadonlyArray<string>): string | undefined => {
  const editsMax = Math.max(2, Math.floor(wrong.length / 3))
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const name of names) {
    const edits = editsBetween(wrong.toLowerCase().slice(0, nameCharactersMax), name.toLowerCase())
    if (edits <= editsMax && (best === undefined || edits < best.edits)) best = { name, edits }
  }
  return best?.name
}

const nameCharactersMax = 60

/** Levenshtein's distance, row by row. */
const editsBetween = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
