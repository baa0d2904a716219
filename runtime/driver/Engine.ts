/**
 * Engine: the driver of a running app: its parts, put together.
 *
 * An event of the placement goes to whom it concerns: tasks to the TaskScheduler, receivers to the ReceiverTracker. A tick of the
 * JobGenerator allocates blocks, plans the batch, derives its lineage and submits a job per output; a job runs actions through
 * the TaskScheduler; behind completed batches everything forgets. Whatever dies here ends the context with its cause (`fail`).
 */
import { Cause, Clock, type Context, Effect, Result, Schema, type Scope } from "effect"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import type { DStreamGraph } from "../../core/dstream/DStreamGraph.ts"
import type { InputDefinition } from "../../core/dstream/InputDStream.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import * as Settings from "../../core/settings/Settings.ts"
import * as StreamingApp from "../../core/dstream/StreamingApp.ts"
import type { RddId, StreamId } from "../../core/protocol/Ids.ts"
import * as RddIds from "../../core/rdd/RddId.ts"
import * as ExecutorAllocation from "../../core/allocation/ExecutorAllocation.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { leastLoaded } from "../../core/receiving/ReceiverSchedulingPolicy.ts"
import { fromSettings } from "../../core/receiving/ReceivingSettings.ts"
import * as RateController from "../../core/rates/RateController.ts"
import { zeroTime as zeroTimeOf } from "../../core/scheduling/RecurringTimer.ts"
import { SnapshotTracker } from "../../core/state/SnapshotTracker.ts"
import type { Time } from "../../core/time/Time.ts"
import { awaitEnd } from "../placement/ExecutorSlots.ts"
import { type Executors, Placement, type PlacementError } from "../placement/Placement.ts"
import * as Durability from "./checkpoint/Durability.ts"
import type * as CheckpointWriter from "./checkpoint/CheckpointWriter.ts"
import * as Epoch from "./checkpoint/Epoch.ts"
import { finalSnapshots } from "./checkpoint/finalSnapshots.ts"
import * as recording from "./checkpoint/recording.ts"
import * as BatchGeneration from "./BatchGeneration.ts"
import * as BatchPlanner from "./BatchPlanner.ts"
import * as BatchSlice from "./BatchSlice.ts"
import { BlockLocations } from "./BlockLocations.ts"
import * as ExecutorAllocationManager from "./executors/ExecutorAllocationManager.ts"
import * as ExecutorEvents from "./executors/ExecutorEvents.ts"
import type * as JobGenerator from "./JobGenerator.ts"
import * as JobScheduler from "./JobScheduler.ts"
import * as ListenerBus from "./ListenerBus.ts"
import { fenceOutputs } from "./outputs/SinkRunner.ts"
import * as OutputRunner from "./outputs/OutputRunner.ts"
import * as ReceiverTracker from "./ReceiverTracker.ts"
import type { RunOptions } from "./StreamingContext.ts"
import type { Fail } from "../Supervisor.ts"
import * as TaskScheduler from "./TaskScheduler.ts"

/** What ends an engine. */
export type EngineError =
  | StreamingApp.InvalidApp
  | PlacementError
  | ExecutorEvents.ExecutorRefused
  | BatchGeneration.GenerationError
  | RateController.RateEstimatorFailed
  | StateNotEncodable
  | Durability.DurabilityError
  | JobFailed

/** A state of the program's cannot be encoded, so that it could not be restored after a loss. */
export class StateNotEncodable extends Schema.TaggedError<StateNotEncodable>()("StateNotEncodable", {
  operator: Schema.String,
  partition: Schema.Number,
  message: Schema.String
}) {
  static readonly of = (state: RddId, partition: number, reason: string) => {
    const operator = RddIds.parse(state).stream
    const message =
      `the state of operator "${operator}" cannot be kept safe, in partition ${partition}: ${reason} Keep states that are ` +
      "plain data, such as records, arrays and Maps, and make functions and instances of classes from them where they are used."
    return new StateNotEncodable({ operator, partition, message })
  }
}

/** What a stop left undone. */
export interface StopReport {
  readonly graceful: boolean
  readonly openBatches: ReadonlyArray<Time>
  readonly unallocatedBlocks: boolean
  /** Receivers that had not stopped. */
  readonly activeReceivers: ReadonlyArray<StreamId>
}

