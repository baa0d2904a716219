/**
 * TaskPlacing: which waiting tasks can run now, and where. Called by `TaskScheduler.step` after every event.
 *
 * Jobs in order of submission. Where an executor has a free slot, it is given all tasks of a stage that is small (see `SmallStages`).
 * Of a job's other tasks that are ready, each goes
 * 1. to an executor that it prefers and that has a free slot; else
 * 2. to any executor with a free slot; else
 * 3. to one that it prefers and that has fewer than `2 * taskSlots` tasks, so that the next is there when one ends;
 *    else it waits.
 *
 * A task that reads a version of a state runs at the executor that holds it, and waits for that one. A task prefers the
 * executors that hold its block, the one that received it first. Without a block it prefers one by the number of its
 * partition, which is the same in every batch, so that what an executor keeps of a source is found again. A task that
 * failed tries the next one. The tasks of a stage for one executor go in one message.
 */
import type { Places } from "../../protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../protocol/Ids.ts"
import type { StageRead } from "./JobGraph.ts"
import { areSmall } from "./SmallStages.ts"
import type { Command } from "./TaskScheduler.ts"
import { dropJob, type Executor, type Job, type StageRun, type State, type Task } from "./TaskSchedulerState.ts"

/** Places what can be placed, and adds the launches to `commands`. */
export const launchTasks = (state: State, commands: Array<Command>): void => {
  const executors = [...state.executors.values()]
  const limit = 2 * state.settings.taskSlots
  const launches = new Map<StageRun, Map<ExecutorId, Array<Task>>>()
  for (const job of state.jobs.values()) {
    const stranded = strandedTask(state, job)
    if (stranded !== undefined) {
      failForgotten(state, job, stranded, commands)
      continue
    }
    if (!executors.some((executor) => executor.outstanding.size < limit)) break
    placeJob(state, job, executors, (task, executor) => {
      start(task, executor)
      const byExecutor = launches.get(task.stage) ?? new Map<ExecutorId, Array<Task>>()
      launches.set(task.stage, byExecutor)
      const tasks = byExecutor.get(executor.id)
      if (tasks === undefined) byExecutor.set(executor.id, [task])
      else tasks.push(task)
    })
  }
  for (const [stage, byExecutor] of launches) {
    stage.waiting = stage.waiting.filter((task) => task.runsAt === undefined)
    for (const [executor, tasks] of byExecutor) commands.push(launchOf(state, stage, executor, tasks))
  }
}

const failForgotten = (state: State, job: Job, task: Task, commands: Array<Command>): void => {
  dropJob(state, job.id)
  const { spec, stage: { spec: { operator } }, unreadable } = task
  const reads = `partition ${spec.partition} of operator "${operator}" reads ` +
    `${spec.reads.map((read) => read.stage).join(", ")}, of which something was forgotten: `
  const message = unreadable === undefined
    ? `${reads}its batch is older than the remember durations of the graph reach; remember it for longer`
    : `${reads}${unreadable}; and no snapshot before that one is left to go on from: ` +
      "put the file back from a copy, or begin anew, with another checkpoint directory"
  const failure = { kind: "Forgotten", operator, partition: spec.partition, message, stack: undefined } as const
  commands.push({ kind: "JobFailed", job: job.id, failure })
}

type Place = (task: Task, executor: Executor) => void

const placeJob = (state: State, job: Job, executors: ReadonlyArray<Executor>, place: Place): void => {
  const { taskSlots } = state.settings
  /** Places tasks while there is room, and gives back the others. */
  const round = (
    tasks: ReadonlyArray<Task>,
    limit: number,
    candidates: (task: Task) => ReadonlyArray<Executor>
  ): ReadonlyArray<Task> => {
    const hasRoom = (executor: Executor) => executor.outstanding.size < limit
    let room = executors.some(hasRoom)
    return tasks.filter((task) => {
      const executor = room ? candidates(task).find(hasRoom) : undefined
      if (executor === undefined) return true
      place(task, executor)
      room = executors.some(hasRoom)
      return false
    })
  }
  const preferred = (task: Task) => {
    const holder = holderOf(state, task)
    return holder === undefined ? preferredBy(task, executors) : executors.filter(({ id }) => id === holder)
  }
  let left = together(state, readyTasks(state, job), executors, place)
  left = round(left, taskSlots, preferred)
  left = round(left, taskSlots, (task) => holderOf(state, task) === undefined ? executors : [])
  round(left, 2 * taskSlots, preferred)
}

/** Places the stages that are small, and gives back the tasks of others. */
const together = (
  state: State,
  tasks: ReadonlyArray<Task>,
  executors: ReadonlyArray<Executor>,
  place: Place
): ReadonlyArray<Task> => {
  if (executors.length < 2) return tasks
  const placed = new Set<StageRun>()
  for (const stage of new Set(tasks.map((task) => task.stage))) {
    const own = tasks.filter((task) => task.stage === stage)
    if (!areSmall(state, stage, own)) continue
    const executor = [...preferredBy(own[0]!, executors), ...executors].find(({ outstanding }) =>
      outstanding.size < state.settings.taskSlots
    )
    if (executor === undefined) continue
    for (const task of own) place(task, executor)
    placed.add(stage)
  }
  return placed.size === 0 ? tasks : tasks.filter((task) => !placed.has(task.stage))
}

/**
 * The executor that holds the version of a state that a task reads; the first, if it reads several. A version that is made of none,
 * or restored, is made where other versions of that partition are.
 */
