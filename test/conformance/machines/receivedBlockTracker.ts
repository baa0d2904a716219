/**
 * receivedBlockTracker: the pure tracker over the port of its log. Names of blocks stand for contents: each block that is added
 * is the next of its stream's receiver.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { blockId, type ReceivedBlockInfo } from "../../../core/blocks/ReceivedBlock.ts"
import * as Tracker from "../../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import * as EventLog from "../../../runtime/storage/EventLog.ts"
import { type Json, known, NotYet } from "../Vector.ts"
import type { Apply, Machine } from "./machine.ts"

const attempt = 1

class Blocks {
  private readonly infos = new Map<string, ReceivedBlockInfo>()
  private readonly names = new Map<string, string>()
  private sequence = 0

  add = (stream: string, name: string): ReceivedBlockInfo => {
    const sequence = this.sequence++
    const block = blockId({ stream, epoch: 1, attempt, sequence })
    const info = { block, stream, attempt, sequence, records: 1, bytes: 1, locations: [] }
    this.infos.set(name, info)
    this.names.set(block, name)
    return info
  }
  info = (name: string): ReceivedBlockInfo => this.infos.get(name)!
  nameOf = ({ block }: ReceivedBlockInfo): string => this.names.get(block)!
}

const eventsOf = (blocks: Blocks, stream: string) => (event: Json): ReadonlyArray<ReceivedBlockTrackerLogEvent> => {
  const kinds: Readonly<Record<string, () => ReadonlyArray<ReceivedBlockTrackerLogEvent>>> = {
    added: () => event.added.map((name: string) => ({ kind: "BlockAddition", info: blocks.add(stream, name) })),
    allocated: () => {
      const { batchMs: time, ...ofStreams } = event.allocated
      const infos = Object.entries<Json>(ofStreams).map(([id, names]) => [id, names.map(blocks.info)] as const)
      return [{ kind: "BatchAllocation", time, blocks: infos }]
    },
    cleaned: () => [{ kind: "BatchCleanup", times: event.cleaned }]
  }
  return known("event", kinds, Object.keys(event)[0]!)()
}

/** Of the log's files. */
const ofFiles = ["logFiles", "logEvents", "writeLogFile", "newestLogFileContains", "oldestLogFileDeleted"]

/** What a command was refused for is the error of its step. */
class Refused extends RangeError {}

export const receivedBlockTracker: Machine = {
  takes: ["do", "stream", "blocks", "batchMs", "beforeMs", "ms", "events", "recover", "name", "event"],
  open: Effect.fnUntraced(function* ({ streams, checkpointDir, clockMs = 0 }) {
    const ids: ReadonlyArray<string> = streams.map(String)
    const log: EventLog.EventLog<ReceivedBlockTrackerLogEvent> = checkpointDir ? EventLog.memory() : EventLog.none
    const blocks = new Blocks()
    let tracker = Tracker.make(ids)
    let now = clockMs
    yield* TestClock.setTime(clockMs)
    const perform = Effect.fnUntraced(function* (command: Tracker.ReceivedBlockTrackerCommand) {
      const plan = Tracker.plan(tracker, command)
      if (plan.kind === "Refused") return yield* Effect.fail(new Refused(plan.reason))
      if (plan.kind === "Repeated") return
      yield* log.append(plan.events)
      for (const event of plan.events) Tracker.apply(tracker, event)
    })
    const namesOf = (infos: ReadonlyArray<ReceivedBlockInfo>) => infos.map(blocks.nameOf)
    const steps: Readonly<Record<string, Apply>> = {
      isWalEnabled: () => Effect.succeed({ expect: log !== EventLog.none }),
      add: ({ stream, blocks: names }) =>
        Effect.as(
          Effect.forEach(names as ReadonlyArray<string>, (name) =>
            perform({ kind: "AddBlock", info: blocks.add(String(stream), name), registered: attempt })),
          { expect: true }
        ),
      allocate: ({ batchMs: time }) => perform({ kind: "AllocateBatch", time }),
      cleanup: ({ beforeMs: before }) => perform({ kind: "CleanupBatches", before, now }),
      advance: ({ ms }) => Effect.sync(() => void (now += ms)),
      unallocated: ({ stream }) =>
        Effect.sync(() => ({ expect: namesOf(Tracker.unallocated(tracker, String(stream))) })),
      hasUnallocated: () => Effect.sync(() => ({ expect: Tracker.hasUnallocated(tracker) })),
      blocksOf: ({ batchMs }) =>
        Effect.sync(() => ({
          expect: new Map(Array.from(Tracker.blocksOf(tracker, batchMs), ([id, infos]) => [id, namesOf(infos)]))
        })),
      blocksOfStream: ({ batchMs, stream }) =>
        Effect.sync(() => ({ expect: namesOf(Tracker.blocksOf(tracker, batchMs).get(String(stream)) ?? []) })),
      logDirectly: ({ events }) => log.append(events.flatMap(eventsOf(blocks, ids[0]!))),
      stop: () => Effect.void,
      restart: Effect.fnUntraced(function* ({ recover }) {
        tracker = Tracker.make(ids)
        if (recover) { for (const event of yield* log.readAll) Tracker.apply(tracker, event) }
      })
    }
    return (step) => {
      if (ofFiles.includes(step.do)) throw new NotYet("durability")
      return known("step", steps, step.do)(step)
    }
  })
}
