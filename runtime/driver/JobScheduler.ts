/**
 * JobScheduler: runs the jobs of the batches: performs `core/scheduling/JobScheduler.ts`.
 *
 * Each job is a fiber; however it ends - well, with an error, with a defect of the user's code - the machine learns it. A job
 * is interrupted when the scheduler stops. Source: Spark Streaming's `JobScheduler`.
 */
import { Cause, Clock, Deferred, Effect, Exit, type Scope } from "effect"
import type { InputInfo } from "../../core/scheduling/InputInfoTracker.ts"
import { failureReason, type Job, type JobId, type JobResult } from "../../core/scheduling/Job.ts"
import * as Machine from "../../core/scheduling/JobScheduler.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../core/time/Time.ts"
import * as EventLoop from "./EventLoop.ts"
import { CommitRefused } from "./outputs/CommitTurns.ts"
import type { Fail, Supervised } from "../Supervisor.ts"
import * as Supervisor from "../Supervisor.ts"

export interface JobSchedulerOptions<E> {
  readonly settings: Machine.JobSchedulerSettings
  /** Called in the order in which jobs start; what it returns may be at work at once with others. */
  readonly runJob: (job: Job) => Effect.Effect<void, E>
  readonly post: (event: StreamingEvent) => void
  /** Ends the context; under policy `stop` with the cause of the failed job. */
  readonly fail: Fail<E>
}

export interface JobScheduler {
  /** At least one job; times grow. */
  readonly submit: (time: Time, jobs: ReadonlyArray<Job>, inputs: ReadonlyArray<InputInfo>) => void
  /** Sets the one handler of batches that have ended. */
  readonly onBatchEnded: (handler: (time: Time, result: Machine.BatchResult) => void) => void
  /** A graceful stop has begun: a failed batch no longer holds the others, and is told at `stop`. */
  readonly drain: () => void
  /** Interrupts what runs, starts nothing more. */
  readonly stop: Effect.Effect<void>
  /** Batches that are open, and those that failed and would be run again by a recovery. */
  readonly pendingTimes: () => ReadonlyArray<Time>
}

export const make = <E>(options: JobSchedulerOptions<E>): Effect.Effect<JobScheduler, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    const stopped = yield* Deferred.make<void>()
    // Whatever ended the context: nobody shall wait for a loop that may be dead.
    const fail = (cause: Cause.Cause<E>) => {
      options.fail(cause)
      Deferred.doneUnsafe(stopped, Exit.void)
    }
    yield* Effect.addFinalizer(() => Deferred.succeed(stopped, undefined))
    const fork = yield* Supervisor.make(fail)
    const running = new Map<JobId, Supervised>()
    let batchEnded = (_time: Time, _result: Machine.BatchResult): void => {}

    const ended = (job: Job, exit: Exit.Exit<void, E>) => {
      running.delete(job.id)
      loop.post({ kind: "JobEnded", job, result: resultOf(exit), now: now() })
    }
    const startJob = (job: Job) => {
      let over = false
      const fiber = fork(
        started(() => options.runJob(job)).pipe(
          Effect.exit,
          Effect.map((exit) => {
            over = true
            ended(job, exit)
          })
        )
      )
      if (!over) running.set(job.id, fiber)
    }
    const perform = (command: Machine.JobSchedulerCommand<E>): Effect.Effect<void> | void => {
      switch (command.kind) {
        case "StartJob":
          return startJob(command.job)
        case "Post":
          return options.post(command.event)
        case "BatchEnded":
          return batchEnded(command.time, command.result)
        case "CancelJobs":
          return Effect.forEach([...running.values()], (job) => job.cancel, { concurrency: "unbounded" }).pipe(
            Effect.andThen(Deferred.succeed(stopped, undefined))
          )
        case "Fail":
          return fail(command.cause)
      }
    }
    const initial = Machine.initial<E>()
    const loop = yield* EventLoop.make<
      Machine.JobSchedulerState<E>,
      Machine.JobSchedulerEvent<E>,
      Machine.JobSchedulerCommand<E>
    >({ name: "JobScheduler", initial, step: Machine.step(options.settings), perform }, fail)
    return {
      submit: (time, jobs, inputs) => loop.post({ kind: "JobSetSubmitted", time, jobs, inputs, now: now() }),
      onBatchEnded: (handler) => void (batchEnded = handler),
      drain: () => loop.post({ kind: "Drain" }),
      stop: Effect.suspend(() => {
        loop.post({ kind: "Stop" })
        return Deferred.await(stopped)
      }),
      pendingTimes: () => Machine.pendingTimes(loop.state())
    }
  })

const resultOf = <E>(exit: Exit.Exit<void, E>): JobResult<E> =>
  Exit.isSuccess(exit) ? { kind: "Done" } : {
    kind: "Failed",
    cause: exit.cause,
    reason: failureReason(exit.cause),
    consequence: Cause.squash(exit.cause) instanceof CommitRefused
  }

const started = <E>(run: () => Effect.Effect<void, E>): Effect.Effect<void, E> => {
  try {
    return run()
  } catch (defect) {
    return Effect.die(defect)
  }
}
