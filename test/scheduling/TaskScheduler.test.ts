/**
 * The task scheduler's machine under random losses, failures and repetitions, in a small world of executors that answer
 * truthfully from what they hold; and its rules one by one.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import type { TaskResult } from "../../core/protocol/ExecutorProtocol.ts"
import type { JobGraph, StageSpec, TaskSpec } from "../../core/scheduling/tasks/JobGraph.ts"
import { demandOf } from "../../core/scheduling/tasks/TaskPlacing.ts"
import * as TaskScheduler from "../../core/scheduling/tasks/TaskScheduler.ts"
import { all, done, failed, stageSpec, taskSpec } from "./taskSpecs.ts"

type Launch = Extract<TaskScheduler.Command, { kind: "LaunchTasks" }>["work"]

interface Running {
  readonly executor: string
  readonly work: Launch
  readonly task: Launch["tasks"][number]
}

/** Executors that hold map outputs and answer from them; checks the machine's promises at every command. */
class World {
  readonly state: TaskScheduler.State
  readonly alive: Array<string> = []
  readonly ids = new Set<string>()
  readonly held = new Map<string, Set<string>>()
  readonly reads = new Map<string, string | undefined>()
  running: Array<Running> = []
  readonly told: Array<Extract<TaskScheduler.Event, { kind: "TaskEnded" }>> = []
  readonly submitted = new Map<number, ReadonlyArray<string>>()
  readonly ended = new Map<number, "succeeded" | "failed" | "cancelled">()
  readonly failures: Array<TaskScheduler.JobFailure> = []
  readonly ignored = new Set<string>()

  constructor(limits: Omit<TaskScheduler.TaskSchedulerSettings, "taskSlots">) {
    this.state = TaskScheduler.make({ taskSlots: 1, ...limits })
  }

  step(event: TaskScheduler.Event): void {
    for (const command of TaskScheduler.step(this.state, event)) this.perform(command)
    for (const executor of this.alive) {
      const count = this.running.filter((one) => one.executor === executor).length
      assert.ok(count <= 2, `${executor} has ${count} tasks`)
      assert.ok(count > 0 || !this.couldRun(), `${executor} idles while a task could run`)
    }
  }

  couldRun(): boolean {
    const { jobs, stages } = this.state
    const isReady = (reads: TaskSpec["reads"]) => reads.every(({ stage }) => stages.get(stage)?.unfinished === 0)
    return [...jobs.values()].some((job) =>
      [job.stage, ...demandOf(this.state, job).keys()].flatMap(({ waiting }) => waiting).some((t) =>
        isReady(t.spec.reads)
      )
    )
  }

  perform(command: TaskScheduler.Command): void {
    if (command.kind === "LaunchTasks") {
      const { blocks, ignored } = command.work.places
      assert.ok(ignored.every((id) => this.ignored.has(id)) && !blocks.some(([id]) => this.ignored.has(id)))
      assert.ok(this.alive.includes(command.executor), `launch on ${command.executor}, which is not alive`)
      for (const task of command.work.tasks) {
        const twice: Running | undefined = this.running.find((one) =>
          command.work.work.kind === "map" && one.work.stage === command.work.stage &&
          one.work.work.kind === "map" && one.task.partition === task.partition
        )
        assert.equal(twice, undefined, `map task ${command.work.stage}/${task.partition} runs twice at once`)
        this.running.push({ executor: command.executor, work: command.work, task })
      }
      return
    }
    if (command.kind === "TaskRetried" || command.kind === "SnapshotComplete") return
    if (command.kind === "DropOutputs" || command.kind === "ReleaseState") return
    if (command.kind === "BlockIgnored") {
      return assert.equal(this.ignored.size + 1, this.ignored.add(command.block).size, "a block is told twice")
    }
    assert.ok(this.submitted.has(command.job) && !this.ended.has(command.job), `job ${command.job} ends twice`)
    this.ended.set(command.job, command.kind === "JobSucceeded" ? "succeeded" : "failed")
    if (command.kind === "JobFailed") this.failures.push(command.failure)
    else {
      const values = command.ends.map(({ value }) => value?.kind === "value" ? value.value : undefined)
      assert.deepEqual(values, this.submitted.get(command.job))
    }
  }

