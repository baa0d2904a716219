/**
 * Settings: what of an app can be set, and what becomes of it.
 *
 * Precedence: what a run is started with (which the command line fills from its own options, the environment and a file), then
 * what the app says, then the defaults. The driver resolves them once, records them and gives them to every executor before
 * it builds the graph. Durations are written as `DurationInput`; resolved, they are milliseconds. `definitions.ts` has for
 * each its default, its limits and Spark's name.
 */
import { type DurationInput, type Millis, millisOrNaN } from "../time/Time.ts"
import { definitions } from "./definitions.ts"

/** What users may write. */
export interface SettingsInput {
  /** Jobs that run at once. 1. */
  readonly concurrentJobs?: number | undefined
  /** Partitions of a shuffle that was not told how many: the number of executors. */
  readonly defaultParallelism?: number | undefined
  /** Tasks that an executor runs at once. 1: more helps where tasks wait for the world (`mapEffect`, `foreachPartition`). */
  readonly taskSlots?: number | undefined
  /** How often a task may fail before its job does. 4. */
  readonly maxTaskFailures?: number | undefined
  /** How often a stage may lose data (an executor, a map output, a block) before its job fails. 10. */
  readonly maxStageRepairs?: number | undefined
  /** Whether messages may show the beginning of a record that a function failed on: off where records are private. true. */
  readonly showRecords?: boolean | undefined
  /** Generate code for the loops of a stage, where the host allows it. true. */
  readonly codeGeneration?: boolean | undefined
  /** What a failed batch does: `stop` ends the context with its cause, `skip` goes on. `stop`. */
  readonly onBatchFailure?: "stop" | "skip" | undefined
  /** A block that is lost: `fail` the job, or `ignore` it, read as empty, counted and reported. `fail`. */
  readonly onBlockLost?: "fail" | "ignore" | undefined
  /** Ticks that were missed: `replay` all, `coalesce` into the newest, or `skip` them. `replay`. */
  readonly missedTicks?: "replay" | "coalesce" | "skip" | undefined
  /** How long every stream remembers its batches at least. What operators need. */
  readonly remember?: DurationInput | undefined
  /** Limit on a graceful stop: ten batches, at least 10 s. */
  readonly gracefulStopTimeout?: DurationInput | undefined
  /** Whether the first SIGINT or SIGTERM to `dstreams run` works off what has been received. true. */
  readonly stopGracefullyOnShutdown?: boolean | undefined
  /** How often a receiver's records are cut into a block. 200 ms. */
  readonly blockInterval?: DurationInput | undefined
  /** Blocks of a receiver that may wait to be pushed before cutting waits. 10. */
  readonly blockQueueSize?: number | undefined
  /** Pause before a receiver starts again. 2 s. */
  readonly receiverRestartDelay?: DurationInput | undefined
  /** Records a second that a receiver may store at most. No limit. */
  readonly receiverMaxRate?: number | undefined
  /** Lets inputs bring no more than batches can process. false. */
  readonly backpressure?: boolean | undefined
  /** Records a second of each input before the first estimate. 10,000. */
  readonly backpressureInitialRate?: number | undefined
  /** Records a second below which no estimate of the PID estimator goes. 100. */
  readonly backpressureMinRate?: number | undefined
  /** PID estimator: weight of the present error. 1. */
  readonly backpressureProportional?: number | undefined
  /** PID estimator: weight of what has piled up, the scheduling delay as records. 0.2. */
  readonly backpressureIntegral?: number | undefined
  /** PID estimator: weight of the change of the error. 0. */
  readonly backpressureDerivative?: number | undefined
  /** Lets the number of executors follow the processing time of batches. false. */
  readonly dynamicAllocation?: boolean | undefined
  /** Fewest executors: as many as there are receivers, at least 1. */
  readonly minExecutors?: number | undefined
  /** Most executors that are asked for. 16. */
  readonly maxExecutors?: number | undefined
  /** How often the number of executors is decided anew. 60 s. */
  readonly scalingInterval?: DurationInput | undefined
  /** Average processing time over batch duration from which executors are added. 0.9. */
  readonly scalingUpRatio?: number | undefined
  /** Average processing time over batch duration down from which an executor is removed. 0.3. */
  readonly scalingDownRatio?: number | undefined
  /** Where the driver keeps what the next one goes on from: a directory, or `s3://bucket/prefix`. None. */
  readonly checkpointDirectory?: string | undefined
  /** The least time between two checkpoints. Twice in every batch. */
  readonly checkpointInterval?: DurationInput | undefined
  /** Checkpoints that are kept, with all that they refer to. 3. */
  readonly checkpointsKept?: number | undefined
  /** A state that the changed program cannot go on with: `refuse` to start, or `accept` that it begins anew. `refuse`. */
  readonly onProgramChange?: "refuse" | "accept" | undefined
  /** How long the driver's log goes on in one segment. 60 s. */
  readonly driverLogRollInterval?: DurationInput | undefined
  /** How long a block may take until it is in its receiver's log. 30 s. */
  readonly blockStoreTimeout?: DurationInput | undefined
  /** How long a block that is to be at two executors waits for the second; past it, it counts with one copy. 30 s. */
  readonly blockReplicationTimeout?: DurationInput | undefined
  /** When a logged block is safe: on the disk (`always`), or written, and on the disk when the log rolls (`onRoll`). `always`. */
  readonly receiverLogSync?: "always" | "onRoll" | undefined
  /** How long a receiver's log goes on in one file. 60 s. */
  readonly receiverLogRollInterval?: DurationInput | undefined
  /** Memory for the blocks of one executor, in bytes. 512 MiB. */
  readonly blockMemoryBytes?: number | undefined
  /** Records that the map outputs of one executor may hold. 100,000,000. */
  readonly shuffleRecordsMax?: number | undefined
}

