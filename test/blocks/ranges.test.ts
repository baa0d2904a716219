/**
 * Numbered records of sources: whatever is repeated, refused, or logged without counting, each record that is stored is in one block, and
 * the mark says how far they are.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { sourceNameMax, sourcesMax } from "../../core/blocks/HighWaterMarks.ts"
import type { ReceivedBlockInfo, SourceRange } from "../../core/blocks/ReceivedBlock.ts"
import * as Tracker from "../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"

const infoOf = (sequence: number, ...ranges: ReadonlyArray<SourceRange>): ReceivedBlockInfo => ({
  block: `s/1/1/${sequence}`,
  stream: "s",
  attempt: 1,
  sequence,
  records: 1,
  bytes: 1,
  locations: [],
  ranges
})

const range = (from: number, to: number, source = "a"): SourceRange => ({ source, from, to })

const planOf = (state: Tracker.ReceivedBlockTracker, info: ReceivedBlockInfo) =>
  Tracker.plan(state, { kind: "AddBlock", info, registered: 1 })

const added = (state: Tracker.ReceivedBlockTracker, info: ReceivedBlockInfo) => {
  const plan = planOf(state, info)
  if (plan.kind === "Accepted") { for (const event of plan.events) Tracker.apply(state, event) }
  return plan.kind === "Refused" ? plan.reason : plan.kind
}

/** The numbers in all blocks that wait or are of a batch, and are not lost, unless they were used; sorted. */
const numbersOf = (state: Tracker.ReceivedBlockTracker, used: ReadonlySet<string>): ReadonlyArray<number> =>
  Tracker.heldBlocks(state).filter(({ block, lost }) => lost !== true || used.has(block))
    .flatMap(({ ranges = [] }) => ranges)
    .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
    .sort((a, b) => a - b)

test("records below the mark are a repetition, those above it new, and what is both is refused with what to do", () => {
  const state = Tracker.make(["s"])
  assert.equal(added(state, infoOf(0, range(0, 4))), "Accepted")
  assert.equal(added(state, infoOf(1, range(0, 4))), "Repeated")
  assert.equal(added(state, infoOf(2, range(3, 3))), "Repeated")
  assert.match(
    added(state, infoOf(3, range(3, 6))),
    /holds records 3 to 6 of source "a", of which those up to 4 are stored: ask for the high-water mark/
  )
  assert.equal(added(state, infoOf(4, range(3, 6, "b"))), "Accepted")
  assert.equal(added(state, infoOf(5, range(7, 9))), "Accepted", "a source may leave numbers out")
  assert.deepEqual(Tracker.marksOf(state, "s"), [["a", 9], ["b", 6]])
  assert.equal(added(state, infoOf(4, range(3, 6, "b"))), "Accepted", "the same block again gets the first answer")
  Tracker.apply(state, { kind: "BatchAllocation", time: 1, blocks: [["s", Tracker.unallocated(state, "s")]] })
  Tracker.apply(state, { kind: "BatchCleanup", times: [1] })
  assert.equal(added(state, infoOf(6, range(0, 9))), "Repeated", "a mark outlives the blocks")
})

test("ranges that cannot be, and more sources than are kept, are refused", () => {
  const state = Tracker.make(["s"])
  for (
    const wrong of [
      range(2, 1),
      range(0.5, 1),
      range(0, NaN),
      range(0, 1, ""),
      range(0, 1, "x".repeat(sourceNameMax + 1))
    ]
  ) {
    assert.match(added(state, infoOf(0, wrong)), /has to be/)
  }
  for (let i = 0; i < sourcesMax; i++) assert.equal(added(state, infoOf(i, range(0, 0, `s${i}`))), "Accepted")
  assert.match(added(state, infoOf(sourcesMax, range(0, 0, "more"))), /stream s has had 10000 sources/)
  assert.equal(added(state, infoOf(sourcesMax, range(1, 1, "s0"))), "Accepted")
})

test("where a block is lost that waits, what waits before it stays, and the source is asked again for the lost one alone", () => {
  const state = Tracker.make(["s"])
  const [first, second] = [infoOf(0, range(0, 4)), infoOf(1, range(5, 9))]
  for (const info of [first, second]) assert.equal(added(state, info), "Accepted")
  const plan = Tracker.plan(state, { kind: "LoseBlocks", blocks: [second.block], again: [second.block] })
  for (const event of plan.kind === "Accepted" ? plan.events : []) Tracker.apply(state, event)
  assert.deepEqual(Tracker.marksOf(state, "s"), [["a", 4]])
  assert.deepEqual(Tracker.unallocated(state, "s"), [first])
  assert.equal(added(state, infoOf(2, range(5, 9))), "Accepted")
})

