/**
 * The invariants themselves: a lawful history breaks none, and for each there is a planted bug, a change of that history, that
 * only it catches. An invariant without a planted bug fails the suite.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { makeChecker } from "../../adapters/simulation/invariants/Invariant.ts"
import { invariants } from "../../adapters/simulation/invariants/mod.ts"
import type { Observation, Of } from "../../adapters/simulation/invariants/Observation.ts"
import { batch, facts, first, type History, lawful, reported } from "./lawfulHistory.ts"

const is =
  <K extends Observation["kind"]>(kind: K, which: (it: Of<K>) => boolean = () => true) =>
  (it: History[number]): it is Of<K> => it.kind === kind && which(it as Of<K>)

/** Puts other observations in the place of the first that matches. */
const replace = <K extends Observation["kind"]>(
  kind: K,
  which: (it: Of<K>) => boolean,
  by: (it: Of<K>) => ReadonlyArray<Observation>,
  last = false
): History => {
  const index = last ? lawful.findLastIndex(is(kind, which)) : lawful.findIndex(is(kind, which))
  assert.ok(index >= 0, `the history has no such ${kind}`)
  return [...lawful.slice(0, index), ...by(lawful[index] as Of<K>), ...lawful.slice(index + 1)]
}

const at = (time: number) => (it: { readonly time: number }) => it.time === time

