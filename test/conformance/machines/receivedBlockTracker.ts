/**
 * receivedBlockTracker: the pure tracker over a driver's log. Each restart is another driver over the same checkpoint place; one that
 * shall not recover has a place of its own. Names of blocks stand for contents: each block that is added is the next of its stream's
 * receiver, and in that one's log.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { folderOf } from "../../../core/blocks/BlockLogs.ts"
import { blockId, type ReceivedBlockInfo } from "../../../core/blocks/ReceivedBlock.ts"
import * as Tracker from "../../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import { segmentName } from "../../../core/wal/LogPosition.ts"
import { BlockLocations } from "../../../runtime/driver/BlockLocations.ts"
import * as recording from "../../../runtime/driver/checkpoint/recording.ts"
import * as EventLog from "../../../runtime/storage/EventLog.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import { type Json, known, Mismatch } from "../Vector.ts"
import { type Driver, openDriver } from "./checkpoint/driver.ts"
import { eventsOfFile, eventsOfLogs, logFiles } from "./checkpoint/logFiles.ts"
import type { Apply, Machine } from "./machine.ts"

const attempt = 1

class Blocks {
  private readonly infos = new Map<string, ReceivedBlockInfo>()
  private readonly names = new Map<string, string>()
  private sequence = 0

  add = (stream: string, name: string): ReceivedBlockInfo => {
    const sequence = this.sequence++
    const block = blockId({ stream, epoch: 1, attempt, sequence })
    const log = { file: segmentName(folderOf(1, stream, attempt), 1), offset: sequence, length: 1 }
    const info = { block, stream, attempt, sequence, records: 1, bytes: 1, locations: ["executor-1"], log }
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

/** What a command was refused for is the error of its step. */
class Refused extends RangeError {}

const isSame = (one: Json, other: Json): boolean => JSON.stringify(one) === JSON.stringify(other)

export const receivedBlockTracker: Machine = {
  takes: ["do", "stream", "blocks", "batchMs", "beforeMs", "ms", "events", "recover", "name", "event"],
  open: Effect.fnUntraced(function* ({ streams, checkpointDir, clockMs = 0, rollingIntervalSecs = 60 }) {
    const ids: ReadonlyArray<string> = streams.map(String)
    const storage = memoryStorage()
    const blocks = new Blocks()
    const rollMillis = rollingIntervalSecs * 1000
    yield* TestClock.setTime(clockMs)
    let now = clockMs
    let tracker: Tracker.ReceivedBlockTracker
    let log: EventLog.EventLog<ReceivedBlockTrackerLogEvent>
    let driver: Driver | undefined
    let firstFile: string | undefined

    const open = Effect.fnUntraced(function* (place: typeof storage) {
      const settings = { driverLogRollInterval: rollMillis, checkpointsKept: 2 }
      driver = checkpointDir ? yield* openDriver({ storage: place, streams: ids, settings }) : undefined
      const begun: { readonly log: typeof log; readonly recovered?: Tracker.ReceivedBlockTracker } = yield* recording
        .blockLog(driver?.durability, ids)
      log = begun.log
      tracker = begun.recovered ?? Tracker.make(ids)
    })
    const close = Effect.suspend(() => driver?.close ?? Effect.void)
    const advance = (ms: number) => Effect.andThen(Effect.sync(() => void (now += ms)), TestClock.adjust(ms))
    yield* open(storage)

    const perform = Effect.fnUntraced(function* (command: Tracker.ReceivedBlockTrackerCommand) {
      const plan = Tracker.plan(tracker, command)
      if (plan.kind === "Refused") return yield* Effect.fail(new Refused(plan.reason))
      if (plan.kind === "Repeated") return
      yield* log.append(plan.events)
      for (const event of plan.events) Tracker.apply(tracker, event)
    })
    const namesOf = (infos: ReadonlyArray<ReceivedBlockInfo>) => infos.map(blocks.nameOf)
    const blocksOfStream = (time: number, stream = ids[0]!) =>
      namesOf(Tracker.blocksOf(tracker, time).get(stream) ?? [])
    /** Whether an executor still holds one of the blocks that wait. */
    const anyHeld = () => {
      const locations = new BlockLocations()
      for (const info of Tracker.heldBlocks(tracker)) locations.add(info)
      return Tracker.heldBlocks(tracker).some(({ block }) => locations.of(block).length > 0)
    }

    const steps: Readonly<Record<string, Apply>> = {
      isWalEnabled: () => Effect.succeed({ expect: log !== EventLog.none }),
      add: ({ stream, blocks: names }) =>
        Effect.as(
          Effect.forEach(names as ReadonlyArray<string>, (name) =>
            perform({ kind: "AddBlock", info: blocks.add(String(stream), name), registered: attempt })),
          { expect: true }
        ),
      allocate: ({ batchMs: time }) => perform({ kind: "AllocateBatch", time }),
      cleanup: Effect.fnUntraced(function* ({ beforeMs: before }) {
        yield* perform({ kind: "CleanupBatches", before, now })
        if (driver === undefined) return
        const { writer } = driver
        // As for each batch: behind its jobs, and when it is done.
        for (const _ of ["generated", "cleared"]) yield* writer.checkpoint(before)
        yield* writer.clear
      }),
      advance: ({ ms }) => advance(ms),
      unallocated: ({ stream }) =>
        Effect.sync(() => ({
          expect: namesOf(Tracker.unallocated(tracker, String(stream))),
          expectBlockIdsValid: anyHeld()
        })),
      hasUnallocated: () => Effect.sync(() => ({ expect: Tracker.hasUnallocated(tracker) })),
      blocksOf: ({ batchMs }) =>
        Effect.sync(() => ({
          expect: new Map(Array.from(Tracker.blocksOf(tracker, batchMs), ([id, infos]) => [id, namesOf(infos)]))
        })),
      blocksOfStream: ({ batchMs, stream }) => Effect.sync(() => ({ expect: blocksOfStream(batchMs, String(stream)) })),
      logDirectly: ({ events }) => log.append(events.flatMap(eventsOf(blocks, ids[0]!))),
      // It rolls after each.
      writeLogFile: ({ events }) =>
        Effect.andThen(log.append(events.flatMap(eventsOf(blocks, ids[0]!))), advance(2 * rollMillis)),
      logFiles: () =>
        Effect.map(logFiles(storage), (files) => {
          firstFile ??= files[0]
          return { expectCount: files.length }
        }),
      logEvents: () => Effect.map(eventsOfLogs(storage, blocks.nameOf), (expect) => ({ expect })),
      newestLogFileContains: Effect.fnUntraced(function* ({ event }) {
        const all = yield* eventsOfFile(storage, (yield* logFiles(storage)).at(-1)!, blocks.nameOf)
        if (!all.some((one) => isSame(one, event))) throw new Mismatch("the newest log file", event, all)
      }),
      oldestLogFileDeleted: () => Effect.map(logFiles(storage), (files) => ({ expect: !files.includes(firstFile!) })),
      stop: () => close,
      restart: Effect.fnUntraced(function* ({ recover, expectSameAsBefore = {} }) {
        yield* close
        yield* open(recover ? storage : memoryStorage())
        const times = Object.keys(expectSameAsBefore)
        return { expectSameAsBefore: Object.fromEntries(times.map((time) => [time, blocksOfStream(Number(time))])) }
      })
    }
    return (step) => known("step", steps, step.do)(step)
  })
}