test("where a block of a batch is lost and one behind it stays, the mark stays too: what is readable is not asked for again", () => {
  const state = Tracker.make(["s"])
  const [first, second] = [infoOf(0, range(1, 5)), infoOf(1, range(6, 10))]
  for (const info of [first, second]) assert.equal(added(state, info), "Accepted")
  Tracker.apply(state, { kind: "BatchAllocation", time: 1, blocks: [["s", [first, second]]] })
  const plan = Tracker.plan(state, {
    kind: "LoseBlocks",
    blocks: [first.block],
    again: [first.block, second.block]
  })
  for (const event of plan.kind === "Accepted" ? plan.events : []) Tracker.apply(state, event)
  assert.deepEqual(Tracker.marksOf(state, "s"), [["a", 10]])
  assert.equal(added(state, infoOf(2, range(6, 10))), "Repeated")
})

test("an allocation tells of its blocks by itself: marks follow, and what waits of their records does not count", () => {
  const state = Tracker.make(["s"])
  const blocks = [infoOf(1, range(0, 6))]
  Tracker.apply(state, { kind: "BlockAddition", info: infoOf(0, range(0, 4)) })
  Tracker.apply(state, { kind: "BatchAllocation", time: 1, blocks: [["s", blocks]] })
  assert.deepEqual(Tracker.heldBlocks(state), blocks)
  assert.equal(Tracker.hasUnallocated(state), false)
  assert.deepEqual(Tracker.marksOf(state, "s"), [["a", 6]])
})

const scripts = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("add" as const),
        count: fc.integer({ min: 1, max: 4 }),
        back: fc.nat(3)
      })
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("unlogged" as const), count: fc.integer({ min: 1, max: 4 }) })
    },
    fc.record({ kind: fc.constant("allocate" as const) }),
    fc.record({ kind: fc.constant("recover" as const) }),
    fc.record({ kind: fc.constant("lose" as const), used: fc.nat(20) })
  ),
  { maxLength: 40, size: "max" }
)

test("each record that counts is in one block, also where an addition was refused and is in the log all the same", () => {
  fc.assert(fc.property(scripts, (script) => {
    let state = Tracker.make(["s"])
    const log: Array<ReceivedBlockTrackerLogEvent> = []
    let sequence = 0
    let time = 0
    const used = new Set<string>()
    const mark = () => Tracker.marksOf(state, "s")[0]?.[1] ?? -1
    for (const step of script) {
      if (step.kind === "add") {
        // The receiver goes on behind the mark, or repeats a whole block.
        const from = Math.max(0, mark() + 1 - step.back)
        const info = infoOf(sequence++, range(from, step.back === 0 ? from + step.count - 1 : Math.max(from, mark())))
        const plan = planOf(state, info)
        for (const event of plan.kind === "Accepted" ? plan.events : []) {
          log.push(event)
          Tracker.apply(state, event)
        }
      } else if (step.kind === "unlogged") {
        // Its write failed, so it was refused; its bytes got there.
        const from = mark() + 1
        log.push({ kind: "BlockAddition", info: infoOf(sequence++, range(from, from + step.count - 1)) })
      } else if (step.kind === "allocate") {
        const plan = Tracker.plan(state, { kind: "AllocateBatch", time: ++time })
        for (const event of plan.kind === "Accepted" ? plan.events : []) {
          log.push(event)
          Tracker.apply(state, event)
        }
      } else if (step.kind === "lose") {
        // All blocks are; something came of the batches up to a time, and is not taken back.
        const held = Tracker.heldBlocks(state).filter(({ lost }) => lost !== true)
        const blocks = held.map(({ block }) => block)
        const again = blocks.filter((block) => (state.allocated.get(block) ?? Infinity) > step.used)
        for (const block of blocks) if (!again.includes(block)) used.add(block)
        const plan = Tracker.plan(state, { kind: "LoseBlocks", blocks, again })
        for (const event of plan.kind === "Accepted" ? plan.events : []) {
          log.push(event)
          Tracker.apply(state, event)
        }
      } else {
        const batches = Array.from(state.batches, ([batch, blocks]) => [batch, Array.from(blocks)])
        state = Tracker.make(["s"])
        for (const event of log) Tracker.apply(state, event)
        assert.deepEqual(Array.from(state.batches, ([batch, blocks]) => [batch, Array.from(blocks)]), batches)
      }
      assert.deepEqual(numbersOf(state, used), Array.from({ length: mark() + 1 }, (_, number) => number))
    }
  }))
})
