/**
 * TaskScheduler: runs jobs over RDDs on the executors: the driver's hands around `core/scheduling/tasks/TaskScheduler`.
 *
 * Owner of the machine's state. `executorEvent` is to be called with every placement event, in order; it works at
 * once, in the caller's stack, for a small batch has no time for a queue. Commands are performed in order; what a
 * performed command causes (a job that ends resumes its fiber, which may submit the next) is performed after it,
 * never within.
 *
 * An executor is sent each batch plan once, with the first tasks after it; a new one is sent the whole log. Plans are
 * in order of time. Interrupting `runJob` cancels the job: what runs of it ends unheard, and its shuffles stay for
 * those who share them.
 */
import { Effect } from "effect"
import type { BlockId } from "../../core/blocks/ReceivedBlock.ts"
import { JobFailed } from "../../core/dstream/Batch.ts"
import type { BatchPlan, Payload } from "../../core/dstream/BatchPlan.ts"
import type { SealedRDD } from "../../core/dstream/Derivation.ts"
import type { Action, Forget, TaskResult, ToDriver } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "../../core/protocol/Ids.ts"
import { type ExecutorLoad, loadOf } from "../../core/allocation/ExecutorLoad.ts"
import { type JobGraph, jobGraph } from "../../core/scheduling/tasks/JobGraph.ts"
import { timeOf } from "../../core/rdd/RddId.ts"
import * as Machine from "../../core/scheduling/tasks/TaskScheduler.ts"
import type { CompleteSnapshot, RestorableSnapshot } from "../../core/state/SnapshotTracker.ts"
import { LineageError } from "../../core/dstream/GeneratedRDDs.ts"
import { StateRefused } from "../../core/state/snapshots/StateRefused.ts"
import type { Millis, Time } from "../../core/time/Time.ts"
import type { Executors, PlacementEvent } from "../placement/Placement.ts"
import type { BlockLocations } from "./BlockLocations.ts"

export interface TaskSchedulerOptions {
  readonly send: Executors["send"]
  /** The plans that executors need, oldest first. */
  readonly planLog: { readonly plans: () => ReadonlyArray<BatchPlan> }
  /** Digest of an RDD's lineage, as this process derives it. */
  readonly digest: (rdd: SealedRDD) => string
  /** The executors that hold a block, as far as is known; an executor that does not hold one is none of them any more. */
  readonly blockLocations: Pick<BlockLocations, "of" | "notAt">
  /** The RDD of an id, and whether a snapshot shall be taken of that version of a state. */
  readonly rdd: (id: RddId) => SealedRDD
  readonly snapshotDue: (state: SealedRDD) => boolean
  /** A complete snapshot of just this version of a state that a predecessor left; there is none. */
  readonly snapshotOf?: ((operator: StreamId, time: Time) => RestorableSnapshot | undefined) | undefined
  /** How long the batches of an operator are read in the normal course of things. */
  readonly reuseMillis: (operator: StreamId) => Millis
  readonly settings: {
    readonly maxTaskFailures: number
    readonly maxStageRepairs: number
    /** Tasks that an executor runs at once. 1. */
    readonly taskSlots?: number | undefined
    /** "fail". */
    readonly onBlockLost?: "fail" | "ignore" | undefined
    /** true. */
    readonly showRecords?: boolean | undefined
  }
  /** Whether the lost blocks of a stream are read as empty, whatever the settings say. */
  readonly mayIgnore?: ((stream: StreamId) => boolean) | undefined
  /** A lost block is read as empty, by setting; told once. */
  readonly onBlockIgnored?: ((block: BlockId, batch: Time, reason: string) => void) | undefined
  readonly onTaskRetried?: ((retry: TaskRetried) => void) | undefined
  /** Every partition of a version of a state has a snapshot. */
  readonly onSnapshotComplete?: ((snapshot: Omit<CompleteSnapshot, "previous">) => void) | undefined
  readonly onSnapshotFailed?: ((failed: SnapshotFailed) => void) | undefined
}

export type TaskRetried = Extract<Machine.Command, { readonly kind: "TaskRetried" }>

