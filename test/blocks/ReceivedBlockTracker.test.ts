/**
 * ReceivedBlockTracker: properties against a naive model, recovery by folding, and the cases of Spark's suite.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import * as Tracker from "../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"

const infoOf = (stream: string, sequence: number, attempt = 1): ReceivedBlockInfo => ({
  block: `${stream}/0/${attempt}/${sequence}`,
  stream,
  attempt,
  sequence,
  records: 1,
  bytes: 10,
  locations: ["e1"]
})

/** Plans and applies, and keeps the log. */
const run =
  (state: Tracker.ReceivedBlockTracker, log: Array<ReceivedBlockTrackerLogEvent> = []) =>
  (command: Tracker.ReceivedBlockTrackerCommand) => {
    const plan = Tracker.plan(state, command)
    for (const event of plan.kind === "Accepted" ? plan.events : []) {
      log.push(event)
      Tracker.apply(state, event)
    }
    return plan.kind
  }

const shown = (state: Tracker.ReceivedBlockTracker) => ({
  waiting: Array.from(state.waiting, ([stream, blocks]) => [stream, Array.from(blocks.keys())]),
  batches: Array.from(
    state.batches,
    ([time, blocks]) => [time, Array.from(blocks, ([s, i]) => [s, i.map((x) => x.block)])]
  ),
  hasUnallocated: Tracker.hasUnallocated(state),
  last: state.lastBatch,
  allocated: Array.from(state.allocated)
})

const commands = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("add" as const),
      stream: fc.constantFrom("a", "b"),
      sequence: fc.nat(12),
      attempt: fc.constantFrom(1, 1, 1, 2)
    }),
    fc.record({ kind: fc.constant("allocate" as const), time: fc.nat(20) }),
    fc.record({ kind: fc.constant("cleanup" as const), before: fc.nat(20) })
  ),
  { maxLength: 60, size: "max" }
)

test("every accepted block is in exactly one batch or waits, in order of arrival, and the state is the fold of its log", () => {
  fc.assert(fc.property(commands, (script) => {
    const state = Tracker.make(["a", "b"])
    const log: Array<ReceivedBlockTrackerLogEvent> = []
    const perform = run(state, log)
    // The model: lists, searched through.
    const known = new Set<string>()
    const waiting: Array<ReceivedBlockInfo> = []
    const batches = new Map<number, Array<ReceivedBlockInfo>>()
    let last = -1
    for (const command of script) {
      if (command.kind === "add") {
        const info = infoOf(command.stream, command.sequence, command.attempt)
        const answer = perform({ kind: "AddBlock", info, registered: 1 })
        assert.equal(answer, known.has(info.block) || info.attempt === 1 ? "Accepted" : "Refused")
        if (answer === "Accepted" && !known.has(info.block)) waiting.push(info)
        if (answer === "Accepted") known.add(info.block)
      } else if (command.kind === "allocate") {
        assert.equal(perform({ kind: "AllocateBatch", time: command.time }), "Accepted")
        if (command.time > last) batches.set(command.time, waiting.splice(0))
        last = Math.max(last, command.time)
      } else {
        assert.equal(perform({ kind: "CleanupBatches", before: command.before, now: 100 }), "Accepted")
        for (const time of batches.keys()) if (time < command.before) batches.delete(time)
      }
      for (const stream of ["a", "b"]) {
        const of = (infos: ReadonlyArray<ReceivedBlockInfo>) => infos.filter((info) => info.stream === stream)
        assert.deepEqual(Tracker.unallocated(state, stream), of(waiting))
        for (const [time, infos] of batches) {
          assert.deepEqual(Tracker.blocksOf(state, time).get(stream) ?? [], of(infos))
        }
      }
      assert.equal(Tracker.hasUnallocated(state), waiting.length > 0)
      assert.deepEqual(Array.from(state.batches.keys()), Array.from(batches.keys()))
    }
    const recovered = Tracker.make(["a", "b"])
    for (const event of log) Tracker.apply(recovered, event)
    assert.deepEqual(shown(recovered), shown(state))
    // A log whose events came twice, as after an append that failed half-way.
    const twice = Tracker.make(["a", "b"])
    for (const event of log) for (const again of [event, event]) Tracker.apply(twice, again)
    assert.deepEqual(shown(twice), shown(state))
  }))
})

test("a repetition gets the first answer while it waits, when allocated, and after the clean-up", () => {
  const state = Tracker.make(["a"])
  const perform = run(state)
  const add = () => perform({ kind: "AddBlock", info: infoOf("a", 0), registered: 1 })
  assert.equal(add(), "Accepted")
  assert.equal(add(), "Accepted")
  perform({ kind: "AllocateBatch", time: 1 })
  assert.equal(add(), "Accepted")
  // The receiver has a new attempt by now: the first answer still holds.
  assert.equal(perform({ kind: "AddBlock", info: infoOf("a", 0), registered: 2 }), "Accepted")
  perform({ kind: "CleanupBatches", before: 2, now: 3 })
  assert.equal(add(), "Accepted")
  assert.equal(Tracker.hasUnallocated(state), false)
})

