/**
 * Batches of one and two jobs that end well or not, in every order, with a drain and a stop at any time.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause } from "effect"
import * as Job from "../../core/scheduling/Job.ts"
import * as JobScheduler from "../../core/scheduling/JobScheduler.ts"
import { enumerate, keyOf, type Surrounded } from "./enumerate.ts"

type Move =
  | { readonly kind: "Submit"; readonly jobs: number }
  | { readonly kind: "End"; readonly job: string; readonly failed: boolean }
  | { readonly kind: "Drain" | "Stop" }

const surrounded = (settings: JobScheduler.JobSchedulerSettings) => (): Surrounded<Move> => {
  let state = JobScheduler.initial<string>()
  let last = 0
  const running = new Map<string, Job.Job>()
  const submitted: Array<string> = []
  const started: Array<string> = []
  const open = new Map<number, { left: number; failed: boolean }>()
  let failedBatch: number | undefined
  let failures = 0
  let stopped = false

  const perform = (command: JobScheduler.JobSchedulerCommand<string>) => {
    switch (command.kind) {
      case "StartJob": {
        const { id, time } = command.job
        assert.ok(!started.includes(id), "a job starts once")
        assert.ok(!stopped, "nothing starts after the end")
        assert.ok(
          failedBatch === undefined || state.phase === "Draining" || time === failedBatch,
          "only of the failed batch"
        )
        started.push(id)
        running.set(id, command.job)
        assert.ok(running.size <= settings.concurrentJobs, "no more at once than may be")
        const skipped = submitted.slice(0, submitted.indexOf(id)).filter((before) => !started.includes(before))
        assert.ok(skipped.length === 0 || failedBatch !== undefined, "in the order in which they were submitted")
        return
      }
      case "BatchEnded": {
        const batch = open.get(command.time)
        assert.equal(batch?.left, 0, "a batch ends once, when all its jobs have")
        open.delete(command.time)
        const failed = settings.onBatchFailure === "stop" ? "failed" : "skipped"
        assert.equal(command.result, batch!.failed ? failed : "processed")
        return
      }
      case "Fail":
        failures++
        assert.equal(failures, 1, "a failure is told once")
        return
      case "CancelJobs":
        stopped = true
        running.clear()
        return
      case "Post":
        return
    }
  }

  const send = (event: JobScheduler.JobSchedulerEvent<string>) => {
    const [next, commands] = JobScheduler.step(settings)(state, event)
    state = next
    commands.forEach(perform)
    const wanted = state.phase === "Stopped" ? [] : [...running.keys()]
    assert.deepEqual([...state.running].sort(), wanted.sort(), "what runs is what was started and has not ended")
    if (state.phase === "Running" || state.phase === "Draining") {
      const waits = submitted.length > started.length
      assert.ok(!waits || running.size === settings.concurrentJobs, "nothing waits while there is room")
    }
  }

  return {
    moves: () => [
      { kind: "Submit", jobs: 1 },
      { kind: "Submit", jobs: 2 },
      ...[...running.keys()].flatMap((job): ReadonlyArray<Move> => [
        { kind: "End", job, failed: false },
        { kind: "End", job, failed: true }
      ]),
      { kind: "Drain" },
      { kind: "Stop" }
    ],
    take: (move) => {
      switch (move.kind) {
        case "Submit": {
          const time = ++last
          const jobs = Array.from({ length: move.jobs }, (_, i) => Job.make(time, `out${i}`))
          if (state.phase !== "Stopped") {
            open.set(time, { left: move.jobs, failed: false })
            submitted.push(...jobs.map(({ id }) => id))
          }
          return send({ kind: "JobSetSubmitted", time, jobs, inputs: [], now: time })
        }
        case "End": {
          const job = running.get(move.job)!
          running.delete(move.job)
          const batch = open.get(job.time)!
          batch.left--
          batch.failed ||= move.failed
          if (move.failed && settings.onBatchFailure === "stop") failedBatch ??= job.time
          const result: Job.JobResult<string> = move.failed
            ? { kind: "Failed", cause: Cause.fail("boom"), reason: "boom" }
            : { kind: "Done" }
          return send({ kind: "JobEnded", job, result, now: last })
        }
        case "Drain":
        case "Stop":
          return send({ kind: move.kind })
      }
    },
    key: () => keyOf([state, [...running.keys()], submitted, started, open, failedBatch, failures, stopped])
  }
}

for (const onBatchFailure of ["stop", "skip"] as const) {
  for (const concurrentJobs of [1, 2]) {
    test(`every sequence of events of the JobScheduler keeps its invariants (${concurrentJobs} at once, ${onBatchFailure})`, () => {
      const { sequences, situations } = enumerate(surrounded({ concurrentJobs, onBatchFailure }))
      assert.ok(sequences > 50_000, `only ${sequences} sequences`)
      assert.ok(situations > 1000, `only ${situations} situations`)
    })
  }
}