/** Resolved settings; every duration in milliseconds. */
export interface Settings {
  readonly concurrentJobs: number
  readonly defaultParallelism: number
  readonly taskSlots: number
  readonly maxTaskFailures: number
  readonly maxStageRepairs: number
  readonly showRecords: boolean
  readonly codeGeneration: boolean
  readonly onBatchFailure: "stop" | "skip"
  readonly onBlockLost: "fail" | "ignore"
  readonly missedTicks: "replay" | "coalesce" | "skip"
  readonly rememberMillis: Millis
  readonly gracefulStopTimeoutMillis: Millis
  readonly stopGracefullyOnShutdown: boolean
  readonly blockIntervalMillis: Millis
  readonly blockQueueSize: number
  readonly receiverRestartDelayMillis: Millis
  readonly receiverMaxRate: number | undefined
  readonly backpressure: boolean
  readonly backpressureInitialRate: number
  readonly backpressureMinRate: number
  readonly backpressureProportional: number
  readonly backpressureIntegral: number
  readonly backpressureDerivative: number
  readonly dynamicAllocation: boolean
  readonly minExecutors: number | undefined
  readonly maxExecutors: number
  readonly scalingIntervalMillis: Millis
  readonly scalingUpRatio: number
  readonly scalingDownRatio: number
  readonly checkpointDirectory: string | undefined
  readonly checkpointIntervalMillis: Millis
  readonly checkpointsKept: number
  readonly onProgramChange: "refuse" | "accept"
  readonly driverLogRollIntervalMillis: Millis
  readonly blockStoreTimeoutMillis: Millis
  readonly blockReplicationTimeoutMillis: Millis
  readonly receiverLogSync: "always" | "onRoll"
  readonly receiverLogRollIntervalMillis: Millis
  readonly blockMemoryBytes: number
  readonly shuffleRecordsMax: number
}

type DurationSetting =
  | "remember"
  | "blockInterval"
  | "receiverRestartDelay"
  | "scalingInterval"
  | "checkpointInterval"
  | "driverLogRollInterval"
  | "blockStoreTimeout"
  | "blockReplicationTimeout"
  | "receiverLogRollInterval"

