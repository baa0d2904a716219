/**
 * OutputRunner: runs one output of one batch, which is a job: its action over the batch, then the steps of the states it
 * depends on that the action did not ask for. What the action fails with, the job fails with. Caller: `JobScheduler.ts`.
 *
 * An output that a driver before this one had finished is not run again: its states take their step when a later version asks.
 * Under policy `skip` the skip of a failed output is recorded before its job ends, and before anything later of it is committed.
 */
import { Cause, type Context, Effect } from "effect"
import type { JobFailed } from "../../../core/dstream/Batch.ts"
import type { SealedRDD } from "../../../core/dstream/Derivation.ts"
import type { DStreamGraph, GraphOutput } from "../../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../../core/dstream/GeneratedRDDs.ts"
import type { OutputAction } from "../../../core/dstream/Output.ts"
import { commitIdOf, Fenced } from "../../../core/output/Sink.ts"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { Border } from "../../../core/protocol/RecordCodec.ts"
import * as RddIds from "../../../core/rdd/RddId.ts"
import type { BatchFailurePolicy, Job } from "../../../core/scheduling/Job.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { Fail } from "../../Supervisor.ts"
import * as BatchReader from "../BatchReader.ts"
import * as CommitTurns from "./CommitTurns.ts"
import { type ConsoleFailed, ConsoleWritten } from "./ConsoleWritten.ts"
import * as SinkRunner from "./SinkRunner.ts"
import type * as TaskScheduler from "../TaskScheduler.ts"

/** What the driver keeps of outputs, so that the next one does not repeat them. */
export interface OutputLog<E> {
  readonly isFinished: (time: Time, output: string) => boolean
  /** The output of this batch is done. */
  readonly outputFinished: (time: Time, output: string) => void
  /** Durable when it returns. */
  readonly recordSkipped: (time: Time, output: string) => Effect.Effect<void, E>
}

/** Without a place for checkpoints there is no next driver. */
export const noLog: OutputLog<never> = {
  isFinished: () => false,
  outputFinished: () => {},
  recordSkipped: () => Effect.void
}

export interface OutputRunnerOptions<E> {
  readonly graph: DStreamGraph
  readonly memo: GeneratedRDDs.GeneratedRDDs
  readonly tasks: TaskScheduler.TaskScheduler
  readonly border: Border["Service"]
  /** What the app's layer provides, built in the driver. */
  readonly context: Context.Context<any>
  readonly epoch: number
  readonly line: string
  readonly settings: { readonly onBatchFailure: BatchFailurePolicy }
  readonly log: OutputLog<E>
  /** Ends the context: a later driver has taken an output over. */
  readonly fail: Fail<unknown>
}

/** The states that each output depends on. */
const statesByOutput = ({ node, outputs }: DStreamGraph): ReadonlyMap<string, ReadonlyArray<StreamId>> => {
  const above = (id: StreamId): ReadonlyArray<StreamId> => {
    const { checkpointMillis, parents } = node(id)!
    return [...parents.flatMap(above), ...(checkpointMillis === undefined ? [] : [id])]
  }
  return new Map(outputs.map(({ id, stream }) => [id, [...new Set(above(stream))]]))
}

/** To be called in the order in which jobs start; what it returns does the work. */
export const make = <E>(options: OutputRunnerOptions<E>) => {
  const { graph, memo, tasks, log } = options
  const states = statesByOutput(graph)
  const outputs = new Map<string, GraphOutput>(graph.outputs.map((output) => [output.id, output]))
  const act = actor(options)
  // An output may have read a part of the batch, or nothing: its states take their step all the same.
  const stepStates = Effect.fnUntraced(function* ({ output, time }: Job) {
    for (const state of states.get(output)!) {
      const view = yield* Effect.provideService(GeneratedRDDs.getOrCompute(state, time), GeneratedRDDs.Memo, memo)
      if (view === undefined || tasks.isComplete(RddIds.stateId(state, time))) continue
      yield* tasks.runJob({ rdd: view, action: { kind: "take", count: 0 }, time, output })
    }
  })
  return (job: Job) => {
    const { output, time } = job
    if (log.isFinished(time, output)) return Effect.void
    const { output: { action }, stream } = outputs.get(output)!
    // There is a job only where there is an RDD.
    const rdd = Effect.map(
      Effect.provideService(GeneratedRDDs.getOrCompute(stream, time), GeneratedRDDs.Memo, memo),
      (found) => found!
    )
    return Effect.andThen(act(job, action, rdd), () => stepStates(job))
  }
}

/** Does an output's action over its batch. */
const actor = <E>({ border, context, epoch, fail, graph, line, log, settings, tasks }: OutputRunnerOptions<E>) => {
  const turns = CommitTurns.make({ policy: settings.onBatchFailure, recordSkipped: log.recordSkipped })
  const sinks = SinkRunner.make({ app: graph.manifest.app, epoch, line, border, context, turns })
  const failed = ({ output, time }: Job) =>
    settings.onBatchFailure === "stop" ? Effect.void : log.recordSkipped(time, output)
  return (
    job: Job,
    action: OutputAction,
    rdd: Effect.Effect<SealedRDD, GeneratedRDDs.LineageError>
  ): Effect.Effect<void, E | JobFailed | GeneratedRDDs.LineageError | CommitTurns.CommitRefused | ConsoleFailed> => {
    const { output, time } = job
    const run: BatchReader.RunAction = (on, what, partitions) =>
      tasks.runJob({ rdd: on, action: what, partitions, time, output })
    const partitions = (of: SealedRDD) => run(of, { kind: "foreachPartition", output })
    const finished = () => log.outputFinished(time, output)
    if (action.kind === "sink") {
      return Effect.tapCause(
        sinks.run(job, action.sink, { rdd, partitions, committed: finished }),
        endIfFenced(fail)
      )
    }
    const read = (of: SealedRDD): Effect.Effect<unknown, JobFailed> =>
      action.kind === "foreachPartition" ? partitions(of) : Effect.provideContext(
        action.run(
          BatchReader.make(of, commitIdOf({ app: graph.manifest.app, output, time }), border, run)
        ) as Effect.Effect<unknown, any, any>,
        context
      )
    return Effect.flatMap(rdd, read).pipe(
      Effect.andThen(Effect.flatten(ConsoleWritten)),
      Effect.andThen(() => Effect.sync(finished)),
      Effect.tapCause(() => failed(job))
    )
  }
}

/** A driver that was replaced ends, whatever the policy for failed batches: it would fail at every batch from now on. */
const endIfFenced = (fail: Fail<unknown>) => (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    const fenced = cause.reasons.find((reason) => Cause.isFailReason(reason) && reason.error instanceof Fenced)
    if (fenced !== undefined) fail(cause)
  })