  submit(job: number, graph: JobGraph): void {
    for (const stage of [graph.result, ...graph.stages]) {
      for (const task of stage.tasks) this.reads.set(`${stage.stage}/${task.partition}`, task.reads[0]?.stage)
    }
    const stages = graph.stages.filter(({ stage }) => !TaskScheduler.isKnown(this.state, stage))
    this.submitted.set(job, graph.result.tasks.map(({ partition }) => `${graph.result.stage}/${partition}`))
    this.step({ kind: "JobSubmitted", job, graph: { ...graph, stages }, action: { kind: "collect" } })
  }

  forget(before: number): void {
    this.step({ kind: "Forgotten", before, done: -Infinity })
    for (const block of this.ignored) if (!this.state.ignoredBlocks.has(block)) this.ignored.delete(block)
  }

  cancel(job: number): void {
    if (!this.submitted.has(job) || this.ended.has(job)) return
    this.ended.set(job, "cancelled")
    this.step({ kind: "JobCancelled", job })
  }

  /** A name that was used is never used again. */
  add(): void {
    const executor = `e${this.ids.size}`
    this.ids.add(executor)
    this.alive.push(executor)
    this.held.set(executor, new Set())
    this.step({ kind: "ExecutorAdded", executor })
  }

  lose(executor: string): void {
    this.alive.splice(this.alive.indexOf(executor), 1)
    this.held.delete(executor)
    this.running = this.running.filter((one) => one.executor !== executor)
    this.step({ kind: "ExecutorLost", executor, reason: "test" })
  }

  /** What the task truly comes to. */
  honest({ work, task }: Running): TaskResult {
    const reads = this.reads.get(`${work.stage}/${task.partition}`)
    if (reads !== undefined) {
      const places = work.places.shuffles.find(([id]) => id === reads)![1]
      const missing = places.findIndex((place, map) => !this.held.get(place)?.has(`${reads}/${map}`))
      if (missing >= 0) {
        return {
          kind: "FetchFailed",
          shuffle: reads,
          mapPartition: missing,
          executor: places[missing]!,
          reason: "gone"
        }
      }
    }
    return done(`${work.stage}/${task.partition}`)
  }

  end(index: number, result: TaskResult, holders?: ReadonlyArray<string>): void {
    const [one] = this.running.splice(index, 1)
    const { executor, work, task } = one!
    if (result.kind === "Done" && work.work.kind === "map") {
      this.held.get(executor)!.add(`${work.stage}/${task.partition}`)
    }
    const event = { kind: "TaskEnded", executor, task: task.task, attempt: task.attempt, result, holders } as const
    this.told.push(event)
    this.step(event)
  }

  finish(): void {
    if (this.alive.length === 0) this.add()
    for (let i = 0; i < 10_000 && this.running.length > 0; i++) this.end(0, this.honest(this.running[0]!))
    for (const job of this.submitted.keys()) assert.ok(this.ended.has(job), `job ${job} never ends`)
  }
}

/** Three shuffles, one behind the other, shared by jobs; results read one or two of them, by partition. */
const shuffleSpecs = (time: number): ReadonlyArray<StageSpec> => [
  stageSpec(`s@${time}:0`, [0, 1, 2].map((p) => taskSpec(p, { block: { block: `b${p}`, executors: [`e${p}`] } }))),
  stageSpec(`s@${time}:1`, [0, 1].map((p) => taskSpec(p, { reads: all(`s@${time}:0`) }))),
  stageSpec(`s@${time}:2`, [taskSpec(0), taskSpec(1, { reads: all(`s@${time}:1`) })])
]

const graphOf = (job: number, time: number, top: number): JobGraph => ({
  stages: shuffleSpecs(time),
  result: stageSpec(`r${job}@${time}:9`, [
    taskSpec(0, { reads: all(`s@${time}:${top}`) }),
    taskSpec(1, { reads: all(`s@${time}:${top}`) }),
    taskSpec(2),
    taskSpec(3, { reads: all(`s@${time}:${(top + 1) % 3}`) })
  ])
})

const actionArbitrary = fc.tuple(
  fc.constantFrom(
    "submit",
    "submit",
    "end",
    "end",
    "end",
    "end",
    "fail",
    "fetch",
    "block",
    "add",
    "lose",
    "cancel",
    "again",
    "forget"
  ),
  fc.nat(30),
  fc.nat(2)
)

