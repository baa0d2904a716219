/**
 * What a driver logs, in every order, with a checkpoint at any place: the state is a fold, and a checkpoint with the rest of the log
 * is the same state.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { blockId } from "../../core/blocks/ReceivedBlock.ts"
import * as Checkpoint from "../../core/checkpoint/Checkpoint.ts"
import type { DriverLogEvent } from "../../core/checkpoint/DriverLogEvent.ts"
import * as DriverState from "../../core/checkpoint/DriverState.ts"
import { enumerate, keyOf, type Surrounded } from "./enumerate.ts"

type Move = DriverLogEvent | { readonly kind: "Checkpoint" } | { readonly kind: "Again" }

const block = (sequence: number) => ({
  block: blockId({ stream: "s", epoch: 1, attempt: 1, sequence }),
  stream: "s",
  attempt: 1,
  sequence,
  records: 1,
  bytes: 1,
  locations: []
})

const asked = { zeroTime: 0, inputs: [], sideValues: [] }

/** What of a state another driver goes on with: which blocks were cleaned up is asked of nobody. */
const left = ({ asked, done, ended, snapshots, tracker }: DriverState.DriverState): string =>
  keyOf([asked, done, ended, snapshots, tracker.waiting, tracker.batches, tracker.allocated, tracker.lastBatch])

const surrounded = (about: "batches" | "snapshots") => (): Surrounded<Move> => {
  const state = DriverState.make(["s"])
  const log: Array<DriverLogEvent> = []
  let checkpoint: { readonly taken: Checkpoint.Checkpoint; readonly at: number } | undefined
  const contents = new Map<number, string>()
  /** Whoever writes the log knows what it has: an addition is repeated at once, or not at all. */
  const added = new Set<number>()

  const allocate = (time: number): DriverLogEvent => ({
    kind: "BatchAllocation",
    time,
    asked,
    blocks: [["s", [...state.tracker.waiting.get("s")!.values()]]]
  })

  const ofBatches = (): ReadonlyArray<Move> => [
    ...(added.size < 2 ? [{ kind: "BlockAddition", info: block(added.size + 1) } satisfies Move] : []),
    { kind: "OutputEnded", time: 10, output: "a", result: "done" },
    { kind: "OutputEnded", time: 20, output: "a", result: "skipped" },
    ...(state.done === undefined ? [] : [{ kind: "BatchCleanup", times: [10] } satisfies Move])
  ]

  const ofSnapshots = (): ReadonlyArray<Move> => [
    ...[10, 20].map((time): Move => ({
      kind: "SnapshotCompleted",
      snapshot: { operator: "o", time, previous: 0, files: [["f"]] }
    })),
    { kind: "SnapshotsDropped", operator: "o", before: 20 }
  ]

  const moves = (): ReadonlyArray<Move> => [
    ...(about === "batches" ? ofBatches() : ofSnapshots()),
    allocate((state.tracker.lastBatch ?? 0) + 10),
    { kind: "BatchesDone", upTo: state.tracker.lastBatch ?? 10 },
    ...(log.length === 0 ? [] : [{ kind: "Again" } satisfies Move]),
    ...(checkpoint === undefined ? [{ kind: "Checkpoint" } satisfies Move] : [])
  ]

  const check = () => {
    const pending = DriverState.pendingOf(state)
    assert.deepEqual(pending, [...pending].sort((a, b) => a - b))
    assert.ok(pending.every((time) => state.done === undefined || time > state.done), "what is done is not pending")
    const folded = DriverState.make(["s"])
    for (const event of log) DriverState.apply(folded, event)
    assert.equal(left(folded), left(state), "the state is the fold of the log")
    const again = restored()
    if (again !== undefined) {
      assert.equal(left(again), left(state), "a checkpoint and the rest of the log are the state")
    }
  }

  const restored = () => {
    if (checkpoint === undefined) return undefined
    const again = Checkpoint.stateOf(checkpoint.taken, ["s"])
    for (const event of log.slice(checkpoint.at)) DriverState.apply(again, event)
    return again
  }

  return {
    moves,
    take: (move) => {
      if (move.kind === "Checkpoint") {
        const header = { run: {}, sequence: 1, time: 0, written: 0, log: { segment: 1, offset: 0 } }
        checkpoint = { taken: structuredClone(Checkpoint.capture(header as never, state)), at: log.length }
      } else {
        const event = move.kind === "Again" ? log.at(-1)! : move
        const before = left(state)
        log.push(event)
        if (event.kind === "BlockAddition") added.add(event.info.sequence)
        DriverState.apply(state, event)
        for (const plan of DriverState.plansOf(state)) {
          const text = keyOf(plan)
          assert.equal(text, contents.get(plan.time) ?? text, "a batch keeps its inputs")
          contents.set(plan.time, text)
        }
        if (move.kind === "Again") assert.equal(left(state), before, "an event twice is no change")
      }
    },
    check,
    key: () => keyOf([state, restored(), log.at(-1)])
  }
}

for (const about of ["batches", "snapshots"] as const) {
  test(`every sequence of events of the driver's log folds to one state, also from a checkpoint on (${about})`, () => {
    const { sequences } = enumerate(surrounded(about))
    assert.ok(sequences > 30_000, `only ${sequences} sequences`)
  })
}