const holderOf = (state: State, task: Task): ExecutorId | undefined => {
  const { snapshot, spec, stage: { spec: { operator }, work } } = task
  for (const { partition, stage } of snapshot === undefined ? spec.reads : []) {
    if (partition !== undefined) return state.stages.get(stage)?.outputs[partition]
  }
  if (work.kind !== "state") return undefined
  for (const other of state.stages.values()) {
    if (other.work.kind !== "state" || other.spec.operator !== operator) continue
    const place = other.outputs[task.index] ?? other.tasks[task.index]?.runsAt
    if (place !== undefined) return place
  }
  return undefined
}

/** The waiting tasks of a job, and those that they wait for, that can run now. */
const readyTasks = (state: State, job: Job): ReadonlyArray<Task> => {
  const ready: Array<Task> = []
  const demand = demandOf(state, job)
  for (const stage of [job.stage, ...demand.keys()]) {
    for (const task of stage.waiting) {
      if (task.runsAt === undefined && isWanted(demand, task) && isReady(state, task)) ready.push(task)
    }
  }
  return ready
}

const isWanted = (demand: Demand, { index, stage }: Task): boolean => {
  const wanted = demand.get(stage)
  return wanted === undefined || wanted === "all" || wanted.has(index)
}

const isReady = (state: State, { snapshot, spec }: Task): boolean =>
  snapshot !== undefined || spec.reads.every((read) => isThere(state, read))

const isThere = (state: State, { partition, stage: id }: StageRead): boolean => {
  const stage = state.stages.get(id)
  return partition === undefined ? stage?.unfinished === 0 : stage?.tasks[partition]?.done === true
}

/** Stages, and of each which tasks: of a shuffle all of them, of a state the partitions that are read. */
export type Demand = ReadonlyMap<StageRun, "all" | ReadonlySet<number>>

/** What is missing that the waiting tasks of a job need, directly or through others. */
export const demandOf = (state: State, job: Job): Demand => {
  const demand = new Map<StageRun, "all" | Set<number>>()
  const visit = ({ snapshot, spec }: Task): void => {
    if (snapshot === undefined) { for (const read of spec.reads) want(read) }
  }
  const want = ({ partition, stage: id }: StageRead): void => {
    const stage = state.stages.get(id)
    if (stage === undefined || stage.unfinished === 0) return
    const wanted = demand.get(stage)
    if (partition === undefined) {
      if (wanted === "all") return
      demand.set(stage, "all")
      if (stage.reads.size > 0) { for (const task of stage.waiting) visit(task) }
      return
    }
    const task = stage.tasks[partition]
    if (wanted === "all" || wanted?.has(partition) === true || task === undefined || task.done) return
    if (wanted === undefined) demand.set(stage, new Set([partition]))
    else wanted.add(partition)
    if (task.runsAt === undefined) visit(task)
  }
  if (job.stage.reads.size > 0) { for (const task of job.stage.waiting) visit(task) }
  return demand
}

/** A waiting task that reads a stage of which nothing is known any more. */
const strandedTask = (state: State, job: Job): Task | undefined => {
  const demand = demandOf(state, job)
  for (const stage of [job.stage, ...demand.keys()]) {
    if (stage.reads.size === 0) continue
    const stranded = stage.waiting.find((task) =>
      task.snapshot === undefined && isWanted(demand, task) &&
      task.spec.reads.some((read) => !state.stages.has(read.stage))
    )
    if (stranded !== undefined) return stranded
  }
  return undefined
}

const preferredBy = (task: Task, executors: ReadonlyArray<Executor>): ReadonlyArray<Executor> => {
  const { failures, repairs, spec: { affinity } } = task
  const tried = failures + repairs
  const holders = task.holders.flatMap((id) => executors.find((executor) => executor.id === id) ?? [])
  if (holders.length > 0 && tried === 0) return holders
  const candidates = holders.length > 0 ? holders : executors
  return [candidates[(affinity + tried) % candidates.length]!]
}

const start = (task: Task, executor: Executor): void => {
  task.attempts++
  task.runsAt = executor.id
  executor.outstanding.set(task.id, task.attempts)
}

const launchOf = (state: State, stage: StageRun, executor: ExecutorId, tasks: ReadonlyArray<Task>): Command => {
  const reads = tasks.flatMap(({ snapshot, spec }) => snapshot === undefined ? spec.reads : [])
  const shuffles = new Set(reads.flatMap((read) => read.partition === undefined ? [read.stage] : []))
  return {
    kind: "LaunchTasks",
    executor,
    work: {
      stage: stage.spec.stage,
      work: stage.work,
      digest: stage.spec.digest,
      places: {
        blocks: tasks.flatMap((task) => blockPlaces(state, task)),
        ignored: tasks.flatMap(({ spec: { block } }) =>
          block !== undefined && state.ignoredBlocks.has(block.block) ? [block.block] : []
        ),
        shuffles: [...shuffles].map((id) => [id, state.stages.get(id)!.outputs.map((place) => place!)] as const),
        states: reads.flatMap(({ partition, stage: id }) =>
          partition === undefined ? [] : [[id, partition, state.stages.get(id)!.outputs[partition]!] as const]
        )
      },
      tasks: tasks.map(({ attempts, id, snapshot, spec: { partition } }) => ({
        task: id,
        partition,
        attempt: attempts,
        ...(snapshot === undefined ? {} : { restore: snapshot })
      }))
    }
  }
}

const blockPlaces = (state: State, { holders, spec: { block } }: Task): Places["blocks"] =>
  block === undefined || state.ignoredBlocks.has(block.block)
    ? []
    : [[block.block, holders.filter((executor) => state.executors.has(executor))]]
