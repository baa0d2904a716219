/**
 * A job of a shuffle and a result, two executors that come and go, tasks that end in every way, ends told twice, in every order.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import type { TaskResult } from "../../core/protocol/ExecutorProtocol.ts"
import * as TaskScheduler from "../../core/scheduling/tasks/TaskScheduler.ts"
import { all, done, failed, stageSpec, taskSpec } from "../scheduling/taskSpecs.ts"
import { enumerate, keyOf, type Surrounded } from "./enumerate.ts"

type How = "done" | "failed" | "fetch failed" | "block lost"

type Move =
  | { readonly kind: "Add" | "Lose"; readonly executor: string }
  | { readonly kind: "End"; readonly launch: number; readonly how: How }
  | { readonly kind: "Again"; readonly launch: number }
  | { readonly kind: "Cancel" }

interface Launch {
  readonly executor: string
  readonly stage: string
  readonly work: string
  readonly task: number
  readonly attempt: number
  readonly partition: number
  state: "out" | "ended" | "lost"
}

const settings = { taskSlots: 1, maxTaskFailures: 2, maxStageRepairs: 2, onBlockLost: "ignore" as const }
const shuffle = "sums@10:0"
const result = "out@10:0"

const stagesOf = (state: TaskScheduler.State) =>
  [...state.stages].map(([id, { outputs, repairs, tasks, unfinished, waiting }]) => [
    id,
    outputs,
    repairs,
    unfinished,
    waiting.map(({ id }) => id),
    tasks.map(({ attempts, deaths, done, failures, repairs, runsAt }) => [
      attempts,
      deaths,
      done,
      failures,
      repairs,
      runsAt
    ])
  ])

const jobsOf = (state: TaskScheduler.State) =>
  [...state.jobs.values()].map(({ id, stage, ends }) => [
    id,
    [...ends.keys()],
    stage.tasks.map(({ attempts, failures, repairs, runsAt }) => [attempts, failures, repairs, runsAt])
  ])

const surrounded = (): Surrounded<Move> => {
  const state = TaskScheduler.make(settings)
  const executors = new Set<string>()
  const joined: Array<string> = []
  const launches: Array<Launch> = []
  let outcome: "succeeded" | "failed" | "cancelled" | undefined

  const launched = (
    { executor, work: { stage, tasks, work } }: Extract<TaskScheduler.Command, { kind: "LaunchTasks" }>
  ) => {
    assert.ok(executors.has(executor), "only executors that are there are given tasks")
    assert.ok(outcome === undefined || work.kind === "map", "nothing of a job starts after its end")
    for (const { attempt, partition, task } of tasks) {
      const same = launches.filter((it) => it.stage === stage && it.partition === partition)
      assert.ok(!same.some((it) => it.state === "out"), "a task runs once at a time")
      assert.ok(same.every((it) => it.attempt < attempt || it.task !== task), "each attempt is a new one")
      if (work.kind === "result") {
        const madeAt = state.stages.get(shuffle)!.outputs
        assert.ok(madeAt.every((holder) => holder !== undefined && executors.has(holder)), "what it reads is there")
      }
      launches.push({ executor, stage, work: work.kind, task, attempt, partition, state: "out" })
    }
    const out = launches.filter((it) => it.executor === executor && it.state === "out")
    assert.ok(out.length <= 2 * settings.taskSlots, "no more tasks at an executor than may be")
  }

  const perform = (command: TaskScheduler.Command) => {
    switch (command.kind) {
      case "LaunchTasks":
        return launched(command)
      case "JobSucceeded":
        assert.equal(outcome, undefined, "a job ends once")
        assert.equal(command.ends.length, 1)
        outcome = "succeeded"
        return
      case "JobFailed":
        assert.equal(outcome, undefined, "a job ends once")
        assert.ok(command.failure.message.length > 0)
        outcome = "failed"
        return
      default:
        return
    }
  }

  const send = (event: TaskScheduler.Event) => {
    TaskScheduler.step(state, event).forEach(perform)
    if (outcome !== undefined || executors.size === 0) return
    assert.ok(
      launches.some((it) => it.state === "out"),
      "a job that has not ended is at work while there is an executor"
    )
  }

  const endOf = (launch: Launch, how: How): TaskResult => {
    switch (how) {
      case "done":
        return done("x")
      case "failed":
        return failed
      case "block lost":
        return { kind: "BlockLost", block: "b", reason: "gone", notAt: [] }
      case "fetch failed": {
        const executor = state.stages.get(shuffle)?.outputs[0] ?? launch.executor
        return { kind: "FetchFailed", shuffle, mapPartition: 0, executor, reason: "gone" }
      }
    }
  }

  const graph = {
    result: stageSpec(result, [taskSpec(0, { reads: all(shuffle) })]),
    stages: [stageSpec(shuffle, [taskSpec(0, { block: { block: "b", executors: [] } }), taskSpec(1)])]
  }
  TaskScheduler.step(state, { kind: "JobSubmitted", job: 1, graph, action: { kind: "collect" } }).forEach(perform)

  return {
    moves: () => [
      ...["e1", "e2"].flatMap((executor): ReadonlyArray<Move> =>
        executors.has(executor)
          ? [{ kind: "Lose", executor }]
          : joined.includes(executor)
          ? []
          : [{ kind: "Add", executor }]
      ),
      ...launches.flatMap(({ state, work, partition }, launch): ReadonlyArray<Move> => {
        if (state === "lost") return []
        if (state === "ended") return launch === launches.length - 1 ? [{ kind: "Again", launch }] : []
        const hows: ReadonlyArray<How> = work === "result"
          ? ["done", "failed", "fetch failed"]
          : partition === 0
          ? ["done", "failed", "block lost"]
          : ["done", "failed"]
        return hows.map((how) => ({ kind: "End", launch, how }))
      }),
      ...(outcome === undefined ? [{ kind: "Cancel" } satisfies Move] : [])
    ],
    take: (move) => {
      switch (move.kind) {
        case "Add":
          executors.add(move.executor)
          joined.push(move.executor)
          return send({ kind: "ExecutorAdded", executor: move.executor })
        case "Lose":
          executors.delete(move.executor)
          for (const launch of launches) {
            if (launch.executor === move.executor && launch.state === "out") launch.state = "lost"
          }
          return send({ kind: "ExecutorLost", executor: move.executor, reason: "test" })
        case "End": {
          const launch = launches[move.launch]!
          const end = endOf(launch, move.how)
          launch.state = "ended"
          const { attempt, executor, task } = launch
          return send({ kind: "TaskEnded", executor, task, attempt, result: end, holders: [] })
        }
        case "Again": {
          const { attempt, executor, task } = launches[move.launch]!
          const before = keyOf([[...state.jobs.keys()], outcome])
          send({ kind: "TaskEnded", executor, task, attempt, result: done("again") })
          assert.equal(keyOf([[...state.jobs.keys()], outcome]), before, "an end that is told twice is no change")
          return
        }
        case "Cancel":
          outcome = "cancelled"
          return send({ kind: "JobCancelled", job: 1 })
      }
    },
    key: () => {
      return keyOf([stagesOf(state), jobsOf(state), state.ignoredBlocks, [...executors], joined, launches, outcome])
    }
  }
}

test("every sequence of events of the TaskScheduler keeps its invariants", () => {
  const { sequences, situations } = enumerate(surrounded)
  assert.ok(sequences > 30_000, `only ${sequences} sequences`)
  assert.ok(situations > 3000, `only ${situations} situations`)
})
