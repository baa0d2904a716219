/**
 * definitions: every setting with its default, what it has to be, what it is for, and Spark's name for it.
 *
 * The one place for these facts: validation, reading from Effect's Config, `dstreams config` and the table of
 * `docs/configuration.md` (a test compares it) all follow it.
 */
import { durationExamples, millisOrNaN } from "../time/Time.ts"
import type { SettingsInput } from "./Settings.ts"

/** What a value has to be, in words, and whether it is that. */
export interface Need {
  readonly kind: "number" | "boolean" | "choice" | "duration" | "text"
  readonly what: string
  readonly holds: (value: unknown) => boolean
}

export interface Definition {
  readonly need: Need
  /** undefined: there is none, or it depends on the run; then `fallbackText` says what. Durations are milliseconds. */
  readonly fallback: number | boolean | string | undefined
  readonly fallbackText?: string
  readonly meaning: string
  readonly spark: string | undefined
}

const wholeFrom = (least: number): Need => ({
  kind: "number",
  what: `a whole number of at least ${least}`,
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= least
})

const rate: Need = {
  kind: "number",
  what: "a number of records a second above zero",
  holds: (value) => typeof value === "number" && value > 0 && value < Infinity
}

const weight: Need = {
  kind: "number",
  what: "a number of at least 0",
  holds: (value) => typeof value === "number" && value >= 0 && value < Infinity
}

const ratio: Need = {
  kind: "number",
  what: "a number above 0",
  holds: (value) => typeof value === "number" && value > 0 && value < Infinity
}

const boolean: Need = { kind: "boolean", what: "true or false", holds: (value) => typeof value === "boolean" }

const oneOf = (...names: ReadonlyArray<string>): Need => ({
  kind: "choice",
  what: names.map((name) => `"${name}"`).join(" or "),
  holds: (value) => typeof value === "string" && names.includes(value)
})

const text: Need = {
  kind: "text",
  what: "a text that is not empty",
  holds: (value) => typeof value === "string" && value.trim() !== ""
}

const duration: Need = {
  kind: "duration",
  what: `a duration that is not negative, ${durationExamples}`,
  holds: (value) => millisOrNaN(value) >= 0
}

const durationAboveZero: Need = {
  kind: "duration",
  what: `a duration above zero, ${durationExamples}`,
  holds: (value) => millisOrNaN(value) > 0
}