const play = (world: World, actions: ReadonlyArray<readonly [string, number, number]>): void => {
  let jobs = 0
  for (const [action, n, m] of actions) {
    const index = world.running.length === 0 ? -1 : n % world.running.length
    const one = world.running[index]
    if (action === "submit") world.submit(jobs, graphOf(jobs++, 1 + Math.floor(jobs / 3), m))
    else if (action === "add" && world.alive.length < 4) world.add()
    else if (action === "lose" && world.alive.length > 0) world.lose(world.alive[n % world.alive.length]!)
    else if (action === "cancel") world.cancel(n % Math.max(1, jobs))
    else if (action === "again" && world.told.length > 0) world.step(world.told[n % world.told.length]!)
    else if (action === "forget") world.forget(Math.floor(jobs / 3))
    else if (one !== undefined && action === "end") world.end(index, world.honest(one))
    else if (one !== undefined && action === "fail") world.end(index, failed)
    else if (one !== undefined && action === "block") {
      world.end(index, { kind: "BlockLost", block: "b0", reason: "test", notAt: [] }, m === 0 ? undefined : ["e1"])
    } else if (one !== undefined && action === "fetch") {
      const [shuffle, places] = one.work.places.shuffles[0] ?? [undefined, []]
      if (shuffle === undefined) continue
      const mapPartition = m % places.length
      world.end(index, { kind: "FetchFailed", shuffle, mapPartition, executor: places[mapPartition]!, reason: "test" })
    }
  }
}

test("within the limits every job ends with each partition's value once, whatever is lost", () => {
  fc.assert(
    fc.property(fc.array(actionArbitrary, { maxLength: 80 }), (actions) => {
      const world = new World({ maxTaskFailures: 1000, maxStageRepairs: 1000, onBlockLost: "ignore" })
      play(world, actions)
      world.finish()
      assert.deepEqual(world.failures, [])
    }),
    { numRuns: 500 }
  )
})

test("over the limits jobs fail, all others end, and the machine goes on", () => {
  let seen = 0
  fc.assert(
    fc.property(fc.array(actionArbitrary, { minLength: 20, maxLength: 120 }), (actions) => {
      const world = new World({ maxTaskFailures: 2, maxStageRepairs: 1 })
      play(world, actions)
      seen += world.failures.length
      world.finish()
      for (const failure of world.failures) assert.match(failure.message, /maxTaskFailures|maxStageRepairs|onBlockLost/)
      world.submit(1000, graphOf(1000, 1000, 2))
      world.finish()
      assert.equal(world.ended.get(1000), "succeeded")
    }),
    { numRuns: 300 }
  )
  assert.ok(seen > 50)
})

const two = (settings = { maxTaskFailures: 4, maxStageRepairs: 10 }): World => {
  const world = new World(settings)
  world.add()
  world.add()
  return world
}

const inputJob = (job: number, tasks: number): JobGraph => ({
  stages: [],
  result: stageSpec(`r${job}@1:0`, Array.from({ length: tasks }, (_, p) => taskSpec(p)))
})

const placesOf = (world: World) => world.running.map(({ executor, task }) => `${executor}:${task.partition}`).sort()

test("a partition goes to the executor of its number, in every job the same", () => {
  const world = two()
  for (const job of [1, 2, 3]) {
    world.submit(job, inputJob(job, 2))
    assert.deepEqual(placesOf(world), ["e0:0", "e1:1"])
    world.finish()
  }
})

test("a block is read where it is, and an idle executor takes what is left", () => {
  const world = two()
  const block = { block: "b", executors: ["e1"] }
  world.submit(1, { stages: [], result: stageSpec("r@1:0", [0, 1, 2, 3].map((p) => taskSpec(p, { block }))) })
  assert.deepEqual(placesOf(world), ["e0:1", "e1:0", "e1:2"])
  world.finish()
})

test("an executor that is held gets at most the next task that prefers it; the rest is run elsewhere", () => {
  const world = two()
  world.submit(1, inputJob(1, 8))
  const atFree = (): number => world.running.findIndex(({ executor }) => executor === "e1")
  for (let index = atFree(); index >= 0; index = atFree()) world.end(index, world.honest(world.running[index]!))
  assert.deepEqual(placesOf(world), ["e0:0", "e0:2"])
})

