/**
 * TaskScheduler: which task runs where and when, and what is done about losses. Source: Spark's `DAGScheduler` and
 * `TaskSchedulerImpl`. The state changes in place: it has one owner (`runtime/driver/TaskScheduler.ts`), and `step`
 * is its only door. Deterministic: Maps and arrays in the order of events.
 *
 * | event | effect | commands |
 * | --- | --- | --- |
 * | JobSubmitted | its stages are known; tasks whose reads are complete may run, else the missing tasks of these | LaunchTasks |
 * | ExecutorAdded | may be given tasks; again: no change | LaunchTasks |
 * | ExecutorLost | its map outputs are missing; its tasks wait again, one repair each | LaunchTasks, JobFailed over the limit, or if each executor of a task died |
 * | TaskEnded Done | map: its output is at that executor; result: its value is kept | LaunchTasks, JobSucceeded with the last |
 * | TaskEnded FetchFailed | that executor's outputs of the shuffle, or that version of a state, are missing; the task waits again | LaunchTasks, JobFailed over the limit |
 * | TaskEnded BlockLost, held elsewhere | the task waits again, to be run with its holders | LaunchTasks; over the limit as below |
 * | TaskEnded BlockLost, no holder | fail: the job is over | JobFailed |
 * | TaskEnded BlockLost, no holder | ignore: the block is empty from now on; the task waits again | BlockIgnored once, LaunchTasks |
 * | TaskEnded Failed | the task waits again | LaunchTasks, JobFailed over its own limit, or where it can only fail again |
 * | JobCancelled | its waiting tasks are dropped; those that run end unheard | LaunchTasks, for others |
 * | SnapshotTaken | should that version of a state be lost, it is read back instead of made again | SnapshotComplete with the last partition |
 * | Forgotten | shuffles and states of batches before that time are dropped, save those that an unfinished job needs; map outputs that
 * are read no more in the normal course of things are missing from now on, save those that an unfinished task needs | DropOutputs; ReleaseState, see `StateBalance` |
 * | TaskEnded but Done, ExecutorLost | for each task that waits again within its limit | TaskRetried |
 * | any | a waiting task reads what was forgotten: its job cannot end well | JobFailed |
 *
 * Invariants:
 * - A shuffle is known by its RDD's id and shared by all jobs, now and later: a map task runs only while its output
 *   is missing and wanted, and never twice at once. A lost output is computed again when a waiting task wants it, not
 *   before.
 * - An end counts only while that attempt is outstanding at that executor: late, repeated and unknown ones change
 *   nothing.
 * - An executor has at most `2 * taskSlots` tasks, beyond `taskSlots` only such as prefer it, or one small stage; none idles
 *   while a task of another could run.
 * - Only executors that were added and not lost are given tasks. Jobs are served in order of submission.
 * - A job ends once, with each partition's value once, or with the cause of the task that went over its limit.
 *
 * Faults: executors lost at any time, ends lost with them, ends told twice, wrong places, user errors. Losses of data
 * count once per stage and loss, so that many readers of one lost executor spend one repair.
 */
import type { BlockId } from "../../blocks/ReceivedBlock.ts"
import type { Action, RunTasks, TaskResult } from "../../protocol/ExecutorProtocol.ts"
import type { ExecutorId, PartitionIndex, RddId, StreamId } from "../../protocol/Ids.ts"
import { timeOf } from "../../rdd/RddId.ts"
import type { SnapshotFiles } from "../../state/SnapshotTracker.ts"
import type { Millis, Time } from "../../time/Time.ts"
import type { JobGraph } from "./JobGraph.ts"
import type { TaskRetried } from "../StreamingListener.ts"
import { balanceStates } from "./StateBalance.ts"
import { diedTooOften, retryReason, taskFailure } from "./taskFailures.ts"
import { learn } from "./SmallStages.ts"
import { demandOf, launchTasks } from "./TaskPlacing.ts"
import {
  type DoneTask,
  dropJob,
  forgive,
  type Job,
  type JobFailure,
  type JobId,
  missAgain,
  newStage,
  type StageRun,
  type State,
  type Task,
  wait
} from "./TaskSchedulerState.ts"

export type { DoneTask, JobFailure, JobId, State, TaskSchedulerSettings } from "./TaskSchedulerState.ts"
export { make } from "./TaskSchedulerState.ts"

