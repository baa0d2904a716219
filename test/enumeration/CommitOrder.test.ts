/**
 * Batches of an output that are prepared, committed, fail and are given up, in every order.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as CommitOrder from "../../core/output/CommitOrder.ts"
import { enumerate, keyOf, type Surrounded } from "./enumerate.ts"

type Move = CommitOrder.CommitOrderEvent

type Phase = "preparing" | "prepared" | "committing" | "skipping" | "refused" | "over"

const surrounded = (policy: "stop" | "skip") => (): Surrounded<Move> => {
  let state = CommitOrder.initial
  let last = 0
  const batches = new Map<number, Phase>()
  /** Batches that count: what is after one that does not never does. */
  const committed: Array<number> = []
  let holds = Infinity

  const perform = (command: CommitOrder.CommitOrderCommand) => {
    const { kind, time } = command
    const phase = batches.get(time)
    switch (kind) {
      case "Commit":
        assert.equal(phase, "prepared", "what is committed is prepared, and committed once")
        assert.ok(committed.every((other) => other < time), "in the order of batches")
        assert.ok(time < holds, "nothing is committed after what holds it back")
        for (const [other, phase] of batches) {
          assert.ok(other >= time || phase === "over", "nothing before it is open")
        }
        batches.set(time, "committing")
        committed.push(time)
        return
      case "RecordSkipped":
        assert.equal(policy, "skip")
        batches.set(time, "skipping")
        return
      case "Refuse":
        assert.ok(command.failed < time, "what holds it back came before")
        batches.set(time, "refused")
        return
    }
  }

  const possible = (time: number, phase: Phase): ReadonlyArray<Move> => {
    const event = (kind: Move["kind"]): Move => ({ kind, time })
    switch (phase) {
      case "preparing":
        return [event("Prepared"), event("Failed"), event("Abandoned")]
      case "prepared":
        return [event("Abandoned")]
      case "committing":
        return [event("Committed"), event("Failed"), event("Abandoned")]
      case "skipping":
        return [event("SkipRecorded"), event("Abandoned")]
      case "refused":
      case "over":
        return []
    }
  }

  return {
    moves: () => [
      { kind: "Started", time: last + 1 },
      ...[...batches].flatMap(([time, phase]) => possible(time, phase))
    ],
    take: (move) => {
      const { kind, time } = move
      if (kind === "Started") {
        last = time
        batches.set(time, "preparing")
      } else if (kind === "Prepared") batches.set(time, "prepared")
      else batches.set(time, "over")
      if (kind === "Abandoned" || (kind === "Failed" && policy === "stop")) holds = Math.min(holds, time)
      const [next, commands] = CommitOrder.step(policy)(state, move)
      state = next
      commands.forEach(perform)
      const first = [...batches].find(([, phase]) => phase !== "over" && phase !== "refused")
      assert.notEqual(first?.[1], "prepared", "what is prepared and has nobody before it does not wait")
    },
    key: () => keyOf([state, batches, holds])
  }
}

for (const policy of ["stop", "skip"] as const) {
  test(`every sequence of events of the CommitOrder keeps its invariants (${policy})`, () => {
    const { sequences } = enumerate(surrounded(policy))
    assert.ok(sequences > 3000, `only ${sequences} sequences`)
  })
}
