/**
 * TaskSchedulerState: what the `TaskScheduler` knows of jobs, stages, tasks and executors. Changed by
 * `TaskScheduler.step` alone.
 *
 * A task is waiting (listed in its stage's `waiting`), running (`runsAt`, and outstanding at that executor) or done.
 */
import type { BlockId } from "../../blocks/ReceivedBlock.ts"
import type { RunTasks, TaskResult } from "../../protocol/ExecutorProtocol.ts"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "../../protocol/Ids.ts"
import type { SnapshotFiles } from "../../state/SnapshotTracker.ts"
import type { Millis, Time } from "../../time/Time.ts"
import type { StageSpec, TaskSpec } from "./JobGraph.ts"

export type JobId = number

export type DoneTask = Extract<TaskResult, { readonly kind: "Done" }>

export interface TaskSchedulerSettings {
  /** Tasks that an executor runs at once. */
  readonly taskSlots: number
  /** How often a task may fail before its job does. */
  readonly maxTaskFailures: number
  /** How often a stage may lose data, or one of its tasks its executor, before its jobs fail. */
  readonly maxStageRepairs: number
  /** What becomes of a job whose block nobody holds. "fail". */
  readonly onBlockLost?: "fail" | "ignore" | undefined
  /** Whether messages may show a record. true. */
  readonly showRecords?: boolean | undefined
}

/** Why a job failed, and the operator and partition where. */
export interface JobFailure {
  readonly kind: "FailedForGood" | "FailedTooOften" | "LostTooOften" | "BlockLost" | "Forgotten"
  readonly operator: StreamId
  readonly partition: PartitionIndex
  readonly message: string
  readonly stack: string | undefined
}

export interface Task {
  /** Unique for the life of the scheduler. */
  readonly id: number
  readonly stage: StageRun
  /** Its place among the stage's tasks; of a shuffle, that is its map partition. */
  readonly index: number
  readonly spec: TaskSpec
  /** Of a state: the files of a snapshot of this version, if there is one: then it needs nothing that it reads. */
  snapshot: SnapshotFiles | undefined
  /** Why the last one could not be restored. */
  unreadable: string | undefined
  /** Of its block: the executors that hold it, as far as is known. */
  holders: ReadonlyArray<ExecutorId>
  attempts: number
  runsAt: ExecutorId | undefined
  done: boolean
  failures: number
  repairs: number
  /** How many executors were lost that it had been given to. */
  deaths: number
}

export interface StageRun {
  readonly spec: StageSpec
  readonly work: RunTasks["work"]
  /** Of a result stage: its job. A shuffle or a state is nobody's. */
  readonly job: JobId | undefined
  readonly tasks: ReadonlyArray<Task>
  /** The shuffles and states that its tasks read. */
  readonly reads: ReadonlySet<RddId>
  /** By task: the executor that holds what it made. */
  readonly outputs: Array<ExecutorId | undefined>
  waiting: Array<Task>
  unfinished: number
  /** What its tasks took that are done, those that were run again included; 0 where no clock tells. */
  millis: Millis
  repairs: number
}

export interface Job {
  readonly id: JobId
  readonly stage: StageRun
  readonly ends: Map<number, DoneTask>
}

export interface Executor {
  readonly id: ExecutorId
  /** The attempt of each task that it was given and has not told the end of. */
  readonly outstanding: Map<number, number>
}

export interface State {
  readonly settings: TaskSchedulerSettings
  readonly jobs: Map<JobId, Job>
  /** Shuffles and states: what all jobs share. */
  readonly stages: Map<RddId, StageRun>
  readonly tasks: Map<number, Task>
  readonly executors: Map<ExecutorId, Executor>
  /** Lost blocks that are read as empty, and the batch that was the first to. */
  readonly ignoredBlocks: Map<BlockId, Time>
  /** What a record took in the last stage of a kind, see `SmallStages`. */
  readonly millisPerRecord: Map<string, Millis>
  nextTask: number
}

export const make = (settings: TaskSchedulerSettings): State => ({
  settings,
  jobs: new Map(),
  stages: new Map(),
  tasks: new Map(),
  executors: new Map(),
  ignoredBlocks: new Map(),
  millisPerRecord: new Map(),
  nextTask: 0
})

/** A stage of which nothing has run. */
export const newStage = (state: State, spec: StageSpec, work: RunTasks["work"], job: JobId | undefined): StageRun => {
  const tasks: Array<Task> = []
  const reads = new Set<RddId>()
  const stage: StageRun = {
    spec,
    work,
    job,
    tasks,
    reads,
    outputs: spec.tasks.map(() => undefined),
    waiting: [],
    unfinished: spec.tasks.length,
    millis: 0,
    repairs: 0
  }
  spec.tasks.forEach((taskSpec, index) => {
    const id = state.nextTask++
    const task: Task = {
      id,
      stage,
      index,
      spec: taskSpec,
      snapshot: taskSpec.snapshot,
      unreadable: undefined,
      holders: taskSpec.block?.executors ?? [],
      attempts: 0,
      runsAt: undefined,
      done: false,
      failures: 0,
      repairs: 0,
      deaths: 0
    }
    for (const read of taskSpec.reads) reads.add(read.stage)
    state.tasks.set(id, task)
    tasks.push(task)
    stage.waiting.push(task)
  })
  return stage
}

/** Forgets a job and its result tasks; map tasks belong to their shuffle. */
export const dropJob = (state: State, id: JobId): void => {
  const job = state.jobs.get(id)
  if (job === undefined) return
  state.jobs.delete(id)
  for (const task of job.stage.tasks) state.tasks.delete(task.id)
}

export const wait = (task: Task): void => {
  task.stage.waiting.push(task)
}

/** The output of a task that was done is not there any more. */
export const missAgain = (task: Task): void => {
  task.stage.outputs[task.index] = undefined
  task.stage.unfinished++
  task.done = false
  wait(task)
}

/** What failed and was lost before counts no more. */
export const forgive = (stage: StageRun): void => {
  stage.repairs = 0
  for (const task of stage.tasks) {
    task.failures = 0
    task.repairs = 0
    task.deaths = 0
  }
}
