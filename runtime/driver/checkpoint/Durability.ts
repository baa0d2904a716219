/**
 * Durability: what a driver has of its checkpoint place, from taking it over to the last checkpoint.
 *
 * | step | what is done |
 * | --- | --- |
 * | open | the place is looked at: an app or a program that cannot go on is refused, and nothing was changed |
 * | | the next epoch is taken, outputs are fenced, what was left is recovered, the log begins with the seal of those before it |
 * | begin | executors are there: a first checkpoint says all that was recovered; only then the driver does anything of its own |
 *
 * Source: Spark Streaming's `StreamingContext.getOrCreate` and `CheckpointReader`.
 */
import { Effect, Schema, type Scope } from "effect"
import type { ReceivedBlockInfo } from "../../../core/blocks/ReceivedBlock.ts"
import * as Blocks from "../../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import { lostByStream, unreadableBlocks } from "../../../core/blocks/unreadableBlocks.ts"
import type { RunInfo } from "../../../core/checkpoint/Checkpoint.ts"
import { canMigrate } from "../../../core/checkpoint/canMigrate.ts"
import * as compatibility from "../../../core/checkpoint/compatibility.ts"
import type { DriverLogEvent, Sealed } from "../../../core/checkpoint/DriverLogEvent.ts"
import * as DriverStates from "../../../core/checkpoint/DriverState.ts"
import * as names from "../../../core/checkpoint/names.ts"
import type { RecoveryReport } from "../../../core/checkpoint/RecoveryReport.ts"
import type { JobFailed } from "../../../core/dstream/Batch.ts"
import type { BatchPlan, History } from "../../../core/dstream/BatchPlan.ts"
import type { DStreamGraph } from "../../../core/dstream/DStreamGraph.ts"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { Settings } from "../../../core/settings/Settings.ts"
import type { Time } from "../../../core/time/Time.ts"
import { Checksum } from "../../storage/Checksum.ts"
import type { EventLogError } from "../../storage/EventLog.ts"
import type { LogError } from "../../storage/logErrors.ts"
import { patientStorage } from "../../storage/patientStorage.ts"
import { type NameTaken, type StableStorage, type StorageError, StoragePlaces } from "../../storage/StableStorage.ts"
import * as WriteAheadLog from "../../storage/WriteAheadLog.ts"
import type * as Supervisor from "../../Supervisor.ts"
import type { RecordedInputs } from "../BatchPlanner.ts"
import * as CheckpointWriter from "./CheckpointWriter.ts"
import * as DriverLog from "./DriverLog.ts"
import * as Epoch from "./Epoch.ts"
import * as recovery from "./recover.ts"

/** The program cannot go on with what the checkpoint holds. */
export class ProgramRefused extends Schema.TaggedError<ProgramRefused>()("ProgramRefused", {
  place: Schema.String,
  message: Schema.String
}) {}

export type DurabilityError =
  | StorageError
  | NameTaken
  | LogError
  | EventLogError
  | recovery.RecoveryError
  | Epoch.PlaceRefused
  | Epoch.Superseded
  | ProgramRefused

/** What another driver left. */
export interface Recovery {
  readonly zeroTime: Time
  readonly state: DriverStates.DriverState
  readonly plans: ReadonlyArray<BatchPlan>
  /** What inputs gave, also to batches before those. */
  readonly recorded: ReadonlyArray<RecordedInputs>
  /** By input: where it stands. */
  readonly positions: ReadonlyMap<StreamId, ReadonlyMap<string, unknown>>
  /** Batches to run again. */
  readonly pending: ReadonlyArray<Time>
  readonly lastBatch: Time | undefined
  /** Ticks at or before it became a batch or were passed over. */
  readonly lastTick: Time | undefined
  /** Of the settings the number of partitions is the checkpoint's: states and batches have them. */
  readonly defaultParallelism: number
  readonly report: RecoveryReport
}

export interface Durability extends Epoch.Driver {
  readonly log: DriverLog.DriverLog
  readonly recovery: Recovery | undefined
  /** What the program's operators have of the past; undefined: all of it. */
  readonly history: History | undefined
  /** Writes the first checkpoint, if no other driver has taken over. */
  readonly begin: (
    run: { readonly zeroTime: Time; readonly executors: number }
  ) => Effect.Effect<CheckpointWriter.CheckpointWriter, StorageError | NameTaken | Epoch.Superseded, Scope.Scope>
}

