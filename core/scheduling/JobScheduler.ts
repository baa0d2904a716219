/**
 * JobScheduler: the machine that runs the jobs of the batches, at most `concurrentJobs` at once, in order of time, then output.
 *
 * Spark Streaming's `JobScheduler` and `JobHandler`. Owner: `runtime/driver/JobScheduler.ts`.
 *
 * | phase | event | becomes | commands |
 * | --- | --- | --- | --- |
 * | not Stopped | JobSetSubmitted | same | BatchSubmitted, then what can start |
 * | not Stopped | JobEnded | same | OutputOperationCompleted; if it was the last: BatchCompleted, BatchEnded; what can start |
 * | Running | JobEnded, failed, policy `stop` | Failing | as above; only jobs of the failed batch still start |
 * | Running | the same, as a consequence of an earlier batch's failure | same | as above: the earlier batch's end comes soon |
 * | Failing | the failed batch is complete | Stopped | Fail, CancelJobs |
 * | Running | Drain | Draining | - : all batches run, and a failure is told at the end |
 * | not Stopped | Stop | Stopped | Fail, if a failure was not told yet; CancelJobs |
 *
 * What can start: BatchStarted (first job of its batch), OutputOperationStarted, StartJob.
 *
 * Invariants: a batch is submitted once, and later than all before (breaking that throws: it is a bug of the caller); a job
 * starts once; jobs start in the order in which they were submitted; never more than `concurrentJobs` run. Every failed output
 * of a batch has its own reason, for the jobs of a failed batch are all run. A failed batch is complete for listeners and for
 * a stop, but under `stop` it stays pending, so that a recovery runs it again.
 * Limit: the job generator bounds the batches that are open (`openBatchesMax`).
 */
import type { Cause } from "effect"
import type { Time } from "../time/Time.ts"
import type { InputInfo } from "./InputInfoTracker.ts"
import type { BatchFailurePolicy, Job, JobId, JobResult } from "./Job.ts"
import * as JobSet from "./JobSet.ts"
import type { StreamingEvent } from "./StreamingListener.ts"

export interface JobSchedulerSettings {
  readonly concurrentJobs: number
  readonly onBatchFailure: BatchFailurePolicy
}

export type JobSchedulerEvent<E> =
  | {
    readonly kind: "JobSetSubmitted"
    readonly time: Time
    /** At least one; a batch without jobs is not submitted. */
    readonly jobs: ReadonlyArray<Job>
    readonly inputs: ReadonlyArray<InputInfo>
    readonly now: Time
  }
  | { readonly kind: "JobEnded"; readonly job: Job; readonly result: JobResult<E>; readonly now: Time }
  /** A graceful stop has begun. */
  | { readonly kind: "Drain" }
  | { readonly kind: "Stop" }

/** How a batch ended: `skipped` failed and is done with, `failed` failed and stays pending. */
export type BatchResult = "processed" | "skipped" | "failed"

export type JobSchedulerCommand<E> =
  | { readonly kind: "StartJob"; readonly job: Job }
  | { readonly kind: "Post"; readonly event: StreamingEvent }
  | { readonly kind: "BatchEnded"; readonly time: Time; readonly result: BatchResult }
  | { readonly kind: "CancelJobs" }
  | { readonly kind: "Fail"; readonly cause: Cause.Cause<E> }

export interface JobSchedulerState<E> {
  readonly phase: "Running" | "Draining" | "Failing" | "Stopped"
  /** Batches that are not done, by time: open ones, and failed ones. */
  readonly sets: ReadonlyArray<JobSet.JobSet>
  readonly running: ReadonlyArray<JobId>
  readonly lastSubmitted: Time | undefined
  /** The first failure under policy `stop`. */
  readonly failure: { readonly time: Time; readonly cause: Cause.Cause<E> } | undefined
}

type Step<E> = readonly [JobSchedulerState<E>, ReadonlyArray<JobSchedulerCommand<E>>]

export const initial = <E>(): JobSchedulerState<E> => ({
  phase: "Running",
  sets: [],
  running: [],
  lastSubmitted: undefined,
  failure: undefined
})

/** Batches that a recovery would run (again). */
export const pendingTimes = <E>(state: JobSchedulerState<E>): ReadonlyArray<Time> => state.sets.map((set) => set.time)

export const step =
  (settings: JobSchedulerSettings) => <E>(state: JobSchedulerState<E>, event: JobSchedulerEvent<E>): Step<E> => {
    if (state.phase === "Stopped") return [state, []]
    switch (event.kind) {
      case "JobSetSubmitted":
        return startJobs(settings, submitted(state, event), event.now)
      case "JobEnded":
        return jobEnded(settings, state, event)
      case "Drain":
        return [{ ...state, phase: state.phase === "Running" ? "Draining" : state.phase }, []]
      case "Stop":
        return stopped(state)
    }
  }