/** What is given; `inputs` in order of precedence, first the strongest. */
export const merge = (inputs: ReadonlyArray<SettingsInput>): SettingsInput => {
  const given: Record<string, unknown> = {}
  for (const input of inputs.toReversed()) {
    for (const [name, value] of Object.entries(input)) if (value !== undefined) given[name] = value
  }
  return given
}

/** What a setting is without being set; undefined where that depends on the run, or where there is none. */
const fallback = <Name extends keyof SettingsInput>(name: Name): Exclude<SettingsInput[Name], undefined> =>
  definitions[name].fallback as Exclude<SettingsInput[Name], undefined>

/**
 * The settings of a run; `inputs` in order of precedence, first the strongest. Throws nothing: what is no duration becomes NaN;
 * `invalidSettings` tells it.
 */
export const resolve = (
  inputs: ReadonlyArray<SettingsInput>,
  run: { readonly batchMillis: Millis; readonly executors: number }
): Settings => {
  const given = merge(inputs)
  const of = <Name extends keyof SettingsInput>(name: Name): Exclude<SettingsInput[Name], undefined> =>
    given[name] as Exclude<SettingsInput[Name], undefined> ?? fallback(name)
  const millis = (name: DurationSetting) => millisOrNaN(of(name))
  return {
    concurrentJobs: of("concurrentJobs"),
    defaultParallelism: given.defaultParallelism ?? run.executors,
    taskSlots: of("taskSlots"),
    maxTaskFailures: of("maxTaskFailures"),
    maxStageRepairs: of("maxStageRepairs"),
    showRecords: of("showRecords"),
    codeGeneration: of("codeGeneration"),
    onBatchFailure: of("onBatchFailure"),
    onBlockLost: of("onBlockLost"),
    missedTicks: of("missedTicks"),
    rememberMillis: millis("remember"),
    gracefulStopTimeoutMillis: millisOrNaN(given.gracefulStopTimeout ?? Math.max(10_000, 10 * run.batchMillis)),
    stopGracefullyOnShutdown: of("stopGracefullyOnShutdown"),
    blockIntervalMillis: millis("blockInterval"),
    blockQueueSize: of("blockQueueSize"),
    receiverRestartDelayMillis: millis("receiverRestartDelay"),
    receiverMaxRate: given.receiverMaxRate,
    backpressure: of("backpressure"),
    backpressureInitialRate: of("backpressureInitialRate"),
    backpressureMinRate: of("backpressureMinRate"),
    backpressureProportional: of("backpressureProportional"),
    backpressureIntegral: of("backpressureIntegral"),
    backpressureDerivative: of("backpressureDerivative"),
    dynamicAllocation: of("dynamicAllocation"),
    minExecutors: given.minExecutors,
    maxExecutors: of("maxExecutors"),
    scalingIntervalMillis: millis("scalingInterval"),
    scalingUpRatio: of("scalingUpRatio"),
    scalingDownRatio: of("scalingDownRatio"),
    checkpointDirectory: given.checkpointDirectory,
    checkpointIntervalMillis: millis("checkpointInterval"),
    checkpointsKept: of("checkpointsKept"),
    onProgramChange: of("onProgramChange"),
    driverLogRollIntervalMillis: millis("driverLogRollInterval"),
    blockStoreTimeoutMillis: millis("blockStoreTimeout"),
    blockReplicationTimeoutMillis: millis("blockReplicationTimeout"),
    receiverLogSync: of("receiverLogSync"),
    receiverLogRollIntervalMillis: millis("receiverLogRollInterval"),
    blockMemoryBytes: of("blockMemoryBytes"),
    shuffleRecordsMax: of("shuffleRecordsMax")
  }
}

export { contradictions, InvalidSetting, invalidSettings } from "./invalidSettings.ts"
