/**
 * What becomes of blocks when a driver, its executors, or a write to its log is lost: bugs 1 to 5 of the museum of lost records.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import * as Tracker from "../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import { capture, restore } from "../../core/blocks/trackerSnapshot.ts"
import { lostByStream, unreadableBlocks } from "../../core/blocks/unreadableBlocks.ts"
import { planOf } from "../../core/dstream/BatchPlan.ts"

const log = (sequence: number) => ({ file: "epochs/00000001/blocks/s/1/00000001", offset: sequence * 10, length: 9 })

const infoOf = (sequence: number, inLog: boolean, stream = "s"): ReceivedBlockInfo => ({
  block: `${stream}/1/1/${sequence}`,
  stream,
  attempt: 1,
  sequence,
  records: 2,
  bytes: 10,
  locations: ["e1"],
  ...(inLog ? { log: log(sequence) } : {})
})

const streams = ["s", "t"]

const fold = (events: ReadonlyArray<ReceivedBlockTrackerLogEvent>): Tracker.ReceivedBlockTracker => {
  const state = Tracker.make(streams)
  for (const event of events) Tracker.apply(state, event)
  return state
}

/** Plans, logs and applies. */
const ran = (state: Tracker.ReceivedBlockTracker, command: Tracker.ReceivedBlockTrackerCommand) => {
  const plan = Tracker.plan(state, command)
  const events = plan.kind === "Accepted" ? plan.events : []
  for (const event of events) Tracker.apply(state, event)
  return events
}

const contentOf = (state: Tracker.ReceivedBlockTracker) => ({
  waiting: Array.from(state.waiting, ([stream, blocks]) => [stream, [...blocks.values()]]),
  batches: Array.from(state.batches, ([time, blocks]) => [time, [...blocks]]),
  allocated: [...state.allocated],
  count: state.waitingCount,
  last: state.lastBatch,
  marks: Array.from(state.marks, ([stream, marks]) => [stream, [...marks]]),
  logs: [...state.logs].sort()
})

const commands = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("add" as const),
        stream: fc.constantFrom(...streams),
        inLog: fc.boolean()
      })
    },
    fc.record({ kind: fc.constant("allocate" as const) }),
    fc.record({ kind: fc.constant("cleanup" as const), back: fc.nat(3) }),
    fc.record({ kind: fc.constant("lose" as const) })
  ),
  { maxLength: 40, size: "max" }
)

const logOf = (script: typeof commands extends fc.Arbitrary<infer S> ? S : never) => {
  const state = Tracker.make(streams)
  const events: Array<ReceivedBlockTrackerLogEvent> = []
  const states = [contentOf(state)]
  let sequence = 0
  let time = 0
  for (const step of script) {
    const command: Tracker.ReceivedBlockTrackerCommand = step.kind === "add"
      ? { kind: "AddBlock", info: infoOf(sequence++, step.inLog, step.stream), registered: 1 }
      : step.kind === "allocate"
      ? { kind: "AllocateBatch", time: ++time }
      : step.kind === "cleanup"
      ? { kind: "CleanupBatches", before: time - step.back, now: time + 1 }
      : { kind: "LoseBlocks", blocks: unreadableBlocks(state).map(({ block }) => block) }
    for (const event of ran(state, command)) {
      events.push(event)
      states.push(contentOf(state))
    }
  }
  return { events, states }
}

test("every beginning of a log is a state that its driver was in: no batch holds less, or more, than it did (bugs 1 and 3)", () => {
  fc.assert(fc.property(commands, (script) => {
    const { events, states } = logOf(script)
    for (let length = 0; length <= events.length; length++) {
      assert.deepEqual(contentOf(fold(events.slice(0, length))), states[length])
      const twice = fold(events.slice(0, length).flatMap((event) => [event, event]))
      assert.deepEqual(contentOf(twice), states[length], "an event that comes twice is no change")
    }
  }))
})

test("a state is the same after a checkpoint", () => {
  fc.assert(fc.property(commands, (script) => {
    const state = fold(logOf(script).events)
    const written = JSON.parse(JSON.stringify(capture(state)))
    assert.deepEqual(
      JSON.parse(JSON.stringify(contentOf(restore(written, streams)))),
      JSON.parse(JSON.stringify(contentOf(state)))
    )
  }))
})

test("a recovery keeps the blocks that wait (bug 1)", () => {
  const state = fold([
    { kind: "BlockAddition", info: infoOf(0, true) },
    { kind: "BatchAllocation", time: 1, blocks: [["s", [infoOf(0, true)]], ["t", []]] },
    { kind: "BlockAddition", info: infoOf(1, true) }
  ])
  assert.deepEqual(Tracker.unallocated(state, "s"), [infoOf(1, true)])
})

test("blocks leave the queue with the log's write, not before (bug 2)", () => {
  const state = fold([{ kind: "BlockAddition", info: infoOf(0, true) }])
  const first = Tracker.plan(state, { kind: "AllocateBatch", time: 1 })
  assert.deepEqual(Tracker.unallocated(state, "s"), [infoOf(0, true)], "the write may fail")
  const again = Tracker.plan(state, { kind: "AllocateBatch", time: 1 })
  assert.deepEqual(again, first)
})

test("blocks that nobody can read are dropped where they wait, empty where they are of a batch, and counted (bugs 4 and 5)", () => {
  const state = fold([
    { kind: "BlockAddition", info: infoOf(0, true) },
    { kind: "BlockAddition", info: infoOf(1, false) },
    { kind: "BlockAddition", info: { ...infoOf(2, false, "t"), records: undefined } },
    {
      kind: "BatchAllocation",
      time: 1,
      blocks: [["s", [infoOf(0, true), infoOf(1, false)]], ["t", [infoOf(2, false, "t")]]]
    },
    { kind: "BlockAddition", info: infoOf(3, false) },
    { kind: "BlockAddition", info: infoOf(4, true) }
  ])
  const unreadable = unreadableBlocks(state)
  assert.deepEqual(unreadable.map(({ sequence }) => sequence), [1, 2, 3])
  assert.deepEqual(lostByStream(unreadable), [
    { stream: "s", blocks: 2, records: 4, uncounted: 0, askedAgain: 0 },
    { stream: "t", blocks: 1, records: 2, uncounted: 0, askedAgain: 0 }
  ])
  assert.deepEqual(lostByStream([{ ...infoOf(9, false), records: undefined }]), [
    { stream: "s", blocks: 1, records: 0, uncounted: 1, askedAgain: 0 }
  ])
  const blocks = unreadable.map(({ block }) => block)
  assert.deepEqual(ran(state, { kind: "LoseBlocks", blocks: [...blocks, "s/1/1/77"] }), [{
    kind: "BlocksLost",
    blocks
  }])
  assert.deepEqual(ran(state, { kind: "LoseBlocks", blocks }), [], "once")
  assert.deepEqual(unreadableBlocks(state), [])
  assert.deepEqual(Tracker.unallocated(state, "s"), [infoOf(4, true)])
  const asked = { zeroTime: 0, inputs: [], sideValues: [] }
  assert.deepEqual(planOf(1, Tracker.blocksOf(state, 1), asked).inputs, [
    {
      stream: "s",
      records: 2,
      partitions: [
        { kind: "block", block: "s/1/1/0", records: 2, log: log(0) },
        { kind: "block", block: "s/1/1/1", records: 0, lost: true }
      ]
    },
    { stream: "t", records: 0, partitions: [{ kind: "block", block: "t/1/1/2", records: 0, lost: true }] }
  ])
})
