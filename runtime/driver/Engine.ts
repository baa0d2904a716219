/**
 * Engine: the driver of a running app: its parts, put together.
 *
 * An event of the placement goes to whom it concerns: tasks to the TaskScheduler, receivers to the ReceiverTracker. A tick of the
 * JobGenerator allocates blocks, plans the batch, derives its lineage and submits a job per output; a job runs actions through
 * the TaskScheduler; behind completed batches everything forgets. Whatever dies here ends the context with its cause (`fail`).
 */
import { Cause, Clock, type Context, Effect, Exit, Layer, Option, type Scope } from "effect"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import type { SealedRDD } from "../../core/dstream/Derivation.ts"
import type { DStreamGraph, GraphOutput } from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import type { OutputAction } from "../../core/dstream/Output.ts"
import * as Settings from "../../core/dstream/Settings.ts"
import * as StreamingApp from "../../core/dstream/StreamingApp.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { leastLoaded } from "../../core/receiving/ReceiverSchedulingPolicy.ts"
import { fromSettings } from "../../core/receiving/ReceivingSettings.ts"
import * as Job from "../../core/scheduling/Job.ts"
import { openBatchesMaxDefault } from "../../core/scheduling/JobGenerator.ts"
import { floorTo, type Time } from "../../core/time/Time.ts"
import { Placement, type PlacementError } from "../placement/Placement.ts"
import * as EventLog from "../storage/EventLog.ts"
import * as BatchPlanner from "./BatchPlanner.ts"
import * as BatchReader from "./BatchReader.ts"
import { BlockLocations } from "./BlockLocations.ts"
import * as ExecutorEvents from "./ExecutorEvents.ts"
import * as JobGenerator from "./JobGenerator.ts"
import * as JobScheduler from "./JobScheduler.ts"
import * as ListenerBus from "./ListenerBus.ts"
import * as ReceiverTracker from "./ReceiverTracker.ts"
import type { RunOptions } from "./StreamingContext.ts"
import type { Fail } from "./Supervisor.ts"
import * as TaskScheduler from "./TaskScheduler.ts"

/** What a batch can fail with while it is generated. */
type GenerationError = BatchPlanner.PlanningFailed | GeneratedRDDs.LineageError | EventLog.EventLogError

/** What ends an engine. */
export type EngineError =
  | StreamingApp.InvalidApp
  | PlacementError
  | ExecutorEvents.ExecutorRefused
  | GenerationError
  | JobFailed

/** What a stop left undone. */
export interface StopReport {
  readonly graceful: boolean
  readonly openBatches: ReadonlyArray<Time>
  readonly unallocatedBlocks: boolean
}

export interface Engine {
  /** Gracefully: nothing that was stored is lost. A stop at once cuts a graceful one short. */
  readonly stop: (graceful: boolean) => Effect.Effect<StopReport>
}

export interface Hooks {
  readonly fail: Fail<unknown>
  /** The wanted number of batches has been completed. */
  readonly completed: () => void
}

/** Starts executors, then receivers, then batches. */
export const make = Effect.fnUntraced(function*(
  app: StreamingApp.AnyStreamingApp,
  options: RunOptions,
  hooks: Hooks
): Effect.fn.Return<Engine, unknown, Placement | Border | Scope.Scope> {
  const { fail } = hooks
  const graph = yield* StreamingApp.validate(app)
  const placement = yield* Placement
  const border = yield* Border
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const settings = Settings.resolve([options.settings ?? {}, app.settings], { ...graph, executors: placement.size })
  const bus = yield* ListenerBus.make(fail)
  for (const observer of options.observers ?? []) bus.addEngineListener(observer)
  for (const listener of options.listeners ?? []) yield* bus.addListener(listener)
  const context: Context.Context<any> = yield* Layer.build(app.layer as Layer.Layer<any, unknown>)
  const memo = GeneratedRDDs.make(graph, settings)
  const locations = new BlockLocations()
  const executors = ExecutorEvents.make()
  const tasks = TaskScheduler.make({
    send: executors.send,
    planLog: memo,
    digest: (rdd) => memo.digest(rdd),
    blockLocations: (block) => locations.of(block),
    settings,
    onBlockIgnored: (block) => bus.post(ExecutorEvents.blockLost(block))
  })
  const receivers = yield* ReceiverTracker.make({
    epoch: 1,
    receivers: receiversOf(graph),
    policy: leastLoaded,
    settings: fromSettings(settings),
    log: EventLog.none,
    send: executors.send,
    post: bus.post,
    fail
  })
  yield* executors.start({ placement, tasks, receivers, post: bus.post, fail }, {
    appName: app.name,
    epoch: 1,
    batchMillis: app.batchMillis,
    settings,
    config: options.config ?? {},
    manifest: graph.manifest,
    codeFingerprint: options.codeFingerprint ?? ""
  })
  const zeroTime = floorTo(now(), app.batchMillis)
  const planner = yield* Effect.provideContext(BatchPlanner.make(graph, zeroTime), context)
  const runJob = jobRunner({ graph, memo, tasks, border, context })
  const scheduler = yield* JobScheduler.make({ settings, runJob, post: bus.post, fail })
  const limit = options.batches ?? Infinity
  let generated = 0
  const generator = yield* JobGenerator.make<GenerationError>({
    settings: { ...settings, ...graph, openBatchesMax: openBatchesMaxDefault(settings.missedTicks, settings.concurrentJobs) },
    scheduler,
    allocate: Effect.fnUntraced(function*(time) {
      const blocks = yield* receivers.allocateBlocksToBatch(time)
      locations.add(time, [...blocks.values()].flat())
      const plan = yield* Effect.provideContext(planner.plan(time, blocks), context)
      memo.addPlan(plan)
      return plan.inputs
    }),
    generateJobs: (time) =>
      Effect.suspend(() => generated >= limit ? Effect.succeed([]) : Effect.tap(jobsOf(graph, memo, time), (jobs) =>
        Effect.sync(() => void (generated += jobs.length > 0 ? 1 : 0)))),
    clearMetadata: (time) =>
      Effect.gen(function*() {
        memo.clearMetadata(time)
        const before = time - graph.rememberMillis + 1
        if (before > now()) return
        yield* receivers.cleanup(before)
        locations.forgetBefore(before)
        tasks.forgetBefore(before, [])
      }).pipe(Effect.catch((error) => Effect.sync(() => fail(Cause.fail(error))))),
    receivers: {
      stopGracefully: Effect.andThen(Effect.sync(planner.close), receivers.stop({ graceful: true })),
      hasUnallocated: receivers.hasUnallocatedBlocks
    },
    post: bus.post,
    fail
  })
  let completed = 0
  bus.addEngineListener((event) => {
    if (event.kind === "BatchCompleted" && ++completed === limit) hooks.completed()
  })
  receivers.start()
  bus.post({ kind: "StreamingStarted", time: now() })
  generator.start({ zeroTime })
  return { stop: stopper({ generator, scheduler, receivers, bus, settings }) }
})

