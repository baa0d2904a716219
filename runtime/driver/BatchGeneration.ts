/**
 * BatchGeneration: what the JobGenerator asks of the other parts for each batch: its inputs, which are recorded before they count, its
 * jobs, and that all forget what is behind the batches that are done.
 */
import { Cause, type Context, Effect, type Scope } from "effect"
import { planOf } from "../../core/dstream/BatchPlan.ts"
import type { DStreamGraph } from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import * as Job from "../../core/scheduling/Job.ts"
import { openBatchesMaxDefault } from "../../core/scheduling/JobGenerator.ts"
import type { Settings } from "../../core/settings/Settings.ts"
import type { SnapshotTracker } from "../../core/state/SnapshotTracker.ts"
import type { Time } from "../../core/time/Time.ts"
import type { EventLogError } from "../storage/EventLog.ts"
import type { Fail } from "../Supervisor.ts"
import type * as BatchPlanner from "./BatchPlanner.ts"
import type * as CheckpointWriter from "./checkpoint/CheckpointWriter.ts"
import type * as Durability from "./checkpoint/Durability.ts"
import * as recording from "./checkpoint/recording.ts"
import * as JobGenerator from "./JobGenerator.ts"
import type * as JobScheduler from "./JobScheduler.ts"
import type * as ListenerBus from "./ListenerBus.ts"
import type * as ReceiverTracker from "./ReceiverTracker.ts"
import type * as TaskScheduler from "./TaskScheduler.ts"

/** What a batch can fail with while it is generated. */
export type GenerationError = BatchPlanner.PlanningFailed | GeneratedRDDs.LineageError | EventLogError

export interface Generating {
  readonly graph: DStreamGraph
  readonly settings: Settings
  readonly context: Context.Context<any>
  readonly memo: GeneratedRDDs.GeneratedRDDs
  readonly snapshots: SnapshotTracker
  readonly bus: ListenerBus.ListenerBus
  readonly tasks: TaskScheduler.TaskScheduler
  readonly receivers: ReceiverTracker.ReceiverTracker
  readonly durability: Durability.Durability | undefined
  readonly now: () => Time
  readonly fail: Fail<unknown>
  readonly planner: BatchPlanner.BatchPlanner
  readonly rateOf: (stream: StreamId) => number | undefined
  readonly scheduler: JobScheduler.JobScheduler
  /** So many batches that have something to do. */
  readonly limit: number
  readonly checkpoints: CheckpointWriter.CheckpointWriter | undefined
  /** Batches that are done are recorded as such, and what was behind them is forgotten. */
  readonly cleared: () => void
}

/** Makes batches of ticks. */
export const make = (
  parts: Generating
): Effect.Effect<JobGenerator.JobGenerator, never, Scope.Scope> => {
  const { graph, settings, context, durability, memo, bus, receivers, fail } = parts
  const { checkpoints, limit, planner, rateOf, scheduler } = parts
  const recorded = recording.recordedPlans(durability)
  const planBatch = Effect.fnUntraced(function* (time: Time) {
    const known = recorded.get(time)
    if (known !== undefined) return known
    const sideValues = yield* Effect.provideContext(planner.sideValues(time), context)
    const { asked, failures } = yield* Effect.provideContext(planner.ask(time, sideValues), context)
    // The next driver asks all of them again, for nothing says that they gave anything.
    if (failures.length > 0 && durability !== undefined && settings.onBatchFailure === "stop") {
      return yield* Effect.fail(failures[0]!)
    }
    const plan = planOf(time, yield* receivers.allocateBlocksToBatch(time, asked), asked)
    memo.addPlan(plan)
    if (failures.length > 0) return yield* Effect.fail(failures[0]!)
    return plan
  })
  const { recordSkipped } = recording.outputLog(durability)
  /** A batch that could not be generated is skipped before anything after it commits, where the policy goes on. */
  const recordingSkips = <A, E>(time: Time, generating: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    settings.onBatchFailure === "stop"
      ? generating
      : Effect.tapCause(generating, () =>
        Effect.ignore(Effect.forEach(graph.outputs, ({ id }) => recordSkipped(time, id), { discard: true })))
  let generated = 0
  return JobGenerator.make<GenerationError>({
    settings: {
      ...settings,
      ...graph,
      openBatchesMax: openBatchesMaxDefault(settings.missedTicks, settings.concurrentJobs),
      hasDirectInputs: graph.inputs.some(({ stream }) => stream.input?.kind === "direct"),
      longSlides: [...new Set(graph.nodes.map(({ slideMillis }) => slideMillis))].filter((slide) =>
        slide > graph.batchMillis
      )
    },
    scheduler,
    allocate: Effect.fnUntraced(function* (time) {
      if (generated >= limit) return []
      const plan = yield* recordingSkips(time, planBatch(time))
      return plan.inputs.map(({ description, stream, records }) => ({
        stream,
        records,
        description,
        rate: rateOf(stream)
      }))
    }),
    generateJobs: (time) =>
      Effect.suspend(() => generated < limit ? recordingSkips(time, jobsOf(graph, memo, time)) : Effect.succeed([]))
        .pipe(
          Effect.tap((jobs) => Effect.sync(() => void (generated += jobs.length > 0 ? 1 : 0)))
        ),
    clearMetadata: (time) =>
      Effect.catch(
        Effect.andThen(clearMetadata(parts, time), Effect.sync(parts.cleared)),
        (error) => Effect.sync(() => fail(Cause.fail(error)))
      ),
    receivers: {
      stopGracefully: receivers.stop({ graceful: true }),
      hasUnallocated: receivers.hasUnallocatedBlocks
    },
    checkpointing: checkpoints && {
      checkpoint: checkpoints.checkpoint,
      clearCheckpointData: () => checkpoints.clear
    },
    post: bus.post,
    fail
  })
}

/** One job per output that has a data set at this time. */
const jobsOf = (graph: DStreamGraph, memo: GeneratedRDDs.GeneratedRDDs, time: Time) =>
  Effect.map(
    Effect.forEach(graph.outputs, ({ id, stream }) =>
      Effect.map(GeneratedRDDs.getOrCompute(stream, time), (rdd) =>
        rdd === undefined ? [] : [Job.make(time, id)])),
    (jobs) =>
      jobs.flat()
  ).pipe(Effect.provideService(GeneratedRDDs.Memo, memo))

/** Every batch at or before `time` is done: everybody forgets what lies the longest remember duration behind it. */
const clearMetadata = Effect.fnUntraced(
  function* ({ durability, graph, memo, planner, receivers, snapshots, tasks, now }: Generating, time: Time) {
    const { from, removable } = snapshots.needed(time)
    recording.batchesDone(durability, { graph, time, from, removable })
    memo.clearMetadata(time, from)
    yield* planner.completed(time)
    // Of batches ahead of a clock that was set back, those that it has passed.
    const before = Math.min(time - graph.rememberMillis + 1, from, now() - 1)
    if (before > -Infinity) yield* receivers.cleanup(before)
    tasks.forget({ before, blocks: [], done: time, snapshots: removable })
  }
)