export type Event =
  | { readonly kind: "JobSubmitted"; readonly job: JobId; readonly graph: JobGraph; readonly action: Action }
  | { readonly kind: "JobCancelled"; readonly job: JobId }
  | { readonly kind: "ExecutorAdded"; readonly executor: ExecutorId }
  | { readonly kind: "ExecutorLost"; readonly executor: ExecutorId; readonly reason: string }
  | {
    readonly kind: "TaskEnded"
    readonly executor: ExecutorId
    readonly task: number
    readonly attempt: number
    readonly result: TaskResult
    readonly millis?: Millis | undefined
    /** Of BlockLost: the executors that hold the block, as far as is known now. */
    readonly holders?: ReadonlyArray<ExecutorId> | undefined
  }
  | {
    readonly kind: "SnapshotTaken"
    readonly state: RddId
    readonly partition: PartitionIndex
    readonly files: SnapshotFiles
  }
  /** `done`: all batches up to here are done. */
  | { readonly kind: "Forgotten"; readonly before: Time; readonly done: Time }

export type Command =
  | { readonly kind: "LaunchTasks"; readonly executor: ExecutorId; readonly work: Omit<RunTasks, "kind" | "plans"> }
  /** One end per task, in the order in which the graph lists them. */
  | { readonly kind: "JobSucceeded"; readonly job: JobId; readonly ends: ReadonlyArray<DoneTask> }
  | { readonly kind: "JobFailed"; readonly job: JobId; readonly failure: JobFailure }
  /** A lost block is read as empty, by setting, from this stage on. */
  | { readonly kind: "BlockIgnored"; readonly block: BlockId; readonly stage: RddId; readonly reason: string }
  /** No executor need keep the outputs of these shuffles. */
  | { readonly kind: "DropOutputs"; readonly shuffles: ReadonlyArray<RddId> }
  /** The executor need not hold this partition of a state: it moves. */
  | {
    readonly kind: "ReleaseState"
    readonly executor: ExecutorId
    readonly operator: StreamId
    readonly partition: PartitionIndex
  }
  /** Every partition of this version of a state has a snapshot: these, in order. */
  | {
    readonly kind: "SnapshotComplete"
    readonly operator: StreamId
    readonly time: Time
    readonly files: ReadonlyArray<SnapshotFiles>
  }
  | TaskRetried

/** Takes an event, changes the state, says what is to be done, in this order. */
export const step = (state: State, event: Event): ReadonlyArray<Command> => {
  const commands: Array<Command> = []
  apply(state, event, commands)
  launchTasks(state, commands)
  return commands
}

/** Whether the graph of a new job need not describe this shuffle or state. */
export const isKnown = (state: State, stage: RddId): boolean => state.stages.has(stage)

/** Whether nothing of a shuffle or state is missing. */
export const isComplete = (state: State, stage: RddId): boolean => state.stages.get(stage)?.unfinished === 0

const apply = (state: State, event: Event, commands: Array<Command>): void => {
  switch (event.kind) {
    case "JobSubmitted":
      return submit(state, event, commands)
    case "JobCancelled":
      return dropJob(state, event.job)
    case "ExecutorAdded":
      if (!state.executors.has(event.executor)) {
        state.executors.set(event.executor, { id: event.executor, outstanding: new Map() })
      }
      return
    case "ExecutorLost":
      return loseExecutor(state, event.executor, event.reason, commands)
    case "TaskEnded":
      return endTask(state, event, commands)
    case "SnapshotTaken":
      return takeSnapshot(state, event, commands)
    case "Forgotten":
      forget(state, event.before)
      dropOutputsOf(state, event.done, commands)
      return balanceStates(state, commands)
  }
}

const submit = (state: State, event: Extract<Event, { kind: "JobSubmitted" }>, commands: Array<Command>): void => {
  if (state.jobs.has(event.job)) throw new Error(`job ${event.job} was submitted before`)
  for (const spec of event.graph.stages) {
    if (state.stages.has(spec.stage)) continue
    const work = spec.work === "state" ? { kind: spec.work, snapshot: spec.snapshot } : { kind: "map" as const }
    state.stages.set(spec.stage, newStage(state, spec, work, undefined))
  }
  if (event.graph.result.tasks.length === 0) {
    commands.push({ kind: "JobSucceeded", job: event.job, ends: [] })
    return
  }
  const stage = newStage(state, event.graph.result, { kind: "result", action: event.action }, event.job)
  state.jobs.set(event.job, { id: event.job, stage, ends: new Map() })
}