export interface DurabilityOptions {
  readonly place: string
  readonly graph: DStreamGraph
  readonly settings: Settings
  /** URL of the program's module, and a digest of its code; empty: not known. */
  readonly program: string
  readonly codeFingerprint: string
  /** Where executors run; empty: not known. */
  readonly master: string
  /** Keeps the drivers before this epoch from committing anything more to the outputs: what they committed is then in their logs. */
  readonly fence: (driver: Epoch.Driver) => Effect.Effect<void, JobFailed>
  readonly post: (event: StreamingEvent) => void
  readonly fail: Supervisor.Fail<EventLogError | Epoch.Superseded>
}

export const open = Effect.fnUntraced(function* (
  options: DurabilityOptions
): Effect.fn.Return<Durability, DurabilityError | JobFailed, Scope.Scope> {
  const { fail, fence, graph, place, post, settings } = options
  const places = yield* StoragePlaces
  const storage = patientStorage(yield* places.open(place))
  const reading = { storage, codec: places.codec, checksum: yield* Checksum }
  yield* Epoch.check(storage, graph.manifest.app)
  yield* checkProgram(reading, options)
  const { earlier, epoch, line } = yield* Epoch.claim(storage, graph.manifest.app)
  yield* fence({ epoch, line })
  const left = yield* recovery.recover(reading, earlier, receiversOf(graph))
  const state = left?.state ?? DriverStates.make(receiversOf(graph))
  const wal = yield* WriteAheadLog.make({
    storage,
    prefix: names.logPrefix(epoch),
    rollMillis: settings.driverLogRollIntervalMillis
  })
  const log = yield* DriverLog.make({ ...reading, wal, state, fail, assertLatest: Epoch.assertLatest(storage, epoch) })
  const went = left === undefined ? undefined : comparison(options, left)
  const history = left === undefined || went === undefined ? undefined : historyOf(graph, left, went)
  const lost = unreadableBlocks(state.tracker)
  const losses = lostEvents(state, lost)
  const first = [sealOf(left), ...dropped(state, went), ...losses]
  yield* log.append(first)
  // Partition counts are part of what a batch is: they stay what they were.
  const defaultParallelism = (left && defaultParallelismOf(left.chosen.checkpoint.run)) ?? settings.defaultParallelism
  const filesBefore = (yield* storage.list(names.epochs)).filter((file) => names.epochOf(file)! < epoch)

  const begin: Durability["begin"] = ({ executors, zeroTime }) =>
    Effect.andThen(
      Epoch.assertLatest(storage, epoch),
      CheckpointWriter.make({
        ...reading,
        run: runInfo({ ...options, settings: { ...settings, defaultParallelism } }, storage, {
          epoch,
          zeroTime,
          executors,
          history
        }),
        log,
        intervalMillis: settings.checkpointIntervalMillis,
        kept: settings.checkpointsKept,
        earlier: filesBefore,
        recovered: left?.chosen,
        post,
        fail
      })
    )
  if (left === undefined || went === undefined) return { epoch, line, log, recovery: undefined, history, begin }
  const { checkpoint, name } = left.chosen
  const pending = DriverStates.pendingOf(state)
  const report: RecoveryReport = {
    place: storage.place,
    epoch,
    from: { epoch: name.epoch, checkpoint: name.name, time: checkpoint.time, written: checkpoint.written },
    events: left.events,
    lastBatch: state.tracker.lastBatch,
    pending,
    outputsDone: [...state.ended.values()].reduce((sum, { size }) => sum + size, 0),
    waitingBlocks: state.tracker.waitingCount,
    lost: lostByStream(lost, losses.flatMap((event) => event.kind === "BlocksLost" ? event.marks ?? [] : [])),
    passedOver: left.passedOver,
    operators: went.operators,
    snapshots: [...state.snapshots.values()].flat(),
    programChanged: !went.same || checkpoint.run.codeFingerprint !== options.codeFingerprint
  }
  return {
    epoch,
    line,
    log,
    history,
    begin,
    recovery: {
      zeroTime: checkpoint.run.zeroTime,
      state,
      // Whoever derives these batches again knows what came later.
      plans: DriverStates.plansOf(state).map((plan) => history === undefined ? plan : { ...plan, history }),
      recorded: Array.from(state.asked, ([time, { inputs }]) => ({ time, inputs })),
      positions: state.positions,
      pending,
      lastBatch: state.tracker.lastBatch,
      lastTick: DriverStates.lastTickOf(state),
      defaultParallelism,
      report
    }
  }
})