export interface Engine {
  /** Gracefully: nothing that was stored is lost. A stop at once cuts a graceful one short. */
  readonly stop: (graceful: boolean) => Effect.Effect<StopReport>
  readonly slice: BatchSlice.Slice
}

export interface Hooks {
  readonly bus: ListenerBus.ListenerBus
  readonly fail: Fail<unknown>
  /** The wanted number of batches has been completed. */
  readonly completed: () => void
}

/** What the parts of a running engine share. */
interface Parts {
  readonly graph: DStreamGraph
  readonly settings: Settings.Settings
  readonly epoch: number
  readonly line: string
  /** What the app's layer provides, built in the driver. */
  readonly context: Context.Context<any>
  readonly border: Border["Service"]
  readonly memo: GeneratedRDDs.GeneratedRDDs
  readonly snapshots: SnapshotTracker
  readonly bus: ListenerBus.ListenerBus
  readonly executors: ExecutorEvents.ExecutorEvents
  readonly tasks: TaskScheduler.TaskScheduler
  readonly locations: BlockLocations
  readonly receivers: ReceiverTracker.ReceiverTracker
  readonly durability: Durability.Durability | undefined
  readonly now: () => Time
  readonly fail: Fail<unknown>
}

/** Recovers, if there is something to recover; starts executors, then receivers, then batches. */
export const make = Effect.fnUntraced(function* (
  app: StreamingApp.AnyStreamingApp,
  options: RunOptions,
  hooks: Hooks
): Effect.fn.Return<Engine, unknown, Placement | Border | Scope.Scope> {
  const settled = { ...app, settings: { ...app.settings, ...options.settings } }
  const graph = yield* StreamingApp.validate(settled)
  const parts = yield* startExecutors(settled, graph, options, hooks)
  const { bus, context, durability, now, receivers, settings } = parts
  const recovery = durability?.recovery
  const started = now()
  const zeroTime = recovery?.zeroTime ?? zeroTimeOf(started, app.batchMillis)
  const executors = (yield* Placement).size
  // Before the first checkpoint: it leaves out what was lost, and the next driver would not know of it.
  if (recovery !== undefined) bus.post({ kind: "Recovered", report: recovery.report })
  const checkpoints = durability === undefined ? undefined : yield* durability.begin({ zeroTime, executors })
  const rates = yield* Effect.fromResult(RateController.ofGraph(graph, settings, app.rateEstimator))
  const rateOf = (stream: StreamId) => rates.rate(stream)
  const start = {
    zeroTime,
    started,
    rateOf,
    last: recovery?.lastBatch,
    recorded: recovery?.recorded,
    positions: recovery?.positions,
    history: durability?.history
  }
  const planner = yield* Effect.provideContext(BatchPlanner.make(graph, start), context)
  const runJob = OutputRunner.make({ ...parts, log: recording.outputLog(durability) })
  const scheduler = yield* JobScheduler.make({ ...parts, runJob, post: bus.post })
  const limit = options.batches ?? Infinity
  let completed = 0
  bus.addEngineListener((event) => void (event.kind === "BatchCompleted" && completed++))
  // Not before it is recorded that they are done, or the next driver would run the last one again.
  const cleared = () => completed >= limit ? hooks.completed() : undefined
  const generator = yield* BatchGeneration.make({ ...parts, planner, rateOf, scheduler, limit, checkpoints, cleared })
  controlRates(parts, rates)
  const allocation = yield* allocationManager(parts)
  receivers.start()
  allocation?.start()
  bus.post({ kind: "StreamingStarted", time: now() })
  generator.start({ zeroTime, after: recovery?.lastTick, again: recovery?.pending })
  return {
    stop: stopper({ ...parts, generator, scheduler, allocation, checkpoints, zeroTime }),
    slice: BatchSlice.make({ ...parts, zeroTime })
  }
})