const endTask = (state: State, event: Extract<Event, { kind: "TaskEnded" }>, commands: Array<Command>): void => {
  const { result } = event
  const executor = state.executors.get(event.executor)
  if (executor === undefined || executor.outstanding.get(event.task) !== event.attempt) return
  executor.outstanding.delete(event.task)
  const task = state.tasks.get(event.task)
  if (task === undefined) return
  task.runsAt = undefined
  switch (result.kind) {
    case "Done":
      task.stage.millis += event.millis ?? 0
      return completeTask(state, task, event.executor, result, commands)
    case "Failed":
      wait(task)
      return ++task.failures < state.settings.maxTaskFailures && result.permanent !== true
        ? retry(task, retryReason(result, state.settings), commands)
        : failStage(state, task.stage, taskFailure(result, task.failures, state.settings), commands)
    case "BlockLost":
      return loseBlock(state, task, result, event.holders ?? [], commands)
    case "FetchFailed": {
      const { executor, mapPartition, shuffle } = result
      const lost = dropOutputs(state.stages.get(shuffle), executor, mapPartition)
      const what = `output ${mapPartition} of stage ${shuffle} could not be fetched from ${executor}`
      // A version of a state that could not be restored has to be made again.
      if (shuffle === task.stage.spec.stage) {
        task.snapshot = undefined
        task.unreadable = result.reason
      }
      return repair(state, task, `${what}: ${result.reason}`, lost, commands)
    }
  }
}

const completeTask = (
  state: State,
  task: Task,
  executor: ExecutorId,
  done: DoneTask,
  commands: Array<Command>
): void => {
  const { stage } = task
  task.done = true
  stage.unfinished--
  stage.outputs[task.index] = executor
  if (stage.unfinished === 0) {
    forgive(stage)
    learn(state, stage)
  }
  if (stage.job === undefined) return
  const job = state.jobs.get(stage.job)!
  job.ends.set(task.index, done)
  if (stage.unfinished > 0) return
  dropJob(state, job.id)
  commands.push({ kind: "JobSucceeded", job: job.id, ends: stage.tasks.map((one) => job.ends.get(one.index)!) })
}

/** A block that nobody holds, or that nobody can read however often it is tried, is lost for good. */
const loseBlock = (
  state: State,
  task: Task,
  { block, reason }: Extract<TaskResult, { kind: "BlockLost" }>,
  holders: ReadonlyArray<ExecutorId>,
  commands: Array<Command>
): void => {
  const { maxStageRepairs, onBlockLost } = state.settings
  const why = `block ${block} is lost: ${reason}`
  task.holders = holders
  if (state.ignoredBlocks.has(block)) return repair(state, task, why, false, commands)
  if (holders.length > 0 && task.repairs < maxStageRepairs) {
    const elsewhere = `block ${block} is not where it was looked for, and is asked for at ${
      holders.join(", ")
    }: ${reason}`
    return repair(state, task, elsewhere, false, commands)
  }
  wait(task)
  const { operator, stage } = task.stage.spec
  const { block: read, partition } = task.spec
  if (onBlockLost === "ignore" || (read?.block === block && read.mayIgnore === true)) {
    state.ignoredBlocks.set(block, timeOf(stage))
    commands.push({ kind: "BlockIgnored", block, stage, reason })
    return retry(task, why, commands)
  }
  const message = `partition ${partition} of operator "${operator}" cannot be read: ${why}. ` +
    `With survives: "hot" each block is kept at two executors, with "cold" in a log; with onBlockLost: "ignore" it is read as empty`
  failStage(state, task.stage, { kind: "BlockLost", operator, partition, message, stack: undefined }, commands)
}

/** The task waits again; `incident`: something was found missing that nobody had missed before. */
const repair = (state: State, task: Task, reason: string, incident: boolean, commands: Array<Command>): void => {
  wait(task)
  task.repairs++
  if (incident) task.stage.repairs++
  const limit = state.settings.maxStageRepairs
  if (task.repairs <= limit && task.stage.repairs <= limit) return retry(task, reason, commands)
  const { operator, stage } = task.stage.spec
  const message = `stage ${stage} of operator "${operator}" lost data more than ${limit} times ` +
    `(maxStageRepairs); the last time in partition ${task.spec.partition}: ${reason}`
  failStage(state, task.stage, {
    kind: "LostTooOften",
    operator,
    partition: task.spec.partition,
    message,
    stack: undefined
  }, commands)
}

const retry = ({ stage, spec, attempts }: Task, reason: string, commands: Array<Command>): void =>
  void commands.push({
    kind: "TaskRetried",
    stage: stage.spec.stage,
    partition: spec.partition,
    attempt: attempts - 1,
    reason
  })