type SnapshotFailed = Extract<ToDriver, { readonly kind: "SnapshotFailed" }>

export interface JobRequest {
  readonly rdd: SealedRDD
  readonly action: Action
  /** The partitions that are wanted, in the order of their values; all, if not given. */
  readonly partitions?: ReadonlyArray<PartitionIndex> | undefined
  /** For errors: the batch and the output that the job belongs to. */
  readonly time: Time
  readonly output: string
}

export interface TaskScheduler {
  /** The values of an action, one per partition. */
  readonly runJob: (request: JobRequest) => Effect.Effect<ReadonlyArray<Payload | undefined>, JobFailed>
  readonly executorEvent: (event: PlacementEvent) => void
  /** Whether nothing of a shuffle or state is missing. */
  readonly isComplete: (stage: RddId) => boolean
  /** No task will need what batches before `before` made: forgotten here and by every executor. */
  readonly forget: (what: Omit<Forget, "kind" | "shuffles">) => void
  readonly counts: () => { readonly jobs: number; readonly stages: number; readonly executors: number }
  readonly loadOf: (executor: ExecutorId) => ExecutorLoad
}

interface RunningJob {
  readonly request: JobRequest
  readonly resume: (effect: Effect.Effect<ReadonlyArray<Payload | undefined>, JobFailed>) => void
}

export const make = (options: TaskSchedulerOptions): TaskScheduler => new Driver(options)

class Driver implements TaskScheduler {
  private readonly options: TaskSchedulerOptions
  private readonly state: Machine.State
  private readonly jobs = new Map<Machine.JobId, RunningJob>()
  /** By executor: the time of the last plan that it was sent. */
  private readonly sentUpTo = new Map<ExecutorId, Time>()
  private readonly commands: Array<Machine.Command> = []
  /** Shuffles whose outputs executors need not keep, until they are told. */
  private readonly dropped: Array<RddId> = []
  private performing = false
  private nextJob = 0

  constructor(options: TaskSchedulerOptions) {
    this.options = options
    this.state = Machine.make({ ...options.settings, taskSlots: options.settings.taskSlots ?? 1 })
  }

  runJob(request: JobRequest): Effect.Effect<ReadonlyArray<Payload | undefined>, JobFailed> {
    return Effect.callback((resume) => {
      const job = this.nextJob++
      const graph = this.graphOf(request)
      if (graph instanceof Error) return resume(Effect.fail(refused(request, graph)))
      this.jobs.set(job, { request, resume })
      this.dispatch({ kind: "JobSubmitted", job, graph, action: request.action })
      return Effect.sync(() => {
        if (this.jobs.delete(job)) this.dispatch({ kind: "JobCancelled", job })
      })
    })
  }

  private graphOf({ partitions, rdd }: JobRequest): JobGraph | StateRefused | LineageError {
    const { blockLocations, digest, mayIgnore, rdd: rddOf, reuseMillis, snapshotDue, snapshotOf } = this.options
    try {
      return jobGraph(rdd, partitions, {
        digest,
        locations: (block) => blockLocations.of(block),
        mayIgnore,
        isKnown: (stage) => Machine.isKnown(this.state, stage),
        rdd: rddOf,
        snapshotDue,
        snapshotOf: ({ identity: { operator, time } }) => snapshotOf?.(operator, time),
        reuseMillis
      })
    } catch (error) {
      if (error instanceof StateRefused || error instanceof LineageError) return error
      throw error
    }
  }

  executorEvent(event: PlacementEvent): void {
    if (event.kind === "ExecutorLost") {
      this.sentUpTo.delete(event.executor)
      this.dispatch({ kind: "ExecutorLost", executor: event.executor, reason: event.reason })
    } else if (event.kind === "FromExecutor") {
      const { executor, message } = event
      if (message.kind === "ExecutorReady") this.addExecutor(executor)
      else if (message.kind === "TaskEnded") {
        const { attempt, millis, result, task } = message
        const holders = result.kind === "BlockLost" ? this.holdersOf(result) : undefined
        this.dispatch({ kind: "TaskEnded", executor, task, attempt, result, millis, holders })
      } else if (message.kind === "SnapshotTaken") {
        const { files, partition, state } = message
        this.dispatch({ kind: "SnapshotTaken", state, partition, files })
      } else if (message.kind === "SnapshotFailed") {
        this.options.onSnapshotFailed?.(message)
      }
    }
  }

