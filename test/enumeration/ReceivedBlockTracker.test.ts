/**
 * Blocks of two attempts of a receiver, batches, clean-up, writes that fail, and recoveries, in every order.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { blockId, type ReceivedBlockInfo } from "../../core/blocks/ReceivedBlock.ts"
import * as Tracker from "../../core/blocks/ReceivedBlockTracker.ts"
import type { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import { enumerate, keyOf, type Surrounded } from "./enumerate.ts"

type Move =
  | { readonly kind: "Add"; readonly attempt: number; readonly sequence: number; readonly written: boolean }
  | { readonly kind: "Register"; readonly attempt: number }
  | { readonly kind: "Allocate"; readonly written: boolean }
  | { readonly kind: "AllocateAgain" }
  | { readonly kind: "Cleanup" }
  | { readonly kind: "Recover" }

const batchMillis = 10

const infoOf = (attempt: number, sequence: number): ReceivedBlockInfo => ({
  block: blockId({ stream: "s", epoch: 1, attempt, sequence }),
  stream: "s",
  attempt,
  sequence,
  records: 1,
  bytes: 1,
  locations: []
})

const surrounded = (): Surrounded<Move> => {
  let state = Tracker.make(["s"])
  let registered: number | undefined = 1
  let now = batchMillis
  let cleanedBefore = 0
  const log: Array<ReceivedBlockTrackerLogEvent> = []
  /** What must hold, kept by itself: the batch of each block that was accepted; undefined: none yet. */
  const accepted = new Map<string, number | undefined>()
  const refused = new Set<string>()

  const command = (it: Tracker.ReceivedBlockTrackerCommand, written: boolean): Tracker.Plan => {
    const plan = Tracker.plan(state, it)
    if (plan.kind !== "Accepted" || !written) return plan
    log.push(...plan.events)
    for (const event of plan.events) Tracker.apply(state, event)
    return plan
  }

  const add = (attempt: number, sequence: number, written: boolean) => {
    const info = infoOf(attempt, sequence)
    const plan = command({ kind: "AddBlock", info, registered }, written)
    if (plan.kind === "Refused") {
      // Of attempts before the newest nothing is known any more when their batches are cleaned up.
      const batch = accepted.get(info.block)
      const isForgotten = batch !== undefined && batch < cleanedBefore
      assert.ok(!accepted.has(info.block) || isForgotten, "a block that was accepted is refused")
      assert.notEqual(attempt, registered, "a block of the registered attempt is refused")
      refused.add(info.block)
    } else if (plan.kind === "Accepted" && plan.events.length > 0) {
      assert.equal(attempt, registered, "a new block of another attempt is accepted")
      assert.ok(!accepted.has(info.block), "a block is added twice")
      if (written) accepted.set(info.block, undefined)
    } else assert.ok(accepted.has(info.block), "a block that nobody knows is taken for a repetition")
  }

  const allocate = (time: number, written: boolean) => {
    command({ kind: "AllocateBatch", time }, written)
    if (!written) return
    for (const [block, batch] of accepted) if (batch === undefined) accepted.set(block, time)
  }

  const check = () => {
    const waiting = Tracker.unallocated(state, "s").map(({ block }) => block)
    const wanted = [...accepted].filter(([, batch]) => batch === undefined).map(([block]) => block)
    assert.deepEqual(waiting, wanted, "what waits is what was accepted and is in no batch, in order")
    assert.equal(Tracker.hasUnallocated(state), wanted.length > 0)
    for (let time = batchMillis; time < now; time += batchMillis) {
      const blocks = [...Tracker.blocksOf(state, time).values()].flat().map(({ block }) => block)
      const ofBatch = [...accepted].filter(([, batch]) => batch === time).map(([block]) => block)
      assert.deepEqual(blocks, time < cleanedBefore ? [] : ofBatch, `batch ${time} is what it was`)
    }
  }

  return {
    moves: () => [
      { kind: "Add", attempt: 1, sequence: 1, written: true },
      { kind: "Add", attempt: 1, sequence: 2, written: true },
      { kind: "Add", attempt: 2, sequence: 1, written: true },
      { kind: "Add", attempt: registered ?? 1, sequence: 3, written: false },
      { kind: "Register", attempt: registered === 1 ? 2 : 1 },
      { kind: "Allocate", written: true },
      { kind: "Allocate", written: false },
      { kind: "AllocateAgain" },
      { kind: "Cleanup" },
      { kind: "Recover" }
    ],
    take: (move) => {
      switch (move.kind) {
        case "Add":
          add(move.attempt, move.sequence, move.written)
          break
        case "Register":
          registered = move.attempt
          break
        case "Allocate":
          allocate(now, move.written)
          if (move.written) now += batchMillis
          break
        case "AllocateAgain":
          // The answer to a message that came twice: no event, so no change.
          if (now > batchMillis) {
            assert.deepEqual(Tracker.plan(state, { kind: "AllocateBatch", time: now - batchMillis }), {
              kind: "Accepted",
              events: []
            })
          }
          break
        case "Cleanup": {
          const before = now - batchMillis
          command({ kind: "CleanupBatches", before, now }, true)
          cleanedBefore = Math.max(cleanedBefore, before)
          break
        }
        case "Recover": {
          const before = keyOf(state)
          state = Tracker.make(["s"])
          for (const event of log) Tracker.apply(state, event)
          assert.equal(keyOf(state), before, "the fold of the log is the state")
          state = Tracker.make(["s"])
          for (const event of log.flatMap((one) => [one, one])) Tracker.apply(state, event)
          assert.equal(keyOf(state), before, "an event twice is no change")
        }
      }
    },
    check,
    key: () => keyOf([state, registered, now, cleanedBefore, accepted, refused])
  }
}

test("every sequence of events of the ReceivedBlockTracker keeps its invariants, and recovery is their fold", () => {
  const { sequences, situations } = enumerate(surrounded)
  assert.equal(sequences, 11_111_110)
  assert.ok(situations > 500, `only ${situations} situations`)
})
