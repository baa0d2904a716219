/**
 * SinkRunner: puts a batch into a sink: fences the output once, has its partitions prepared on executors, and commits them when it is
 * the batch's turn (`CommitTurns`). A sink that cannot take a whole batch writes its partitions when it is their turn.
 */
import { type Context, Effect } from "effect"
import type { JobFailed } from "../../../core/dstream/Batch.ts"
import type { Payload } from "../../../core/dstream/BatchPlan.ts"
import type { SealedRDD } from "../../../core/dstream/Derivation.ts"
import type { DStreamGraph } from "../../../core/dstream/DStreamGraph.ts"
import { effectOf, tellMissingService } from "../../../core/dstream/UserEffect.ts"
import * as Sink from "../../../core/output/Sink.ts"
import type { Border } from "../../../core/protocol/RecordCodec.ts"
import type { Job } from "../../../core/scheduling/Job.ts"
import type { CommitRefused, CommitTurns } from "./CommitTurns.ts"

export interface SinkRunnerOptions<E> {
  readonly app: string
  readonly epoch: number
  readonly line: string
  readonly border: Border["Service"]
  /** What the app's layer provides, built in the driver. */
  readonly context: Context.Context<any>
  readonly turns: CommitTurns<E>
}

/** The batch's RDD, and its partitions done by executors, their values in their order. */
export interface SinkBatch<E> {
  readonly rdd: Effect.Effect<SealedRDD, E>
  readonly partitions: (rdd: SealedRDD) => Effect.Effect<ReadonlyArray<Payload | undefined>, JobFailed>
  /** Called when the batch is committed, before a later one is. */
  readonly committed: () => void
}

export interface SinkRunner<E> {
  /** To be called in the order of batches; what it returns does the work. */
  readonly run: <E1>(
    job: Job,
    sink: Sink.AnySink,
    batch: SinkBatch<E1>
  ) => Effect.Effect<void, E | E1 | JobFailed | CommitRefused>
}

export const make = <E>({ app, border, context, epoch, line, turns }: SinkRunnerOptions<E>): SinkRunner<E> => {
  const fenced = new Set<string>()
  const fenceOnce = (output: string, sink: Sink.AnySink) =>
    Effect.suspend(() =>
      fenced.has(output)
        ? Effect.void
        : Effect.tap(fence(sink, { app, output, epoch, line }, context), () => Effect.sync(() => fenced.add(output)))
    )
  return {
    run: (job, sink, { committed, partitions, rdd }) => {
      const { output, time } = job
      const turn = turns.open(output, time)
      const done = Effect.sync(committed)
      const prepare = Effect.andThen(
        fenceOnce(output, sink),
        Effect.flatMap(rdd, (of) =>
          partitions(of).pipe(
            Effect.tapError(() => tellIfFenced(sink, { app, output, epoch, line }, context)),
            Effect.map((values) => ({ values, numPartitions: of.numPartitions }))
          ))
      )
      if (sink[Sink.TypeId] === "partition") return turn.run(Effect.void, () => Effect.andThen(prepare, done))
      return turn.run(prepare, ({ numPartitions, values }) => {
        const batch = { app, output, epoch, line, time, commitId: Sink.commitIdOf({ ...job, app }), numPartitions }
        const prepared = values.map((value) => value === undefined ? undefined : border.unpack(value))
        return Effect.andThen(onDriver(effectOf("commit", sink.commit)(batch, prepared), context), done)
      })
    }
  }
}

/** The user's own errors pass for the job's, as all of the driver's users' do. */
const onDriver = (
  effect: Effect.Effect<unknown, any, any>,
  context: Context.Context<any>
): Effect.Effect<unknown, JobFailed> => Effect.provideContext(tellMissingService(effect), context) as any

const fence = (
  sink: Sink.AnySink,
  output: Sink.OutputContext,
  context: Context.Context<any>
): Effect.Effect<unknown, JobFailed> =>
  sink.fence === undefined ? Effect.void : onDriver(effectOf("fence", sink.fence)(output), context)

/** An executor tells of a later driver in words only: where it failed, the target is asked, so that the driver ends. */
const tellIfFenced = (
  sink: Sink.AnySink,
  output: Sink.OutputContext,
  context: Context.Context<any>
): Effect.Effect<void, JobFailed> =>
  Effect.catch(
    Effect.asVoid(fence(sink, output, context)),
    (error: unknown) => error instanceof Sink.Fenced ? Effect.fail(error as any) : Effect.void
  )

/**
 * Fences all outputs of an app: after this no driver of an older epoch commits anything more. For a driver that takes over, before
 * it seals the logs of those before it: what they committed is then in what it reads there.
 */
export const fenceOutputs = (
  graph: DStreamGraph,
  driver: Pick<Sink.OutputContext, "epoch" | "line">,
  context: Context.Context<any>
): Effect.Effect<void, JobFailed> =>
  Effect.forEach(
    graph.outputs,
    ({ id, output: { action } }) =>
      action.kind === "sink"
        ? fence(action.sink, { app: graph.manifest.app, output: id, ...driver }, context)
        : Effect.void,
    { discard: true }
  )