const receiversOf = (graph: DStreamGraph) =>
  graph.inputs.flatMap(({ id, stream }) =>
    stream.input?.kind === "receiver"
      ? [{ stream: id, name: stream.input.receiver.name, preferredHost: stream.input.receiver.preferredHost }]
      : [])

/** One job per output that has a data set at this time. */
const jobsOf = (graph: DStreamGraph, memo: GeneratedRDDs.GeneratedRDDs, time: Time) =>
  Effect.map(
    Effect.forEach(graph.outputs, ({ id, stream }) =>
      Effect.map(GeneratedRDDs.getOrCompute(stream, time), (rdd) => rdd === undefined ? [] : [Job.make(time, id)])),
    (jobs) => jobs.flat()
  ).pipe(Effect.provideService(GeneratedRDDs.Memo, memo))

interface JobParts {
  readonly graph: DStreamGraph
  readonly memo: GeneratedRDDs.GeneratedRDDs
  readonly tasks: TaskScheduler.TaskScheduler
  readonly border: Border["Service"]
  readonly context: Context.Context<any>
}

const jobRunner = ({ graph, memo, tasks, border, context }: JobParts) => {
  const outputs = new Map<string, GraphOutput>(graph.outputs.map((output) => [output.id, output]))
  const act = ({ time, output }: Job.Job, action: OutputAction, rdd: SealedRDD): Effect.Effect<unknown, JobFailed> => {
    const run: BatchReader.RunAction = (on, what) => tasks.runJob({ rdd: on, action: what, time, output })
    if (action.kind === "foreachPartition") return run(rdd, { kind: "foreachPartition", output })
    return Effect.provideContext(action.run(BatchReader.make(rdd, border, run)), context) as Effect.Effect<unknown, JobFailed>
  }
  return Effect.fnUntraced(function*(job: Job.Job) {
    const { stream, output } = outputs.get(job.output)!
    const rdd = yield* Effect.provideService(GeneratedRDDs.getOrCompute(stream, job.time), GeneratedRDDs.Memo, memo)
    if (rdd !== undefined) yield* act(job, output.action, rdd)
  })
}

interface Stoppable {
  readonly generator: JobGenerator.JobGenerator
  readonly scheduler: JobScheduler.JobScheduler
  readonly receivers: ReceiverTracker.ReceiverTracker
  readonly bus: ListenerBus.ListenerBus
  readonly settings: Settings.Settings
}

/** The order of a stop; one deadline over all of a graceful one, past it everything stops at once. */
const stopper = ({ generator, scheduler, receivers, bus, settings }: Stoppable) =>
  Effect.fnUntraced(function*(graceful: boolean) {
    const drained = graceful
      ? Option.isSome(yield* Effect.timeoutOption(generator.stop({ graceful }), settings.gracefulStopTimeoutMillis))
      : false
    const report: StopReport = {
      graceful: drained,
      openBatches: generator.openTimes(),
      unallocatedBlocks: receivers.hasUnallocatedBlocks()
    }
    if (!drained) {
      yield* generator.stop({ graceful: false })
      yield* scheduler.stop
    }
    yield* scheduler.stop
    yield* Effect.timeoutOption(bus.flush, listenerFlushMillis)
    return report
  })

/** How long a stop waits for users' listeners to see what was posted. */
const listenerFlushMillis = 1000