test("a block that is later than the window of repetitions is refused, and the memory of old blocks is bounded", () => {
  const state = Tracker.make(["a"])
  const perform = run(state)
  for (let i = 0; i <= Tracker.repetitionWindow + 10; i++) {
    perform({ kind: "AddBlock", info: infoOf("a", i), registered: 1 })
    perform({ kind: "AllocateBatch", time: i })
    perform({ kind: "CleanupBatches", before: i, now: 1e9 })
  }
  assert.equal(state.cleanedUp.get("a")!.blocks.size, Tracker.repetitionWindow)
  assert.equal(state.allocated.size, 1)
  assert.equal(perform({ kind: "AddBlock", info: infoOf("a", 0), registered: 1 }), "Refused")
  assert.equal(Tracker.hasUnallocated(state), false)
  // Another epoch, or attempt, begins anew.
  assert.equal(perform({ kind: "AddBlock", info: infoOf("a", 0, 2), registered: 2 }), "Accepted")
  assert.equal(Tracker.hasUnallocated(state), true)
})

test("the window of repetitions holds the last that was cleaned up and those before it, so many in all", () => {
  const { repetitionWindow } = Tracker
  const highest = repetitionWindow + 10
  // Of a run only the highest was cleaned up: what is younger than the window by one is new, what is not is refused.
  const answerTo = (sequence: number) => {
    const state = Tracker.make(["a"])
    const perform = run(state)
    perform({ kind: "AddBlock", info: infoOf("a", highest), registered: 1 })
    perform({ kind: "AllocateBatch", time: 1 })
    perform({ kind: "CleanupBatches", before: 2, now: 3 })
    return [perform({ kind: "AddBlock", info: infoOf("a", sequence), registered: 1 }), Tracker.hasUnallocated(state)]
  }
  assert.deepEqual(answerTo(highest - repetitionWindow - 1), ["Refused", false])
  assert.deepEqual(answerTo(highest - repetitionWindow), ["Refused", false])
  assert.deepEqual(answerTo(highest - repetitionWindow + 1), ["Accepted", true])
  assert.deepEqual(answerTo(highest), ["Accepted", false])
})

test("a block of an older or unregistered attempt, or of an unknown stream, is refused with the reason", () => {
  const state = Tracker.make(["a"])
  const refusal = (info: ReceivedBlockInfo, registered: number | undefined) => {
    const plan = Tracker.plan(state, { kind: "AddBlock", info, registered })
    return plan.kind === "Refused" ? plan.reason : "accepted"
  }
  assert.match(refusal(infoOf("a", 0, 1), 2), /attempt 1, registered is 2/)
  assert.match(refusal(infoOf("a", 0, 1), undefined), /registered is none/)
  assert.match(refusal(infoOf("x", 0, 1), 1), /no such stream/)
})

test("recovery removes only allocated blocks from those that wait", () => {
  const state = Tracker.make(["1"])
  const infos = Array.from({ length: 10 }, (_, i) => infoOf("1", i))
  for (const info of infos) Tracker.apply(state, { kind: "BlockAddition", info })
  Tracker.apply(state, { kind: "BatchAllocation", time: 0, blocks: [["1", infos.slice(0, 5)]] })
  assert.deepEqual(Tracker.blocksOf(state, 0).get("1"), infos.slice(0, 5))
  assert.deepEqual(Tracker.unallocated(state, "1"), infos.slice(5))
})

test("an allocation alone, its additions being lost, still tells its batch", () => {
  const state = Tracker.make(["1"])
  Tracker.apply(state, { kind: "BatchAllocation", time: 3, blocks: [["1", [infoOf("1", 0)]]] })
  assert.deepEqual(Tracker.blocksOf(state, 3).get("1"), [infoOf("1", 0)])
})

test("a clean-up drops the batches strictly before the limit, which has to lie in the past", () => {
  const state = Tracker.make(["1"])
  const perform = run(state)
  perform({ kind: "AddBlock", info: infoOf("1", 1), registered: 1 })
  perform({ kind: "AllocateBatch", time: 1000 })
  perform({ kind: "AddBlock", info: infoOf("1", 2), registered: 1 })
  perform({ kind: "AllocateBatch", time: 2000 })
  perform({ kind: "CleanupBatches", before: 2000, now: 10_000 })
  assert.deepEqual(Tracker.blocksOf(state, 1000), new Map())
  assert.deepEqual(Tracker.blocksOf(state, 2000), new Map([["1", [infoOf("1", 2)]]]))
  assert.equal(perform({ kind: "CleanupBatches", before: 10_000, now: 10_000 }), "Refused")
})