export const definitions: { readonly [Name in keyof Required<SettingsInput>]: Definition } = {
  concurrentJobs: {
    need: wholeFrom(1),
    fallback: 1,
    meaning: "jobs (outputs of batches) that run at once",
    spark: "spark.streaming.concurrentJobs"
  },
  defaultParallelism: {
    need: wholeFrom(1),
    fallback: undefined,
    fallbackText: "the executors",
    meaning: "partitions of a shuffle that was not told how many",
    spark: "spark.default.parallelism"
  },
  taskSlots: {
    need: wholeFrom(1),
    fallback: 1,
    meaning: "tasks that an executor runs at once; more helps where tasks wait for the world",
    spark: "spark.executor.cores"
  },
  maxTaskFailures: {
    need: wholeFrom(1),
    fallback: 4,
    meaning: "how often a task may fail before its job does",
    spark: "spark.task.maxFailures"
  },
  maxStageRepairs: {
    need: wholeFrom(0),
    fallback: 10,
    meaning: "how often a stage may lose data (an executor, a map output, a block) before its job fails",
    spark: undefined
  },
  showRecords: {
    need: boolean,
    fallback: true,
    meaning: "whether messages may show the beginning of a record that a function failed on",
    spark: undefined
  },
  codeGeneration: {
    need: boolean,
    fallback: true,
    meaning: "code is generated for the loops of a stage, where the host allows it",
    spark: undefined
  },
  onBatchFailure: {
    need: oneOf("stop", "skip"),
    fallback: "stop",
    meaning: "a failed batch ends the program (`stop`), or is told and the program goes on (`skip`)",
    spark: undefined
  },
  onBlockLost: {
    need: oneOf("fail", "ignore"),
    fallback: "fail",
    meaning: "a lost block fails its job, or is read as empty and told (`ignore`)",
    spark: undefined
  },
  missedTicks: {
    need: oneOf("replay", "coalesce", "skip"),
    fallback: "replay",
    meaning:
      "batches that come late: all of them (`replay`), one for all (`coalesce`), or none (`skip`); where a window slides by " +
      "several batches, the batch at which it slides next comes all the same",
    spark: undefined
  },
  remember: {
    need: duration,
    fallback: 0,
    fallbackText: "what operators need",
    meaning: "how long every stream remembers its batches at least",
    spark: "StreamingContext.remember"
  },
  gracefulStopTimeout: {
    need: durationAboveZero,
    fallback: undefined,
    fallbackText: "ten batches, at least 10 s",
    meaning: "limit on a graceful stop; past it, it stops at once and tells what is left",
    spark: "spark.streaming.gracefulStopTimeout"
  },
  stopGracefullyOnShutdown: {
    need: boolean,
    fallback: true,
    meaning:
      "the first SIGINT or SIGTERM to `dstreams run` works off what has been received; `false`: it stops at once",
    spark: "spark.streaming.stopGracefullyOnShutdown"
  },
  blockInterval: {
    need: durationAboveZero,
    fallback: 200,
    meaning: "how often a receiver's records are cut into a block; each block is a partition of its batch",
    spark: "spark.streaming.blockInterval"
  },
  blockQueueSize: {
    need: wholeFrom(1),
    fallback: 10,
    meaning: "blocks of a receiver that may wait to be pushed before cutting waits",
    spark: "spark.streaming.blockQueueSize"
  },
  receiverRestartDelay: {
    need: duration,
    fallback: 2000,
    meaning: "pause before a receiver starts again; it doubles with quick failures, up to a minute",
    spark: "spark.streaming.receiverRestartDelay"
  },
  receiverMaxRate: {
    need: rate,
    fallback: undefined,
    fallbackText: "none",
    meaning: "records a second that a receiver may store at most",
    spark: "spark.streaming.receiver.maxRate"
  },
  backpressure: {
    need: boolean,
    fallback: false,
    meaning: "inputs bring no more than batches can process",
    spark: "spark.streaming.backpressure.enabled"
  },
  backpressureInitialRate: {
    need: rate,
    fallback: 10_000,
    meaning: "records a second of each input before the first estimate",
    spark: "spark.streaming.backpressure.initialRate"
  },
  backpressureMinRate: {
    need: rate,
    fallback: 100,
    meaning: "records a second below which no estimate of the PID estimator goes",
    spark: "spark.streaming.backpressure.pid.minRate"
  },
  backpressureProportional: {
    need: weight,
    fallback: 1,
    meaning: "PID estimator: weight of the present error",
    spark: "spark.streaming.backpressure.pid.proportional"
  },
  backpressureIntegral: {
    need: weight,
    fallback: 0.2,
    meaning: "PID estimator: weight of what has piled up (the scheduling delay, as records)",
    spark: "spark.streaming.backpressure.pid.integral"
  },
  backpressureDerivative: {
    need: weight,
    fallback: 0,
    meaning: "PID estimator: weight of the change of the error",
    spark: "spark.streaming.backpressure.pid.derived"
  },
  dynamicAllocation: {
    need: boolean,
    fallback: false,
    meaning: "the number of executors follows the processing time of batches",
    spark: "spark.streaming.dynamicAllocation.enabled"
  },
  minExecutors: {
    need: wholeFrom(1),
    fallback: undefined,
    fallbackText: "the receivers, at least 1",
    meaning: "fewest executors",
    spark: "spark.streaming.dynamicAllocation.minExecutors"
  },
  maxExecutors: {
    need: wholeFrom(1),
    fallback: 16,
    meaning: "most executors that are asked for",
    spark: "spark.streaming.dynamicAllocation.maxExecutors"
  },
  scalingInterval: {
    need: durationAboveZero,
    fallback: 60_000,
    meaning: "how often the number of executors is decided anew",
    spark: "spark.streaming.dynamicAllocation.scalingInterval"
  },
  scalingUpRatio: {
    need: ratio,
    fallback: 0.9,
    meaning: "average processing time over batch duration from which executors are added",
    spark: "spark.streaming.dynamicAllocation.scalingUpRatio"
  },
  scalingDownRatio: {
    need: ratio,
    fallback: 0.3,
    meaning: "average processing time over batch duration down from which an executor is removed",
    spark: "spark.streaming.dynamicAllocation.scalingDownRatio"
  },
  checkpointDirectory: {
    need: text,
    fallback: undefined,
    fallbackText: "none",
    meaning: "where the driver keeps what the next one goes on from: a directory, or `s3://bucket/prefix`",
    spark: "spark.streaming.checkpoint.directory"
  },
  checkpointInterval: {
    need: duration,
    fallback: 0,
    fallbackText: "at most twice in every batch",
    meaning: "the least time between two checkpoints; what happens in between is in the log all the same",
    spark: undefined
  },
  checkpointsKept: {
    need: wholeFrom(2),
    fallback: 3,
    meaning: "checkpoints that are kept, with all that they refer to, in case the last ones turn out to be damaged",
    spark: undefined
  },
  onProgramChange: {
    need: oneOf("refuse", "accept"),
    fallback: "refuse",
    meaning: "a state that the changed program cannot go on with: the start is refused, or it begins anew (`accept`)",
    spark: undefined
  },
  driverLogRollInterval: {
    need: durationAboveZero,
    fallback: 60_000,
    meaning: "how long the driver's log goes on in one segment; whole segments are dropped",
    spark: "spark.streaming.driver.writeAheadLog.rollingIntervalSecs"
  },
  blockStoreTimeout: {
    need: durationAboveZero,
    fallback: 30_000,
    meaning: "how long a block may take until it is in its receiver's log; past it, it is refused",
    spark: "spark.streaming.receiver.blockStoreTimeout"
  },
  blockReplicationTimeout: {
    need: durationAboveZero,
    fallback: 30_000,
    meaning:
      "how long a block that is to be at two executors waits for the second; past it, it counts with one copy, which is " +
      "told, and the second is made when its executor answers",
    spark: undefined
  },
  receiverLogSync: {
    need: oneOf("always", "onRoll"),
    fallback: "always",
    meaning:
      "a block is safe once it is on the disk (`always`), or once it is written (`onRoll`): then, when the machine " +
      "stops, what came since the log last rolled may be lost, acknowledged or not",
    spark: undefined
  },
  receiverLogRollInterval: {
    need: durationAboveZero,
    fallback: 60_000,
    meaning: "how long a receiver's log goes on in one file; whole files are removed",
    spark: "spark.streaming.receiver.writeAheadLog.rollingIntervalSecs"
  },
  blockMemoryBytes: {
    need: wholeFrom(1),
    fallback: 512 * 1024 * 1024,
    fallbackText: "512 MiB",
    meaning: "memory for the blocks of one executor, in bytes",
    spark: "spark.memory.*"
  },
  shuffleRecordsMax: {
    need: wholeFrom(1),
    fallback: 100_000_000,
    meaning: "records that the map outputs of one executor may hold",
    spark: undefined
  }
}

export type SettingName = keyof typeof definitions

export const settingNames = Object.keys(definitions) as ReadonlyArray<SettingName>

/** The default as people read it. */
export const fallbackOf = (name: SettingName): string => {
  const { fallback, fallbackText, need } = definitions[name]
  return fallbackText ?? showValue(need, fallback)
}

/** A value as people read it. */
export const showValue = (need: Need, value: unknown): string => {
  if (value === undefined) return "none"
  if (need.kind === "duration") return showMillis(millisOrNaN(value))
  return typeof value === "number" ? value.toLocaleString("en-US") : String(value)
}

const showMillis = (millis: number): string =>
  millis >= 1000 && millis % 1000 === 0 ? `${millis / 1000} s` : `${millis} ms`

/** The environment variable of a setting: `DSTREAMS_` and its name in capitals. */
export const variableOf = (name: SettingName): string => variablePrefix + name.replace(/[A-Z]/g, "_$&").toUpperCase()

export const variablePrefix = "DSTREAMS_"