/** Fails the job of a result stage, or every job that waits for a shared one; later jobs may try that again. */
const failStage = (state: State, stage: StageRun, failure: JobFailure, commands: Array<Command>): void => {
  const failed: Array<Job> = []
  for (const job of state.jobs.values()) {
    if (stage.job === job.id || (stage.job === undefined && demandOf(state, job).has(stage))) failed.push(job)
  }
  for (const job of failed) {
    dropJob(state, job.id)
    commands.push({ kind: "JobFailed", job: job.id, failure })
  }
  forgive(stage)
}

/**
 * The outputs that an executor held of a stage are missing; whether there were any. Of a state that one version of `partition`
 * is, for an executor holds some and not others.
 */
const dropOutputs = (stage: StageRun | undefined, executor: ExecutorId, partition?: PartitionIndex): boolean => {
  if (stage === undefined) return false
  const only = stage.work.kind === "state" ? partition : undefined
  let lost = false
  for (const task of stage.tasks) {
    if (stage.outputs[task.index] !== executor || (only !== undefined && task.index !== only)) continue
    lost = true
    missAgain(task)
  }
  return lost
}

const loseExecutor = (state: State, id: ExecutorId, reason: string, commands: Array<Command>): void => {
  const executor = state.executors.get(id)
  if (executor === undefined) return
  state.executors.delete(id)
  for (const stage of state.stages.values()) dropOutputs(stage, id)
  const struck = new Set<StageRun>()
  // Those that it was given first were running, the others waited there.
  let running = state.settings.taskSlots
  for (const taskId of executor.outstanding.keys()) {
    const task = state.tasks.get(taskId)
    if (task === undefined) continue
    task.runsAt = undefined
    const first = !struck.has(task.stage)
    struck.add(task.stage)
    const why = `executor ${id} was lost: ${reason}`
    if (running-- > 0 && ++task.deaths >= deathsMax) {
      wait(task)
      failStage(state, task.stage, diedTooOften(task, why), commands)
    } else repair(state, task, why, first, commands)
  }
}

/** How many executors a task may die with. */
const deathsMax = 4

const takeSnapshot = (
  state: State,
  { state: id, partition, files }: Extract<Event, { kind: "SnapshotTaken" }>,
  commands: Array<Command>
): void => {
  const stage = state.stages.get(id)
  const task = stage?.tasks[partition]
  if (stage === undefined || task === undefined || task.snapshot !== undefined) return
  task.snapshot = files
  const all = stage.tasks.flatMap(({ snapshot }) => snapshot === undefined ? [] : [snapshot])
  if (all.length < stage.tasks.length) return
  commands.push({ kind: "SnapshotComplete", operator: stage.spec.operator, time: timeOf(id), files: all })
}

const forget = (state: State, before: Time): void => {
  for (const [block, time] of state.ignoredBlocks) if (time < before) state.ignoredBlocks.delete(block)
  const wanted = new Set<StageRun>()
  for (const job of state.jobs.values()) reach(state, job.stage, before, wanted)
  for (const [id, stage] of state.stages) {
    if (timeOf(id) >= before || wanted.has(stage)) continue
    state.stages.delete(id)
    for (const task of stage.tasks) state.tasks.delete(task.id)
  }
}

/** Should they be wanted after all, a loss is being made good: they are computed again. */
const dropOutputsOf = (state: State, done: Time, commands: Array<Command>): void => {
  const reading = new Set<StageRun>()
  for (const job of state.jobs.values()) readBy(state, job.stage, reading)
  const shuffles: Array<RddId> = []
  for (const [id, stage] of state.stages) {
    if (stage.work.kind !== "map" || stage.spec.reusedUntil > done || reading.has(stage)) continue
    if (stage.outputs.every((output) => output === undefined)) continue
    shuffles.push(id)
    for (const task of stage.tasks) if (task.done) missAgain(task)
  }
  if (shuffles.length > 0) commands.push({ kind: "DropOutputs", shuffles })
}

/** The stages that the unfinished tasks of a stage read, and those of incomplete ones among them. */
const readBy = (state: State, stage: StageRun, reading: Set<StageRun>): void => {
  for (const id of stage.reads) {
    const read = state.stages.get(id)
    if (read === undefined || reading.has(read)) continue
    reading.add(read)
    if (read.unfinished > 0) readBy(state, read, reading)
  }
}

/** All stages that a stage could ever want, complete or not. The versions of a state before `before` have a snapshot after them. */
const reach = (state: State, stage: StageRun, before: Time, reached: Set<StageRun>): void => {
  for (const id of stage.reads) {
    const read = state.stages.get(id)
    if (read === undefined || reached.has(read)) continue
    if (read.work.kind === "state" && timeOf(id) < before) continue
    reached.add(read)
    reach(state, read, before, reached)
  }
}
