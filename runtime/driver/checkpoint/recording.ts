/**
 * recording: what the parts of a driver write to its log, each in its own terms; without a checkpoint place, nothing.
 */
import { Effect } from "effect"
import * as TrackerSnapshot from "../../../core/blocks/trackerSnapshot.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import type { SnapshotReference } from "../../../core/checkpoint/DriverLogEvent.ts"
import type { BatchPlan } from "../../../core/dstream/BatchPlan.ts"
import type { DStreamGraph } from "../../../core/dstream/DStreamGraph.ts"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { Millis, Time } from "../../../core/time/Time.ts"
import * as EventLog from "../../storage/EventLog.ts"
import * as OutputRunner from "../outputs/OutputRunner.ts"
import type { Durability } from "./Durability.ts"

/** For the ReceiverTracker: where it logs, and what it goes on from. */
export const blockLog = Effect.fnUntraced(function* (durability: Durability | undefined, streams: Iterable<StreamId>) {
  if (durability === undefined) return { log: yield* EventLog.ReceivedBlockLog }
  const { append, state } = durability.log
  const log: EventLog.EventLog<ReceivedBlockTrackerLogEvent> = { append, readAll: Effect.succeed([]) }
  return { log, recovered: TrackerSnapshot.restore(TrackerSnapshot.capture(state.tracker), streams) }
})

/** For the OutputRunner. */
export const outputLog = (durability: Durability | undefined): OutputRunner.OutputLog<EventLog.EventLogError> => {
  if (durability === undefined) return OutputRunner.noLog
  const { log } = durability
  return {
    isFinished: (time, output) => log.state.ended.get(time)?.has(output) === true,
    outputFinished: (time, output) => log.note({ kind: "OutputEnded", time, output, result: "done" }),
    recordSkipped: (time, output) => log.append([{ kind: "OutputEnded", time, output, result: "skipped" }])
  }
}

/** A complete snapshot. */
export const snapshotCompleted = (durability: Durability | undefined, snapshot: SnapshotReference): void =>
  durability?.log.note({ kind: "SnapshotCompleted", snapshot })

/** All batches up to `time` are done. */
export interface Done {
  readonly graph: DStreamGraph
  readonly time: Time
  /** Batches before this time are not needed by any state. */
  readonly from: Time
  /** Of these operators snapshots before a time are not needed. */
  readonly removable: ReadonlyArray<{ readonly operator: StreamId; readonly before: Time }>
}

export const batchesDone = (durability: Durability | undefined, { from, graph, removable, time }: Done): void => {
  if (durability === undefined) return
  const { log } = durability
  log.note({ kind: "BatchesDone", upTo: time })
  const before = Math.min(time - graph.rememberMillis + 1, from, time - inputsRemember(graph))
  const [oldest = Infinity] = log.state.asked.keys()
  if (oldest < before) log.note({ kind: "PlansDropped", before })
  for (const { before, operator } of removable) {
    if (log.state.snapshots.get(operator)?.some((snapshot) => snapshot.time < before)) {
      log.note({ kind: "SnapshotsDropped", operator, before })
    }
  }
}

/** How far back the planners of inputs look. */
const inputsRemember = ({ batchMillis, inputs }: DStreamGraph): Millis =>
  Math.max(
    0,
    ...inputs.map(({ stream: { input } }) => input?.kind === "direct" ? input.remembers?.(batchMillis) ?? 0 : 0)
  )

/** The plans that were recovered, by batch: asked again for one of them, the driver gives what was recorded. */
export const recordedPlans = (durability: Durability | undefined): ReadonlyMap<Time, BatchPlan> =>
  new Map((durability?.recovery?.plans ?? []).map((plan) => [plan.time, plan]))
