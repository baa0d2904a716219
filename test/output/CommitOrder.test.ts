/**
 * The order of commits: the table of the machine, and what holds however preparing, committing, failing and giving up interleave.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import * as CommitOrder from "../../core/output/CommitOrder.ts"
import type { BatchFailurePolicy } from "../../core/scheduling/Job.ts"

type Kind = CommitOrder.CommitOrderEvent["kind"]

/** `Prepared 2` is Prepared of the batch at 2. What was commanded, by step. */
const run = (policy: BatchFailurePolicy, events: ReadonlyArray<string>) => {
  let state = CommitOrder.initial
  const said = events.map((event) => {
    const [kind, time] = event.split(" ") as [Kind, string]
    const [next, commands] = CommitOrder.step(policy)(state, { kind, time: Number(time) })
    state = next
    return commands.map((command) => `${command.kind} ${command.time}`).join(", ")
  })
  return { said, state }
}

const table = (
  name: string,
  policy: BatchFailurePolicy,
  steps: ReadonlyArray<readonly [event: string, says: string]>
) =>
  test(name, () => {
    assert.deepEqual(run(policy, steps.map(([event]) => event)).said, steps.map(([, says]) => says))
  })

table("batches that are prepared out of order are committed in order", "stop", [
  ["Started 1", ""],
  ["Started 2", ""],
  ["Started 3", ""],
  ["Prepared 3", ""],
  ["Prepared 2", ""],
  ["Prepared 1", "Commit 1"],
  ["Committed 1", "Commit 2"],
  ["Committed 2", "Commit 3"],
  ["Committed 3", ""]
])

table(
  "under policy stop a failed batch refuses those that wait, that are prepared later, and that start later",
  "stop",
  [
    ["Started 1", ""],
    ["Started 2", ""],
    ["Started 3", ""],
    ["Prepared 2", ""],
    ["Failed 1", "Refuse 2"],
    ["Prepared 3", "Refuse 3"],
    ["Started 4", "Refuse 4"]
  ]
)

table("under policy stop what is before the failed batch is committed all the same", "stop", [
  ["Started 1", ""],
  ["Started 2", ""],
  ["Started 3", ""],
  ["Failed 2", ""],
  ["Prepared 3", "Refuse 3"],
  ["Prepared 1", "Commit 1"],
  ["Committed 1", ""]
])

table("under policy skip later batches wait until the skip is recorded", "skip", [
  ["Started 1", ""],
  ["Started 2", ""],
  ["Prepared 2", ""],
  ["Failed 1", "RecordSkipped 1"],
  ["SkipRecorded 1", "Commit 2"]
])

table("a commit that fails is a failed batch", "skip", [
  ["Started 1", ""],
  ["Started 2", ""],
  ["Prepared 1", "Commit 1"],
  ["Prepared 2", ""],
  ["Failed 1", "RecordSkipped 1"],
  ["SkipRecorded 1", "Commit 2"]
])

table(
  "a batch that was given up holds later ones back under policy skip too, while it prepares, waits, commits or skips",
  "skip",
  [
    ["Started 1", ""],
    ["Started 2", ""],
    ["Prepared 1", "Commit 1"],
    ["Prepared 2", ""],
    ["Abandoned 1", "Refuse 2"],
    ["Abandoned 2", ""],
    ["Started 3", "Refuse 3"]
  ]
)

table("a skip that could not be recorded holds later ones back", "skip", [
  ["Started 1", ""],
  ["Started 2", ""],
  ["Failed 1", "RecordSkipped 1"],
  ["Prepared 2", ""],
  ["Abandoned 1", "Refuse 2"]
])

test("what breaks the protocol is told with what was expected", () => {
  for (
    const [events, message] of [
      [["Started 2", "Started 1"], /batch of 1 ms was started after that of 2 ms/],
      [["Started 1", "Started 1"], /started after/],
      [["Prepared 1"], /told to be Prepared while it was not open, and not Preparing/],
      [["Started 1", "Committed 1"], /told to be Committed while it was Preparing, and not Committing/],
      [["Started 1", "Prepared 1", "Committed 1", "Committed 1"], /while it was not open/],
      [["Started 1", "SkipRecorded 1"], /not Skipping/],
      [["Started 1", "Failed 1", "Failed 1"], /told to be Failed while it was (not open|Skipping)/]
    ] as const
  ) {
    for (const policy of ["stop", "skip"] as const) assert.throws(() => run(policy, events), { message })
  }
})

/** What may come next, of batches 1 to `count`: who drives the machine is a fiber per batch. */
const possible = (state: CommitOrder.CommitOrderState, count: number): ReadonlyArray<readonly [Kind, number]> => {
  const next = (state.lastStarted ?? 0) + 1
  const start: ReadonlyArray<readonly [Kind, number]> = next <= count ? [["Started", next]] : []
  const after: Record<CommitOrder.Phase, ReadonlyArray<Kind>> = {
    Preparing: ["Prepared", "Prepared", "Failed", "Abandoned"],
    Waiting: [],
    Committing: ["Committed", "Committed", "Failed", "Abandoned"],
    Skipping: ["SkipRecorded", "SkipRecorded", "Abandoned"]
  }
  return [...start, ...state.open.flatMap(({ phase, time }) => after[phase].map((kind) => [kind, time] as const))]
}

test("in any interleaving commits are in order, past no batch that failed unrecorded, and nobody waits for ever", () => {
  const choices = fc.array(fc.nat(11), { minLength: 12, maxLength: 40 })
  fc.assert(
    fc.property(
      fc.constantFrom("stop" as const, "skip" as const),
      fc.integer({ min: 1, max: 6 }),
      choices,
      (policy, count, picks) => {
        let state = CommitOrder.initial
        const committing: Array<number> = []
        const heard = new Set<number>()
        const ended = new Map<number, Kind>()
        const unsettled = (before: number) =>
          Array.from({ length: before - 1 }, (_, i) => i + 1).filter((time) => {
            const end = ended.get(time)
            return end !== "Committed" && end !== "SkipRecorded"
          })
        for (let turn = 0;; turn++) {
          const moves = possible(state, count)
          if (moves.length === 0) break
          const [kind, time] = moves[(picks[turn] ?? 0) % moves.length]!
          if (kind !== "Started" && kind !== "Prepared") ended.set(time, kind)
          const [next, commands] = CommitOrder.step(policy)(state, { kind, time })
          state = next
          for (const command of commands) {
            assert.equal(heard.has(command.time) && command.kind !== "RecordSkipped", false, "a batch hears once")
            if (command.kind === "RecordSkipped") continue
            heard.add(command.time)
            if (command.kind === "Refuse") {
              assert.ok(command.failed < command.time)
              assert.ok(["Failed", "Abandoned"].includes(ended.get(command.failed)!))
              continue
            }
            assert.ok(command.time > (committing.at(-1) ?? 0), "later and later")
            assert.deepEqual(unsettled(command.time), [], "all before it are committed or recorded as skipped")
            committing.push(command.time)
          }
        }
        assert.deepEqual(state.open, [], "somebody waits for ever")
      }
    ),
    { numRuns: 2000 }
  )
})