const post = (event: StreamingEvent): { readonly kind: "Post"; readonly event: StreamingEvent } => ({
  kind: "Post",
  event
})

const submitted = <E>(
  state: JobSchedulerState<E>,
  { time, jobs, inputs, now }: JobSchedulerEvent<E> & { kind: "JobSetSubmitted" }
): Step<E> => {
  if (jobs.length === 0) throw new Error(`the batch of ${time} ms was submitted without jobs: it needs no job set`)
  if (state.lastSubmitted !== undefined && time <= state.lastSubmitted) {
    throw new Error(
      `the batch of ${time} ms was submitted after that of ${state.lastSubmitted} ms: batch times only grow`
    )
  }
  const set = JobSet.make(time, jobs, inputs, now)
  return [
    { ...state, sets: [...state.sets, set], lastSubmitted: time },
    [post({ kind: "BatchSubmitted", batch: JobSet.toBatchInfo(set) })]
  ]
}

const jobEnded = <E>(
  settings: JobSchedulerSettings,
  state: JobSchedulerState<E>,
  { job, result, now }: JobSchedulerEvent<E> & { kind: "JobEnded" }
): Step<E> => {
  if (!state.running.includes(job.id)) throw new Error(`job ${job.id} ended but was not running: a job ends once`)
  const before = state.sets.find(({ time }) => time === job.time)!
  const set = JobSet.ended(before, job.id, now, result.kind === "Failed" ? result.reason : undefined)
  const stops = result.kind === "Failed" && result.consequence !== true && settings.onBatchFailure === "stop"
  const next: JobSchedulerState<E> = {
    ...state,
    phase: stops && state.phase === "Running" ? "Failing" : state.phase,
    sets: replaced(state.sets, set),
    running: state.running.filter((id) => id !== job.id),
    failure: stops ? state.failure ?? { time: job.time, cause: result.cause } : state.failure
  }
  const told = post({ kind: "OutputOperationCompleted", operation: JobSet.operation(set, job.id)! })
  return JobSet.hasCompleted(set)
    ? batchEnded(settings, next, set, told, now)
    : startJobs(settings, [next, [told]], now)
}

const batchEnded = <E>(
  settings: JobSchedulerSettings,
  state: JobSchedulerState<E>,
  set: JobSet.JobSet,
  told: JobSchedulerCommand<E>,
  now: Time
): Step<E> => {
  const result = !JobSet.hasFailed(set) ? "processed" : settings.onBatchFailure === "stop" ? "failed" : "skipped"
  const commands: ReadonlyArray<JobSchedulerCommand<E>> = [
    told,
    post({ kind: "BatchCompleted", batch: JobSet.toBatchInfo(set) }),
    { kind: "BatchEnded", time: set.time, result }
  ]
  if (state.phase === "Failing" && state.failure?.time === set.time) {
    const [end, last] = stopped(state)
    return [end, [...commands, ...last]]
  }
  const sets = result === "failed" ? state.sets : state.sets.filter(({ time }) => time !== set.time)
  return startJobs(settings, [{ ...state, sets }, commands], now)
}

const stopped = <E>(state: JobSchedulerState<E>): Step<E> => [
  { ...state, phase: "Stopped", running: [] },
  [...(state.failure === undefined ? [] : [{ kind: "Fail" as const, cause: state.failure.cause }]), {
    kind: "CancelJobs"
  }]
]

/** Starts jobs while there is room; when a batch has failed, only what is left of it. */
const startJobs = <E>({ concurrentJobs }: JobSchedulerSettings, [from, before]: Step<E>, now: Time): Step<E> => {
  let state = from
  const commands = [...before]
  while (state.running.length < concurrentJobs) {
    const { failure, phase, sets } = state
    const waiting = sets.find((set) =>
      JobSet.nextJob(set) !== undefined && (phase !== "Failing" || set.time === failure?.time)
    )
    if (waiting === undefined) break
    const job = JobSet.nextJob(waiting)!
    const set = JobSet.started(waiting, job.id, now)
    if (!JobSet.hasStarted(waiting)) commands.push(post({ kind: "BatchStarted", batch: JobSet.toBatchInfo(set) }))
    commands.push(post({ kind: "OutputOperationStarted", operation: JobSet.operation(set, job.id)! }))
    commands.push({ kind: "StartJob", job })
    state = {
      ...state,
      sets: replaced(sets, set),
      running: [...state.running, job.id]
    }
  }
  return [state, commands]
}

const replaced = (sets: ReadonlyArray<JobSet.JobSet>, set: JobSet.JobSet): ReadonlyArray<JobSet.JobSet> =>
  sets.map((other) => other.time === set.time ? set : other)
