/**
 * Which stages stay together at one executor: what was learnt of earlier ones, and of how many records.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import type { TaskSpec } from "../../core/scheduling/tasks/JobGraph.ts"
import * as TaskScheduler from "../../core/scheduling/tasks/TaskScheduler.ts"
import { done, failed, stageSpec, taskSpec } from "./taskSpecs.ts"

type Launch = Extract<TaskScheduler.Command, { kind: "LaunchTasks" }>

interface Run {
  readonly operator?: string
  /** Of each task. */
  readonly given: ReadonlyArray<number | undefined>
  readonly millis?: number
}

/** Two executors, and one job after the other. */
class Jobs {
  readonly state = TaskScheduler.make({ taskSlots: 1, maxTaskFailures: 100, maxStageRepairs: 100 })
  readonly ended: Array<number> = []
  private next = 0

  constructor() {
    for (const executor of ["e0", "e1"]) this.step({ kind: "ExecutorAdded", executor })
  }

  step(event: TaskScheduler.Event): ReadonlyArray<Launch> {
    const commands = TaskScheduler.step(this.state, event)
    for (const command of commands) if (command.kind === "JobSucceeded") this.ended.push(command.job)
    return commands.filter((command) => command.kind === "LaunchTasks")
  }

  submit({ given, operator = "op" }: Run): ReadonlyArray<Launch> {
    const job = this.next++
    const tasks: ReadonlyArray<TaskSpec> = given.map((records, partition) => taskSpec(partition, { given: records }))
    const result = { ...stageSpec(`r@${job}:0`, tasks), operator }
    return this.step({ kind: "JobSubmitted", job, graph: { stages: [], result }, action: { kind: "count" } })
  }

  end(launches: ReadonlyArray<Launch>, millis: number | undefined): ReadonlyArray<Launch> {
    return launches.flatMap(({ executor, work }) =>
      work.tasks.flatMap(({ attempt, task }) =>
        this.step({ kind: "TaskEnded", executor, task, attempt, result: done(`${task}`), millis })
      )
    )
  }

  /** Runs a job to its end; the executors that its tasks were sent to first, and how many were sent with each message. */
  run(run: Run): ReadonlyArray<string> {
    const launches = this.submit(run)
    for (let left = launches; left.length > 0;) left = this.end(left, run.millis)
    assert.equal(this.ended.at(-1), this.next - 1)
    return places(launches)
  }
}

const places = (launches: ReadonlyArray<Launch>) =>
  launches.map(({ executor, work }) => `${executor}:${work.tasks.map(({ partition }) => partition)}`)

const spread = ["e0:0", "e1:1"]

test("a stage stays at one executor, in one message, when the last of its operator took less than waking another does", () => {
  const jobs = new Jobs()
  assert.deepEqual(jobs.run({ given: [50, 50], millis: 0.1 }), spread)
  assert.deepEqual(jobs.run({ given: [50, 50], millis: 0.1 }), ["e0:0,1"])
  assert.deepEqual(jobs.run({ given: [50, 50, 0, 0, 0], millis: 0.3 }), ["e0:0,1,2,3,4"])
  assert.deepEqual(jobs.run({ given: [50, 50], millis: 0.1 }), spread, "it took longer the last time")
})

test("of more records more is expected; of another operator, or of what is read from elsewhere, nothing is known", () => {
  const jobs = new Jobs()
  jobs.run({ given: [50, 50], millis: 0.1 })
  assert.deepEqual(jobs.run({ given: [500, 50], millis: 1 }), spread)
  assert.deepEqual(jobs.run({ given: [20, 20], millis: 0.1, operator: "other" }), spread)
  assert.deepEqual(jobs.run({ given: [undefined, 2], millis: 0.01 }), spread)
  assert.deepEqual(jobs.run({ given: [0, undefined] }), spread)
})

test("a clock that stands still while tasks run teaches nothing", () => {
  const jobs = new Jobs()
  for (let i = 0; i < 3; i++) assert.deepEqual(jobs.run({ given: [1, 1], millis: 0 }), spread)
})

test("it goes to an executor that is free, and where none is its tasks go as any others do", () => {
  const jobs = new Jobs()
  jobs.run({ given: [1, 1], millis: 0.01 })
  const long = jobs.submit({ given: [undefined], operator: "long" })
  assert.deepEqual(places(long), ["e0:0"])
  const first = jobs.submit({ given: [1, 1] })
  assert.deepEqual(places(first), ["e1:0,1"])
  assert.deepEqual(places(jobs.submit({ given: [1, 1] })), ["e0:0"])
})

test("what has failed, or whose executor is lost, goes on its own ways; each job ends once", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("end", "fail", "lose"), { maxLength: 12 }), (actions) => {
      const jobs = new Jobs()
      jobs.run({ given: [1, 1], millis: 0.01 })
      let launches = [...jobs.submit({ given: [1, 1] })]
      let lost = 1
      for (const action of [...actions, ...Array<"end">(4).fill("end")]) {
        const launch = launches.shift()
        if (launch === undefined) break
        const { executor, work } = launch
        if (action === "end") launches.push(...jobs.end([launch], 0.01))
        else if (action === "lose" && lost-- > 0) {
          launches = launches.filter((one) => one.executor !== executor)
          launches.push(...jobs.step({ kind: "ExecutorLost", executor, reason: "test" }))
        } else {
          const [one, ...others] = work.tasks
          launches.push(
            ...jobs.step({ kind: "TaskEnded", executor, task: one!.task, attempt: one!.attempt, result: failed }),
            ...jobs.end([{ ...launch, work: { ...work, tasks: others } }], 0.01)
          )
        }
      }
      assert.deepEqual(jobs.ended, [0, 1])
    }),
    { numRuns: 1000 }
  )
})
