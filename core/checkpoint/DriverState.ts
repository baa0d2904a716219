/**
 * DriverState: what a driver would leave to the next one: the fold of its log. A pure machine with one owner, the DriverLog.
 *
 * Invariants: applying an event twice is no change; a batch, once allocated, keeps its inputs until it is cleaned up; batches that are
 * done stay done. A batch is *pending* from its allocation until BatchesDone reaches it. Cleaning up a batch drops its blocks; what
 * else it was made of stays until PlansDropped, for planners of inputs may look further back than any lineage.
 */
import type { BlockId } from "../blocks/ReceivedBlock.ts"
import * as Blocks from "../blocks/ReceivedBlockTracker.ts"
import { type Asked, type BatchPlan, planOf } from "../dstream/BatchPlan.ts"
import type { StreamId } from "../protocol/Ids.ts"
import type { Time } from "../time/Time.ts"
import type { Kept } from "./compatibility.ts"
import type { DriverLogEvent, SnapshotReference } from "./DriverLogEvent.ts"

export interface DriverState {
  readonly tracker: Blocks.ReceivedBlockTracker
  /** What else batches are made of, in order of time. */
  readonly asked: Map<Time, Asked>
  /** By batch that is not done: the outputs that need not run again. */
  readonly ended: Map<Time, Map<string, "done" | "skipped">>
  /** All batches up to here are done; undefined: none is. */
  done: Time | undefined
  /** By input and place: where inputs stand that are read by position. */
  readonly positions: Map<StreamId, Map<string, unknown>>
  /** By operator, oldest first. */
  readonly snapshots: Map<StreamId, ReadonlyArray<SnapshotReference>>
}

export const make = (streams: Iterable<StreamId> = []): DriverState => ({
  tracker: Blocks.make(streams),
  asked: new Map(),
  ended: new Map(),
  done: undefined,
  positions: new Map(),
  snapshots: new Map()
})

export const apply = (state: DriverState, event: DriverLogEvent): void => {
  switch (event.kind) {
    case "Sealed":
      return
    case "OutputEnded":
      return outputEnded(state, event)
    case "BatchesDone":
      return batchesDone(state, event.upTo)
    case "SnapshotCompleted":
      return addSnapshot(state, event.snapshot)
    case "SnapshotsDropped":
      return dropSnapshots(state, event.operator, event.before)
    case "BatchAllocation":
      if (event.asked !== undefined && !isOld(state, event.time)) {
        state.asked.set(event.time, event.asked)
        move(state, event.asked)
      }
      return Blocks.apply(state.tracker, event)
    case "PlansDropped":
      for (const time of state.asked.keys()) if (time < event.before) state.asked.delete(time)
      return
    default:
      return Blocks.apply(state.tracker, event)
  }
}

const isOld = ({ tracker: { lastBatch } }: DriverState, time: Time): boolean =>
  lastBatch !== undefined && time <= lastBatch

const move = ({ positions }: DriverState, { inputs }: Asked): void => {
  for (const { positions: moved = [], stream } of inputs) {
    const known = positions.get(stream) ?? new Map<string, unknown>()
    for (const [place, position] of moved) positions.set(stream, known.set(place, position))
  }
}

const outputEnded = (
  { done, ended }: DriverState,
  { output, result, time }: Extract<DriverLogEvent, { readonly kind: "OutputEnded" }>
): void => {
  if (done !== undefined && time <= done) return
  const outputs = ended.get(time) ?? new Map<string, "done" | "skipped">()
  if (!outputs.has(output)) outputs.set(output, result)
  ended.set(time, outputs)
}

const batchesDone = (state: DriverState, upTo: Time): void => {
  if (state.done !== undefined && upTo <= state.done) return
  state.done = upTo
  for (const time of state.ended.keys()) if (time <= upTo) state.ended.delete(time)
}

const addSnapshot = ({ snapshots }: DriverState, snapshot: SnapshotReference): void => {
  const others = (snapshots.get(snapshot.operator) ?? []).filter(({ time }) => time !== snapshot.time)
  snapshots.set(snapshot.operator, [...others, snapshot].sort((a, b) => a.time - b.time))
}

const dropSnapshots = ({ snapshots }: DriverState, operator: StreamId, before: Time): void => {
  const kept = (snapshots.get(operator) ?? []).filter(({ time }) => time >= before)
  if (kept.length === 0) snapshots.delete(operator)
  else snapshots.set(operator, kept)
}

/** The plans of the batches that are not cleaned up, oldest first. */
export const plansOf = ({ asked, tracker }: DriverState): ReadonlyArray<BatchPlan> =>
  Array.from(tracker.batches).flatMap(([time, blocks]) => {
    const what = asked.get(time)
    return what === undefined ? [] : [planOf(time, blocks, what)]
  })

/** Batches that have to be run again, oldest first. */
export const pendingOf = ({ asked, done }: DriverState): ReadonlyArray<Time> =>
  [...asked.keys()].filter((time) => done === undefined || time > done)

/** Up to here every tick became a batch or was passed over; undefined: none. Batches are done behind ticks that were passed over too. */
export const lastTickOf = ({ done, tracker: { lastBatch } }: DriverState): Time | undefined =>
  done === undefined || lastBatch === undefined ? lastBatch ?? done : Math.max(lastBatch, done)

/** Received blocks of which nothing is known to have come: those that wait, and of batches behind all that is recorded of any. */
export const unusedBlocks = ({ done, ended, snapshots, tracker }: DriverState): ReadonlyArray<BlockId> => {
  let used = done ?? -Infinity
  for (const time of ended.keys()) used = Math.max(used, time)
  for (const all of snapshots.values()) used = Math.max(used, all.at(-1)!.time)
  return Blocks.heldBlocks(tracker).map(({ block }) => block)
    .filter((block) => (tracker.allocated.get(block) ?? Infinity) > used)
}

/** When the app first started, as far as a batch tells. */
export const zeroTimeOf = ({ asked }: DriverState): Time | undefined => {
  for (const { zeroTime } of asked.values()) return zeroTime
  return undefined
}

/** What is kept by the names of operators, inputs and outputs. */
export const keptOf = ({ asked, ended, positions, snapshots, tracker }: DriverState): Kept => {
  const withBlocks = [
    ...tracker.batches.values(),
    new Map(Array.from(tracker.waiting, ([stream, blocks]) => [stream, [...blocks.values()]]))
  ]
    .flatMap((blocks) => Array.from(blocks).flatMap(([stream, infos]) => infos.length > 0 ? [stream] : []))
  const direct = Array.from(asked.values()).flatMap(({ inputs }) =>
    inputs.flatMap(({ partitions, stream }) => partitions.length > 0 ? [stream] : [])
  )
  return {
    hasState: (operator) => snapshots.has(operator),
    inputs: [...new Set([...withBlocks, ...tracker.marks.keys(), ...direct, ...positions.keys()])],
    outputs: [...new Set(Array.from(ended.values()).flatMap((outputs) => [...outputs.keys()]))]
  }
}