/** All that a batch needs; returns when every executor is ready. */
const startExecutors = Effect.fnUntraced(function* (
  app: StreamingApp.AnyStreamingApp,
  graph: DStreamGraph,
  options: RunOptions,
  { bus, fail }: Hooks
): Effect.fn.Return<Parts, unknown, Placement | Border | Scope.Scope> {
  const placement = yield* Placement
  const clock = yield* Clock.Clock
  const { post } = bus
  const asked = Settings.resolve([app.settings], { ...graph, executors: placement.size })
  const context = yield* Effect.tapCause(
    StreamingApp.buildLayer(app),
    () => Effect.logError(`the layer of "${app.name}" could not be built in the driver`)
  )
  const durability = yield* openDurability({ graph, settings: asked, context }, options, { bus, fail })
  const { defaultParallelism } = durability?.recovery ?? asked
  const settings = { ...asked, defaultParallelism }
  const { epoch, line } = durability ?? { epoch: firstEpoch, line: yield* Epoch.newLine }
  const memo = GeneratedRDDs.make(graph, settings)
  const locations = new BlockLocations()
  const snapshots = new SnapshotTracker(graph)
  for (const plan of durability?.recovery?.plans ?? []) memo.addPlan(plan)
  for (const snapshot of [...durability?.log.state.snapshots.values() ?? []].flat()) snapshots.completed(snapshot)
  const executors = ExecutorEvents.make()
  const { send } = executors
  const tasks = makeTasks({ graph, settings, memo, locations, snapshots, durability, send, post, fail })
  const receivers = yield* ReceiverTracker.make({
    epoch,
    receivers: receiversOf(graph),
    policy: leastLoaded,
    settings: fromSettings(settings),
    ...yield* recording.blockLog(durability, receiversOf(graph).map(({ stream }) => stream)),
    locations,
    send,
    post,
    fail
  })
  yield* executors.start({ placement, tasks, receivers, locations, post, fail }, {
    appName: app.name,
    epoch,
    line,
    batchMillis: app.batchMillis,
    settings,
    config: options.config ?? {},
    manifest: graph.manifest,
    codeFingerprint: options.codeFingerprint ?? ""
  })
  const now = () => clock.currentTimeMillisUnsafe()
  const border = yield* Border
  return {
    graph,
    settings,
    epoch,
    line,
    context,
    border,
    memo,
    snapshots,
    bus,
    executors,
    tasks,
    locations,
    receivers,
    durability,
    now,
    fail
  }
})

interface Scheduling
  extends Pick<Parts, "graph" | "settings" | "memo" | "locations" | "snapshots" | "durability" | "fail"> {
  readonly send: Executors["send"]
  readonly post: ListenerBus.ListenerBus["post"]
}

/** Runs jobs on the executors; what it is told of snapshots is recorded. */
const makeTasks = (parts: Scheduling): TaskScheduler.TaskScheduler => {
  const { graph, settings, memo, locations, snapshots, durability, send, post, fail } = parts
  return TaskScheduler.make({
    send,
    planLog: memo,
    digest: (rdd) => memo.digest(rdd),
    blockLocations: locations,
    rdd: (id) => memo.rdd(id),
    reuseMillis: (operator) => graph.node(operator)?.reuseMillis ?? 0,
    mayIgnore: (stream) => mayIgnore(graph.node(stream)?.stream.input),
    snapshotDue: ({ identity: { operator, time } }) => memo.isCheckpointDue(operator, time),
    settings,
    onBlockIgnored: (block, batch, why) => post(ExecutorEvents.blockLost(block, batch, why)),
    onTaskRetried: post,
    snapshotOf: (operator, time) => snapshots.filesOf(operator, time),
    onSnapshotComplete: (complete) => {
      const snapshot = { ...complete, previous: memo.previousTime(complete.operator, complete.time) }
      snapshots.completed(snapshot)
      recording.snapshotCompleted(durability, snapshot)
      post({ kind: "SnapshotCompleted", ...snapshot })
    },
    onSnapshotFailed: ({ partition, permanent, reason, state }) => {
      post({ kind: "SnapshotFailed", state, partition, reason })
      if (permanent) fail(Cause.fail(StateNotEncodable.of(state, partition, reason)))
    }
  })
}