const receiversOf = ({ inputs }: DStreamGraph) =>
  inputs.flatMap(({ id, stream }) => stream.input?.kind === "receiver" ? [id] : [])

/** Before anything is taken: whether the program can go on with the checkpoint. */
const checkProgram = Effect.fnUntraced(function* (reading: recovery.Reading, options: DurabilityOptions) {
  const { chosen } = yield* recovery.choose(reading)
  if (chosen === undefined) return
  const before = chosen.checkpoint
  const { manifest } = options.graph
  if (compatibility.compare(before.run.manifest, manifest, canMigrate(options.graph)).same) return
  const left = yield* recovery.recover(reading, yield* Epoch.list(reading.storage), [])
  if (left === undefined) return
  const compared = comparison(options, left)
  const why = compatibility.refusal(compared, options.settings.onProgramChange === "accept")
  if (why === undefined) return
  const { storage: { place } } = reading
  return yield* new ProgramRefused({
    place,
    message: `the start from ${place} is refused, nothing was changed: ${why}`
  })
})

const comparison = ({ graph }: DurabilityOptions, { chosen: { checkpoint }, state }: recovery.Recovered) =>
  compatibility.compare(checkpoint.run.manifest, graph.manifest, canMigrate(graph), DriverStates.keptOf(state))

/** When operators began that came later, and how far back the plans go that they can be computed from. */
const historyOf = (
  graph: DStreamGraph,
  { chosen: { checkpoint: { run } }, state }: recovery.Recovered,
  compared: compatibility.Compatibility
): History | undefined => {
  if (compared.same) return run.history
  const last = state.tracker.lastBatch ?? run.zeroTime
  const known = new Set(run.manifest.operators.map(({ id }) => id))
  const born = new Set([
    ...compatibility.bornNow(compared),
    // What was not asked for earlier batches cannot be asked any more.
    ...graph.nodes.filter(({ id, stream: { input, sideValues } }) =>
      !known.has(id) && (input !== undefined || Object.keys(sideValues).length > 0)
    ).map(({ id }) => id)
  ])
  const before = (run.history?.births ?? []).filter(([id]) => graph.node(id) !== undefined && !born.has(id))
  const [oldest = last + 1] = state.tracker.batches.keys()
  return { horizon: oldest - 1, births: [...before, ...Array.from(born, (id) => [id, last] as const)] }
}

const sealOf = (left: recovery.Recovered | undefined): Sealed => ({
  kind: "Sealed",
  ...(left === undefined ? {} : { from: left.chosen.name.name }),
  predecessors: left?.predecessors ?? []
})

/** Snapshots of states that are not gone on with. */
const dropped = (
  { snapshots }: DriverStates.DriverState,
  compared: compatibility.Compatibility | undefined
): ReadonlyArray<DriverLogEvent> => {
  const goesOn = new Set(
    compared?.operators.flatMap(({ operator, outcome }) =>
      outcome === "restored" || outcome === "migrated" ? [operator] : []
    )
  )
  return Array.from(snapshots).flatMap(([operator, all]) =>
    goesOn.has(operator) ? [] : [{ kind: "SnapshotsDropped" as const, operator, before: all.at(-1)!.time + 1 }]
  )
}

/** Sources that number their records are asked again for what nothing came of. */
const lostEvents = (
  state: DriverStates.DriverState,
  lost: ReadonlyArray<ReceivedBlockInfo>
): ReadonlyArray<ReceivedBlockTrackerLogEvent> => {
  const blocks = lost.map(({ block }) => block)
  const plan = Blocks.plan(state.tracker, { kind: "LoseBlocks", blocks, again: DriverStates.unusedBlocks(state) })
  return plan.kind === "Accepted" ? plan.events : []
}

const defaultParallelismOf = ({ settings: { defaultParallelism } }: RunInfo): number | undefined =>
  typeof defaultParallelism === "number" ? defaultParallelism : undefined

const runInfo = (
  { codeFingerprint, graph, master, program, settings }: DurabilityOptions,
  { place }: StableStorage,
  run: {
    readonly epoch: number
    readonly zeroTime: Time
    readonly executors: number
    readonly history: History | undefined
  }
): RunInfo => {
  const { history, ...rest } = run
  return {
    ...rest,
    ...(history === undefined ? {} : { history }),
    app: graph.manifest.app,
    program,
    codeFingerprint,
    master,
    place,
    manifest: graph.manifest,
    remember: graph.nodes.map(({ id, rememberMillis }) => [id, rememberMillis] as const),
    settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
  }
}