test("tasks of a stage for one executor come in one message", () => {
  const state = TaskScheduler.make({ taskSlots: 2, maxTaskFailures: 4, maxStageRepairs: 10 })
  TaskScheduler.step(state, { kind: "ExecutorAdded", executor: "e0" })
  const commands = TaskScheduler.step(state, {
    kind: "JobSubmitted",
    job: 1,
    graph: inputJob(1, 3),
    action: { kind: "count" }
  })
  assert.equal(commands.length, 1)
  assert.equal(commands[0]!.kind === "LaunchTasks" && commands[0]!.work.tasks.length, 3)
})

test("a task that fails four times fails its job with operator, partition and cause", () => {
  const world = two()
  world.submit(1, inputJob(1, 1))
  const places: Array<string> = []
  while (world.running.length > 0) {
    places.push(world.running[0]!.executor)
    world.end(0, failed)
  }
  assert.deepEqual(places, ["e0", "e1", "e0", "e1"])
  assert.equal(
    world.failures[0]!.message,
    'operator "op" failed 4 times in partition 0 (maxTaskFailures); the last cause: boom'
  )
})

test("a failing map task fails the jobs that wait for it and no other", () => {
  const world = two({ maxTaskFailures: 1, maxStageRepairs: 1 })
  world.submit(1, graphOf(1, 1, 0))
  world.submit(2, graphOf(2, 2, 0))
  world.end(0, failed)
  assert.deepEqual([...world.ended], [[1, "failed"]])
  world.finish()
  assert.equal(world.ended.get(2), "succeeded")
})

test("a second job over a shuffle does not run it again, before a loss", () => {
  const world = two()
  world.submit(1, graphOf(1, 1, 1))
  world.finish()
  world.submit(2, graphOf(2, 1, 1))
  assert.ok(world.running.every(({ work }) => work.stage === "r2@1:9" || work.stage === "s@1:2"))
  world.finish()
  world.lose("e0")
  assert.equal(world.running.length, 0, "nobody wants what was lost")
  world.add()
  world.submit(3, graphOf(3, 1, 1))
  const stages: Array<string> = []
  while (world.running.length > 0) {
    stages.push(world.running[0]!.work.stage)
    world.end(0, world.honest(world.running[0]!))
  }
  assert.ok(stages.includes("s@1:0") && stages.includes("s@1:1"))
  assert.equal(world.ended.get(3), "succeeded")
})

test("a task that four executors died with fails its job, and kills no fifth; one that waited there is not blamed", () => {
  const world = new World({ maxTaskFailures: 4, maxStageRepairs: 10 })
  for (const job of [1, 2]) world.submit(job, inputJob(job, 1))
  for (let death = 0; death < 4; death++) {
    assert.equal(world.ended.get(1), undefined)
    world.add()
    assert.equal(world.running.length, 2, "the other waits behind it")
    world.lose(world.running[0]!.executor)
  }
  assert.equal(world.ended.get(1), "failed")
  assert.match(world.failures[0]!.message, /was run by 4 executors, and each died/)
  world.finish()
  assert.equal(world.ended.get(2), "succeeded")
})

test("many readers of one lost executor spend one repair of their stage", () => {
  const world = two({ maxTaskFailures: 1, maxStageRepairs: 1 })
  world.add()
  const shuffle = stageSpec("s@1:0", [0, 1, 2].map((p) => taskSpec(p)))
  const readers = Array.from({ length: 6 }, (_, p) => taskSpec(p, { reads: all("s@1:0") }))
  world.submit(1, { stages: [shuffle], result: stageSpec("r@1:1", readers) })
  for (let i = 0; i < 3; i++) world.end(0, world.honest(world.running[0]!))
  world.lose("e2")
  world.finish()
  assert.deepEqual([...world.ended], [[1, "succeeded"]])
})

test("a job that reads what was forgotten fails with the remedy", () => {
  const world = two()
  world.submit(1, graphOf(1, 1, 2))
  world.finish()
  world.step({ kind: "Forgotten", before: 2, done: -Infinity })
  const graph = { stages: [], result: stageSpec("r@2:0", [taskSpec(0, { reads: all("s@1:2") })]) }
  world.submit(2, graph)
  assert.match(world.failures[0]!.message, /reads s@1:2, of which something was forgotten.*remember/)
})

test("a job of no partition ends at once", () => {
  const world = new World({ maxTaskFailures: 1, maxStageRepairs: 1 })
  world.submit(1, inputJob(1, 0))
  assert.equal(world.ended.get(1), "succeeded")
})
