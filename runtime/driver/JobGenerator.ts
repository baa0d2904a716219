/**
 * JobGenerator: makes the batches: performs `core/scheduling/JobGenerator.ts`.
 *
 * For each tick it asks for the batch's inputs (`allocate`: one durable record), makes the jobs, and submits them with the
 * input infos; behind completed batches it clears. Generating and checkpoints are fibers of their own, so that a slow source
 * or storage holds neither the clearing of other batches nor a stop. Source: Spark Streaming's `JobGenerator`.
 */
import { type Cause, Deferred, Effect, Exit, type Scope } from "effect"
import { type InputInfo, type InputInfoError, InputInfoTracker } from "../../core/scheduling/InputInfoTracker.ts"
import { failureReason, type Job } from "../../core/scheduling/Job.ts"
import * as Machine from "../../core/scheduling/JobGenerator.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../core/time/Time.ts"
import * as EventLoop from "./EventLoop.ts"
import type { JobScheduler } from "./JobScheduler.ts"
import * as RecurringTimer from "./RecurringTimer.ts"
import type { Fail } from "../Supervisor.ts"
import * as Supervisor from "../Supervisor.ts"

/** What durability adds. */
export interface Checkpointing {
  /**
   * Takes the state of this moment and writes it; ends when that is durable (true), or when a newer one took its place or it
   * failed (false). The hook bounds what waits to be written.
   */
  readonly checkpoint: (time: Time, clearCheckpointDataLater: boolean) => Effect.Effect<boolean>
  /** Drops what no valid checkpoint refers to: the batches at or before `time` are done, and a checkpoint says so. */
  readonly clearCheckpointData: (time: Time) => Effect.Effect<void>
}

export interface JobGeneratorOptions<E> {
  readonly settings: Machine.JobGeneratorSettings
  readonly scheduler: JobScheduler
  /** The inputs of a batch, recorded before it counts; asked again for a recorded batch, it gives the same. */
  readonly allocate: (time: Time) => Effect.Effect<ReadonlyArray<InputInfo>, E>
  /** One job per output that has something to do at this time, in the order of the outputs. */
  readonly generateJobs: (time: Time) => Effect.Effect<ReadonlyArray<Job>, E>
  /** Every batch at or before `time` is done: each part forgets what is at or before it less its own remember duration. */
  readonly clearMetadata: (time: Time) => Effect.Effect<void>
  readonly checkpointing?: Checkpointing | undefined
  readonly receivers: {
    /** Stops the receivers, ends when all they stored is known. */
    readonly stopGracefully: Effect.Effect<void>
    readonly hasUnallocated: () => boolean
  }
  readonly post: (event: StreamingEvent) => void
  readonly fail: Fail<E | InputInfoError>
}

export interface Start {
  readonly zeroTime: Time
  /** After a recovery: the last batch known, and the batches to generate again. */
  readonly after?: Time | undefined
  readonly again?: ReadonlyArray<Time> | undefined
}

export interface JobGenerator {
  /** The first batch is one batch duration after zero time; once. */
  readonly start: (start: Start) => void
  /**
   * Gracefully: receivers stop, batches are generated until nothing is unallocated, the timer stops, all batches end. At once:
   * nothing more is generated. A second stop, at once, cuts a graceful one short. The scheduler is stopped afterwards.
   */
  readonly stop: (options: { readonly graceful: boolean }) => Effect.Effect<void>
  readonly phase: () => Machine.JobGeneratorPhase
  /** Batches that are generated, or being generated, and not completed, by time. */
  readonly openTimes: () => ReadonlyArray<Time>
}

