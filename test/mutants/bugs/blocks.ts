/**
 * Bugs of received blocks: between the log, the queue of those that wait, and the batches.
 */
import * as batches from "../../../adapters/simulation/invariants/batches.ts"
import * as blockRules from "../../../adapters/simulation/invariants/blocks.ts"
import type { Mutant } from "../Mutant.ts"

const tracker = "core/blocks/ReceivedBlockTracker.ts"
const trackerSnapshot = "core/blocks/trackerSnapshot.ts"
const receiverTracker = "runtime/driver/ReceiverTracker.ts"
const driverLog = "runtime/driver/checkpoint/DriverLog.ts"
const durability = "runtime/driver/checkpoint/Durability.ts"
const recording = "runtime/driver/checkpoint/recording.ts"

export const blocks: ReadonlyArray<Mutant> = [
  {
    number: 1,
    knownAs: "SPARK-23438",
    plants: "a recovery adds all blocks again, and each allocation that it repeats clears the whole queue",
    edits: [
      {
        file: tracker,
        find: "state.batches.set(time, new Map(blocks))",
        replace: `
  for (const waiting of state.waiting.values()) {
    state.waitingCount -= waiting.size
    waiting.clear()
  }
  state.batches.set(time, new Map(blocks))`
      },
      {
        file: trackerSnapshot,
        find: "const state = Tracker.make(streams)",
        replace: `const state = Tracker.make(streams)
  for (const [, infos] of snapshot.waiting) {
    for (const info of infos) Tracker.apply(state, { kind: "BlockAddition", info })
  }`
      },
      {
        file: trackerSnapshot,
        find: `
  for (const [, infos] of snapshot.waiting) {
    for (const info of infos) Tracker.apply(state, { kind: "BlockAddition", info })
  }
  if (snapshot.lastBatch`,
        replace: "if (snapshot.lastBatch"
      }
    ],
    program: "relay",
    caughtBy: [blockRules.nothingLeftBehind.name, "lines that were acknowledged are in no batch"]
  },
  {
    number: 2,
    knownAs: "SPARK-23991",
    plants:
      "blocks leave the queue before their allocation is written; a write that fails is passed over, with a batch of none",
    edits: [
      {
        file: receiverTracker,
        find: "yield* write(plan.events) return plan.events",
        replace: `
    if (command.kind === "AllocateBatch") {
      for (const waiting of state.waiting.values()) {
        state.waitingCount -= waiting.size
        waiting.clear()
      }
      const ofNone = plan.events.map((event) =>
        event.kind === "BatchAllocation" ? { ...event, blocks: event.blocks.map(([stream]) => [stream, []] as const) } : event
      )
      yield* Effect.catch(write(plan.events), () => Effect.retry(Effect.delay(write(ofNone), 200), { times: 30 }))
    } else yield* write(plan.events)
    return plan.events`
      },
      {
        file: driverLog,
        find: "broken = new EventLogError({ message, undecided: true })",
        replace: `
      const error = new EventLogError({ message, undecided: true })
      const allocated = entries.flatMap(({ events }) => events).filter(({ kind }) => kind === "BatchAllocation")
      if (failure._tag !== "Superseded") {
        for (const [stream, infos] of allocated.flatMap(({ blocks }) => blocks)) {
          for (const { block } of infos) {
            if (state.tracker.waiting.get(stream)?.delete(block)) state.tracker.waitingCount--
          }
        }
        return answer(entries, Exit.fail(error))
      }
      broken = error`
      }
    ],
    program: "relay",
    caughtBy: [
      blockRules.acceptedIsAllocated.name,
      blockRules.nothingLeftBehind.name,
      "lines that were acknowledged are in no batch"
    ]
  },
  {
    number: 3,
    knownAs: "SPARK-5233",
    plants: "allocations are missing in the log, so that a batch's blocks wait again after a recovery",
    edits: [{
      file: driverLog,
      find: "events.map((event) => new Uint8Array(codec.encode(event)))",
      replace:
        `events.filter(({ kind }) => kind !== "BatchAllocation").map((event) => new Uint8Array(codec.encode(event)))`
    }],
    program: "relay",
    caughtBy: [batches.sameContent.name, blockRules.blockInOneBatch.name]
  },
  {
    number: 4,
    knownAs: "SPARK-10210",
    plants: "a recovered batch names blocks that were in no log as if they could still be read",
    edits: [{
      file: durability,
      find: "const first = [sealOf(left), ...dropped(state, went), ...losses]",
      replace: "const first = [sealOf(left), ...dropped(state, went)]"
    }],
    program: "relay",
    caughtBy: [blockRules.readableIsThere.name]
  },
  {
    number: 5,
    knownAs: "SPARK-7139",
    plants: "blocks that are in no receiver's log are not written to the driver's log either",
    edits: [{
      file: recording,
      find: "const log: EventLog.EventLog<ReceivedBlockTrackerLogEvent> = { append,",
      replace: `
  const inReceiversLog = (event: ReceivedBlockTrackerLogEvent) =>
    event.kind !== "BlockAddition" || event.info.log !== undefined
  const log: EventLog.EventLog<ReceivedBlockTrackerLogEvent> = {
    append: (events) => append(events.filter(inReceiversLog)),`
    }],
    program: "relay",
    caughtBy: [blockRules.lossesAreTold.name]
  }
]