  private holdersOf({ block, notAt }: Extract<TaskResult, { kind: "BlockLost" }>): ReadonlyArray<ExecutorId> {
    for (const executor of notAt) this.options.blockLocations.notAt(block, executor)
    return this.options.blockLocations.of(block)
  }

  private addExecutor(executor: ExecutorId): void {
    if (this.sentUpTo.has(executor)) return
    this.sentUpTo.set(executor, -Infinity)
    this.dispatch({ kind: "ExecutorAdded", executor })
  }

  isComplete(stage: RddId): boolean {
    return Machine.isComplete(this.state, stage)
  }

  forget(what: Omit<Forget, "kind" | "shuffles">): void {
    this.dispatch({ kind: "Forgotten", before: what.before, done: what.done ?? -Infinity })
    const shuffles = this.dropped.splice(0)
    for (const executor of this.sentUpTo.keys()) this.options.send(executor, { kind: "Forget", ...what, shuffles })
  }

  counts(): { readonly jobs: number; readonly stages: number; readonly executors: number } {
    const { executors, jobs, stages } = this.state
    return { jobs: jobs.size, stages: stages.size, executors: executors.size }
  }

  loadOf(executor: ExecutorId): ExecutorLoad {
    return loadOf(this.state, executor)
  }

  private dispatch(event: Machine.Event): void {
    this.commands.push(...Machine.step(this.state, event))
    if (this.performing) return
    this.performing = true
    try {
      for (let command = this.commands.shift(); command !== undefined; command = this.commands.shift()) {
        this.perform(command)
      }
    } finally {
      this.performing = false
    }
  }

  private perform(command: Machine.Command): void {
    if (command.kind === "LaunchTasks") {
      const { executor, work } = command
      // lost meanwhile: the machine knows, and has placed these tasks elsewhere
      if (!this.sentUpTo.has(executor)) return
      return this.options.send(executor, { kind: "RunTasks", ...work, plans: this.plansFor(executor) })
    }
    if (command.kind === "BlockIgnored") {
      return this.options.onBlockIgnored?.(command.block, timeOf(command.stage), command.reason)
    }
    if (command.kind === "TaskRetried") return this.options.onTaskRetried?.(command)
    if (command.kind === "ReleaseState") {
      const { executor, ...release } = command
      return this.sentUpTo.has(executor) ? this.options.send(executor, release) : undefined
    }
    if (command.kind === "DropOutputs") return void this.dropped.push(...command.shuffles)
    if (command.kind === "SnapshotComplete") {
      const { files, operator, time } = command
      return this.options.onSnapshotComplete?.({ operator, time, files })
    }
    const running = this.jobs.get(command.job)
    if (running === undefined) return
    this.jobs.delete(command.job)
    if (command.kind === "JobSucceeded") {
      running.resume(Effect.succeed(command.ends.map(({ value }) => value)))
    } else {
      const { message, operator, partition, stack } = command.failure
      const { output, time } = running.request
      running.resume(
        Effect.fail(
          new JobFailed({ time, output, operator, partition, message, ...(stack === undefined ? {} : { stack }) })
        )
      )
    }
  }

  /** The plans that an executor was not sent. The log is in order of time: what is new is at its end. */
  private plansFor(executor: ExecutorId): ReadonlyArray<BatchPlan> {
    const sent = this.sentUpTo.get(executor)!
    const plans = this.options.planLog.plans()
    let first = plans.length
    while (first > 0 && plans[first - 1]!.time > sent) first--
    if (first === plans.length) return []
    this.sentUpTo.set(executor, plans.at(-1)!.time)
    return plans.slice(first)
  }
}

const refused = ({ output, time }: JobRequest, { message, operator }: StateRefused | LineageError): JobFailed =>
  new JobFailed({ time, output, operator, partition: 0, message })