/** undefined: the app has no checkpoint place. */
const openDurability = (
  { context, graph, settings }: Pick<Parts, "graph" | "settings" | "context">,
  { codeFingerprint = "", master = "", program = "" }: RunOptions,
  { bus: { post }, fail }: Pick<Hooks, "bus" | "fail">
): Effect.Effect<Durability.Durability | undefined, Durability.DurabilityError | JobFailed, Scope.Scope> => {
  const { checkpointDirectory: place } = settings
  if (place === undefined) return Effect.undefined
  const fence = (driver: Epoch.Driver) => fenceOutputs(graph, driver, context)
  return Durability.open({ place, graph, settings, program, codeFingerprint, master, fence, post, fail })
}

/** Without a place for checkpoints every run is the first. */
const firstEpoch = 1

/** After each batch inputs are told how much they may bring. */
const controlRates = ({ bus, receivers, fail }: Parts, rates: RateController.RateController) =>
  bus.addEngineListener((event) => {
    if (event.kind !== "BatchCompleted") return
    const updates = rates.batchCompleted(event.batch)
    if (Result.isFailure(updates)) return fail(Cause.fail(updates.failure))
    for (const { stream, rate } of updates.success) {
      receivers.updateRate(stream, rate)
      bus.post({ kind: "RateUpdated", stream, rate })
    }
  })

/** undefined: the number of executors is fixed. */
const allocationManager = (parts: Parts) => {
  const { graph, settings } = parts
  const receivers = receiversOf(graph).length
  const policy = ExecutorAllocation.make(settings, { batchMillis: graph.batchMillis, receivers })
  if (policy === undefined) return Effect.undefined
  return ExecutorAllocationManager.make({ ...parts, ...settings, policy })
}

/** Whether a lost block is read as empty, as its receiver says. */
const mayIgnore = (input: InputDefinition<any> | undefined): boolean =>
  input?.kind === "receiver" && input.receiver.survives === "ignore"

const receiversOf = (graph: DStreamGraph) =>
  graph.inputs.flatMap(({ id, stream }) =>
    stream.input?.kind === "receiver"
      ? [{ stream: id, name: stream.input.receiver.name, preferredHost: stream.input.receiver.preferredHost }]
      : []
  )

interface Stoppable extends Parts {
  readonly generator: JobGenerator.JobGenerator
  readonly scheduler: JobScheduler.JobScheduler
  readonly allocation: ExecutorAllocationManager.ExecutorAllocationManager | undefined
  readonly checkpoints: CheckpointWriter.CheckpointWriter | undefined
  readonly zeroTime: Time
}

/** For the next driver, after all batches are done. */
const makeSafe = (parts: Stoppable): Effect.Effect<void> => {
  const { checkpoints, durability } = parts
  const lastBatch = durability?.log.state.tracker.lastBatch
  if (checkpoints === undefined || lastBatch === undefined) return Effect.void
  return Effect.andThen(finalSnapshots({ ...parts, lastBatch }), checkpoints.checkpoint(lastBatch))
}

/**
 * The order of a stop; one deadline over all of a graceful one, past it everything stops at once. Whoever ends the work says what
 * is left: a stop at once that cuts a graceful one short, or the graceful one.
 */
const stopper = (parts: Stoppable) => {
  const { allocation, checkpoints, generator, scheduler, receivers, bus, settings } = parts
  let report: StopReport | undefined
  let atOnce = false
  return Effect.fnUntraced(function* (graceful: boolean) {
    if (graceful) checkpoints?.hurry()
    else atOnce = true
    if (allocation !== undefined) yield* allocation.stop
    const ended = graceful && (yield* awaitEnd(generator.stop({ graceful }), settings.gracefulStopTimeoutMillis))
    const drained = ended && !atOnce
    report ??= {
      graceful: drained,
      openBatches: generator.openTimes(),
      unallocatedBlocks: receivers.hasUnallocatedBlocks(),
      activeReceivers: graceful ? receivers.allReceiverIds() : []
    }
    if (!drained) {
      yield* generator.stop({ graceful: false })
      yield* receivers.stop({ graceful: false })
    }
    if (drained) yield* makeSafe(parts)
    yield* awaitEnd(scheduler.stop, cancelMillis)
    yield* awaitEnd(bus.flush, listenerFlushMillis)
    return report
  })
}

/** How long a stop waits for jobs that it has interrupted. */
const cancelMillis = 2000

/** How long a stop waits for users' listeners to see what was posted. */
const listenerFlushMillis = 1000