/** The bug that each invariant is there for, as it would show. */
const planted: Record<string, History> = {
  "batch times grow by one interval, or by several where ticks may be passed over": [
    ...lawful.slice(0, -1),
    ...batch(6000, [], "e4"),
    { kind: "Drained", now: Infinity }
  ],
  "a batch is made of the same after a recovery": replace("BatchAllocated", at(3000), (it) => [
    { ...it, contents: "other files" }
  ], true),
  "what is shown to have come into a batch is what it is made of, also when it runs again": replace(
    "BatchSubmitted",
    at(2000),
    (it) => [{ ...it, records: [] }]
  ),
  "a driver that goes on where another stopped leaves out no batch in between": [
    ...first,
    { kind: "Life", life: 2 },
    { kind: "ExecutorJoined", executor: "e4" },
    ...batch(5000, [], "e4"),
    { kind: "Drained", now: Infinity }
  ],
  "each version of a state is made of the last version before it, however often it is made": replace(
    "StateStepped",
    (it) => it.store === 3,
    (it) => [{ ...it, from: 1000 }]
  ),
  "a store takes a step once, and only forward": replace("StateRestored", (it) => it.store === 2, (it) => [
    { ...it, version: 2000 }
  ]),
  "a version is made again only after whoever made it has died, has let it go, or was told to forget it": replace(
    "StateReleased",
    () => true,
    () => []
  ),
  "what a version shows is the same whoever reads it, also when it was made again": replace(
    "StateRead",
    (it) => it.store === 2,
    (it) => [{ ...it, shown: "b" }]
  ),
  "a snapshot is removed only when two complete ones are newer than it, or as new": replace(
    "SnapshotRemoved",
    () => true,
    (it) => [{ ...it, time: 1000 }]
  ),
  "a file is removed only when neither of the last two complete snapshots builds on it": replace(
    "SnapshotRemoved",
    () => true,
    (it) => [{ ...it, time: 400, file: "state/counts/0/400" }]
  ),
  "no plan and no block is forgotten of which a state may have to be made again": replace(
    "ForgetSent",
    () => true,
    (it) => [{ ...it, blocks: ["a1"] }]
  ),
  "a store holds its newest version, and others only while they may be asked for": replace(
    "StateForgot",
    () => true,
    (it) => [{ ...it, held: [1000, 2000] }]
  ),
  "a store that others have left behind is dropped": replace("StateForgot", () => true, (it) => {
    const left = { ...it, store: 1, before: 3000, held: [1000] }
    return [left, left, left]
  }),
  "a batch is submitted once by a driver": replace("BatchSubmitted", at(2000), (it) => [it, it]),
  "no more jobs run at once than concurrentJobs allows": replace("JobStarted", at(2000), (it) => [
    it,
    { ...it, output: "other" },
    { kind: "JobEnded", time: 2000, output: "other", failed: false }
  ]),
  "jobs start in order of their batches": replace("JobStarted", at(3000), (it) => [
    { ...it, time: 1500 },
    { kind: "JobEnded", time: 1500, output: "out", failed: false },
    it
  ]),
  "each job starts once and ends once": replace("JobEnded", at(2000), (it) => [it, it]),
  "a batch is completed when all its jobs have ended, and not before": replace("BatchSubmitted", at(2000), (it) => [
    { ...it, outputs: ["out", "never started"] }
  ]),
  "after a graceful stop every submitted batch is completed, once": replace("BatchCompleted", at(4000), () => []),
  "every stored block is in exactly one batch, or unallocated": replace("BatchAllocated", at(3000), (it) => [
    { ...it, blocks: ["b2", "b1"] }
  ]),
  "a batch has only blocks that were answered with Accepted, now or in the end": replace(
    "BatchAllocated",
    at(3000),
    (it) => [
      { ...it, blocks: ["b2", "a3"] }
    ]
  ),
  "after a graceful stop no stored block is unallocated": replace("BlockAnswered", (it) => it.block === "b2", (it) => [
    { ...reported("b3", ["e2"], []), executor: "e2" },
    it,
    { ...it, block: "b3" }
  ]),
  "a block that is in a log is never read as empty": replace("BlockIgnored", () => true, (it) => [
    { ...reported("b0", ["e1"], []) },
    { ...it, block: "b0" }
  ], true),
  "a block that a batch is to read is in a log, or was reported to the same driver": replace(
    "BatchAllocated",
    at(3000),
    (it) => [{ ...it, unlogged: ["b2"] }],
    true
  ),
  "a block that was accepted is in one of the batches after it": [
    ...first,
    ...Array.from({ length: 14 }, (_, i) => batch(4000 + i * 1000, [], "e2")).flat()
  ],
  "a driver that goes on where another stopped tells how many blocks that one had accepted are gone": replace(
    "RecoveredFrom",
    () => true,
    (it) => [{ ...it, lost: [] }]
  ),
  "nothing that one of the last two checkpoints refers to is removed": replace("FileRemoved", () => true, (it) => [
    { ...it, file: "epochs/1/blocks/2" }
  ]),
  "a driver goes on from the furthest checkpoint that was there when it started": replace(
    "RecoveredFrom",
    () => true,
    (it) => [{ ...it, sequence: 2 }]
  ),
  "no two checkpoints of a driver have one number, and each is further than the one before": replace(
    "CheckpointWritten",
    (it) => it.sequence === 3,
    (it) => [it, { ...it, sequence: 1 }]
  ),
  "the batches of an output are committed in order": replace(
    "Committed",
    at(2000),
    (it) => [it, { ...it, time: 1500 }]
  ),
  "a batch that is committed again is what it was": replace("Committed", at(1000), (it) => [
    it,
    { ...it, before: "something else" }
  ]),
  "a block whose level asks for two holders has two, where another executor has been there for long": replace(
    "BlockReported",
    () => true,
    (it) => [{ ...it, holders: ["e1"] }]
  ),
  "a block is read as empty only when all who held it are dead": replace("BlockIgnored", () => true, (it) => [
    { ...it, block: "a1" }
  ]),
  "what an executor was told to forget is gone from its memory": replace("ExecutorProbed", () => true, (it) => [
    { ...it, held: true }
  ]),
  "after a graceful stop executors were told to forget all batches but those that are still remembered": replace(
    "ForgetSent",
    () => true,
    (it) => [{ ...it, before: -1 }]
  ),
  "no plan of a forgotten batch is sent": replace("PlansSent", (it) => it.times[0] === 3000, (it) => [
    { ...it, times: [500, 2000, 3000] }
  ]),
  "no task and no receiver is sent to a lost executor": replace("TaskSent", (it) => it.batch === 3000, (it) => [
    { ...it, executor: "e1" }
  ]),
  "an executor joins once, is lost at most once, and never returns": replace(
    "ExecutorLost",
    () => true,
    (it) => [it, it]
  ),
  "an attempt of a task is sent once": replace("TaskSent", (it) => it.attempt === 1, (it) => [{ ...it, attempt: 0 }]),
  "an executor knows the plan of the batch whose task it is sent": replace(
    "TaskSent",
    (it) => it.batch === 3000,
    (it) => [
      { ...it, plans: [2000] }
    ]
  ),
  "each order to start a receiver is a new attempt": replace(
    "ReceiverOrdered",
    (it) => it.attempt === 2,
    (it) => [it, it]
  ),
  "only the newest attempt of a receiver is registered, where it was ordered": replace(
    "ReceiverAnswered",
    (it) => it.attempt === 2,
    (it) => [{ ...it, executor: "e1" }]
  ),
  "a new block is accepted only of the registered attempt": replace(
    "BlockAnswered",
    (it) => it.block === "b2",
    (it) => [
      { ...it, attempt: 1 }
    ]
  ),
  "the answer to a repeated block is the first answer": replace("BlockAnswered", (it) => it.block === "b1", (it) => [
    it,
    { ...it, accepted: true, block: "a3" }
  ])
}

const broken = (history: History): ReadonlyArray<string> => {
  const checker = makeChecker(invariants, facts)
  let life = 1
  history.forEach((entry, index) => {
    if (entry.kind === "Life") life = entry.life
    else checker.observe({ at: index, life, observation: entry })
  })
  return checker.violations.map(({ invariant }) => invariant)
}

test("a lawful history breaks no invariant", () => assert.deepEqual(broken(lawful), []))

test("names of invariants are unique, and each has a planted bug", () => {
  assert.deepEqual(invariants.map(({ name }) => name).sort(), Object.keys(planted).sort())
})

for (const [name, history] of Object.entries(planted)) {
  test(`a planted bug is caught only by: ${name}`, () => assert.deepEqual(broken(history), [name]))
}