export const make = <E>(options: JobGeneratorOptions<E>): Effect.Effect<JobGenerator, never, Scope.Scope> =>
  Effect.gen(function* () {
    type Failure = E | InputInfoError
    const { settings, scheduler } = options
    const stopped = yield* Deferred.make<void>()
    // Whatever ended the context: nobody shall wait for a loop that may be dead.
    const fail = (cause: Cause.Cause<Failure>) => {
      options.fail(cause)
      Deferred.doneUnsafe(stopped, Exit.void)
    }
    yield* Effect.addFinalizer(() => Deferred.succeed(stopped, undefined))
    const fork = yield* Supervisor.make(fail)
    const infos = new InputInfoTracker()

    const generate = (time: Time) =>
      Effect.gen(function* () {
        const inputs = yield* options.allocate(time)
        for (const info of inputs) yield* Effect.fromResult(infos.report(time, info))
        const jobs = yield* options.generateJobs(time)
        const unallocated = options.receivers.hasUnallocated()
        loop.post({ kind: "BatchGenerated", time, jobs, inputs: infos.get(time), unallocated })
      }).pipe(
        Effect.catchCause((cause) => Effect.sync(() => loop.post({ kind: "GenerationFailed", time, cause })))
      )
    const checkpoint = (time: Time, clearCheckpointDataLater: boolean) => {
      const completed = (written: boolean) =>
        loop.post({ kind: "CheckpointCompleted", time, clearCheckpointDataLater, written })
      if (options.checkpointing === undefined) return completed(true)
      fork(Effect.map(options.checkpointing.checkpoint(time, clearCheckpointDataLater), completed))
    }
    const stopReceivers = Effect.map(
      options.receivers.stopGracefully,
      () => loop.post({ kind: "ReceiversStopped", unallocated: options.receivers.hasUnallocated() })
    )

    const perform = (command: Machine.JobGeneratorCommand<Failure>): Effect.Effect<void> | void => {
      switch (command.kind) {
        case "StartTimer":
          return timer.start(command.first)
        case "GenerateJobs":
          return void fork(generate(command.time))
        case "SubmitJobSet":
          return scheduler.submit(command.time, command.jobs, command.inputs)
        case "ClearMetadata":
          infos.cleanup(command.time)
          return options.clearMetadata(command.time)
        case "DoCheckpoint":
          return checkpoint(command.time, command.clearCheckpointDataLater)
        case "ClearCheckpointData":
          return options.checkpointing && void fork(options.checkpointing.clearCheckpointData(command.time))
        case "ReportMissed":
          return options.post({ kind: "TicksMissed", ...command.missed, policy: settings.missedTicks })
        case "ReportClockSetBack":
          return options.post({ kind: "ClockSetBack", now: command.now, lastTick: command.lastTick })
        case "ReportFailed":
          return options.post({ kind: "GenerationFailed", time: command.time, reason: failureReason(command.cause) })
        case "StopReceivers":
          scheduler.drain()
          return void fork(stopReceivers)
        case "StopTimer":
          return timer.stop
        case "Fail":
          return fail(command.cause)
        case "Stopped":
          return void Deferred.doneUnsafe(stopped, Exit.void)
      }
    }
    const initial = Machine.initial<Failure>()
    const loop = yield* EventLoop.make<
      Machine.JobGeneratorState<Failure>,
      Machine.JobGeneratorEvent<Failure>,
      Machine.JobGeneratorCommand<Failure>
    >({ name: "JobGenerator", initial, step: Machine.step(settings), perform }, fail)
    const timer = yield* RecurringTimer.make(
      settings.batchMillis,
      {
        ticked: (_, last) => loop.post({ kind: "TimerTicked", time: last }),
        setBack: (now) => loop.post({ kind: "ClockSetBack", now })
      },
      fail
    )
    scheduler.onBatchEnded((time, result) => loop.post({ kind: "BatchCompleted", time, result }))
    return {
      start: (start) => loop.post({ kind: "Started", ...start }),
      stop: ({ graceful }) =>
        Effect.suspend(() => {
          loop.post({ kind: "StopRequested", graceful })
          return Deferred.await(stopped)
        }),
      phase: () => loop.state().phase,
      openTimes: () => {
        const { open, generating } = loop.state()
        return [...open.map(({ time }) => time), ...(generating === undefined ? [] : [generating])]
      }
    }
  })
