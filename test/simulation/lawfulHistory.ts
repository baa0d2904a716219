/**
 * lawfulHistory: what the invariants see of a run of two drivers in which all is well, and the observations that it is made of.
 */
import type { RunFacts } from "../../adapters/simulation/invariants/Invariant.ts"
import type { Observation, Of } from "../../adapters/simulation/invariants/Observation.ts"

/** From a `Life` on it is another driver that does all. */
export type History = ReadonlyArray<Observation | { readonly kind: "Life"; readonly life: number }>

export const facts: RunFacts = {
  batchMillis: 1000,
  concurrentJobs: 1,
  missedTicks: "replay",
  states: ["counts"],
  snapshotsMax: 2,
  rememberMillis: 1000
}

const ofState = { operator: "counts", partition: 0 }

const stepped = (store: number, executor: string, from: number | undefined, to: number): Observation => ({
  kind: "StateStepped",
  ...ofState,
  store,
  executor,
  from,
  to
})

const read = (store: number, executor: string): Of<"StateRead"> => ({
  kind: "StateRead",
  ...ofState,
  store,
  executor,
  version: 500,
  view: "all",
  shown: "a"
})

const answered = (block: string, attempt: number, executor: string, accepted = true): Observation => ({
  kind: "BlockAnswered",
  block,
  stream: "lines",
  attempt,
  executor,
  accepted,
  repeated: false
})

const isLogged = (block: string): boolean => block.startsWith("b")

export const reported = (
  block: string,
  holders: ReadonlyArray<string>,
  others: ReadonlyArray<string>
): Of<"BlockReported"> => ({
  kind: "BlockReported",
  block,
  executor: "e1",
  holders,
  others,
  logged: isLogged(block)
})

const recordsOf = (blocks: ReadonlyArray<string>) => [{ stream: "lines", records: blocks.length }]

const allocated = (time: number, blocks: ReadonlyArray<string>): Of<"BatchAllocated"> => ({
  kind: "BatchAllocated",
  time,
  blocks,
  unlogged: blocks.filter((block) => !isLogged(block)),
  records: recordsOf(blocks),
  contents: blocks.join()
})

const checkpoint = (epoch: number, sequence: number): Of<"CheckpointWritten"> => ({
  kind: "CheckpointWritten",
  epoch,
  sequence,
  file: `epochs/${epoch}/checkpoints/${sequence}`,
  files: [`epochs/${epoch}/blocks/${sequence}`],
  log: `epochs/${epoch}/log/${sequence}`
})

const committed = (time: number, before?: string): Of<"Committed"> => ({
  kind: "Committed",
  output: "out",
  time,
  partition: undefined,
  contents: `of ${time}`,
  before
})

export const batch = (time: number, blocks: ReadonlyArray<string>, executor: string): History => {
  const stage = `counts@${time}:0`
  const plans = [time]
  return [
    allocated(time, blocks),
    { kind: "PlansSent", executor, times: plans },
    { kind: "BatchSubmitted", time, outputs: ["out"], records: recordsOf(blocks) },
    { kind: "JobStarted", time, output: "out" },
    { kind: "TaskSent", executor, stage, partition: 0, task: time, attempt: 0, batch: time, plans },
    { kind: "TaskSent", executor, stage, partition: 0, task: time, attempt: 1, batch: time, plans },
    committed(time),
    { kind: "JobEnded", time, output: "out", failed: false },
    { kind: "BatchCompleted", time }
  ]
}

/** Of the first driver: two executors, one of which is lost; a receiver of two attempts; three batches. */
export const first: History = [
  { kind: "ExecutorJoined", executor: "e1" },
  { kind: "ExecutorJoined", executor: "e2" },
  { kind: "ReceiverOrdered", stream: "lines", attempt: 1, executor: "e1" },
  { kind: "ReceiverAnswered", stream: "lines", attempt: 1, executor: "e1", accepted: true },
  reported("a1", ["e1", "e2"], ["e2"]),
  answered("a1", 1, "e1"),
  reported("a2", ["e1"], []),
  answered("a2", 1, "e1"),
  answered("a2", 1, "e1"),
  ...batch(1000, ["a1", "a2"], "e1"),
  stepped(1, "e1", undefined, 1000),
  read(1, "e1"),
  { kind: "SnapshotWritten", ...ofState, time: 1000, file: "state/counts/0/1000" },
  { kind: "SnapshotCompleted", operator: "counts", time: 1000, files: [["state/counts/0/1000"]] },
  { kind: "ExecutorDied", executor: "e1" },
  { kind: "ExecutorLost", executor: "e1" },
  { kind: "BlockIgnored", block: "a2", batch: 1000 },
  // Too late: for other stages of that batch it stays empty.
  { kind: "BlockHeld", block: "a2", executor: "e2" },
  { kind: "BlockIgnored", block: "a2", batch: 1000 },
  { kind: "BlockHeld", block: "a1", executor: "e2" },
  { kind: "ReceiverOrdered", stream: "lines", attempt: 2, executor: "e2" },
  { kind: "ReceiverAnswered", stream: "lines", attempt: 2, executor: "e2", accepted: true },
  answered("a3", 1, "e1", false),
  { ...reported("b1", ["e2"], []), executor: "e2" },
  answered("b1", 2, "e2"),
  ...batch(2000, ["b1"], "e2"),
  { kind: "StateRestored", ...ofState, store: 2, executor: "e2", version: 1000 },
  read(2, "e2"),
  stepped(2, "e2", 1000, 2000),
  { kind: "SnapshotCompleted", operator: "counts", time: 2000, files: [["state/counts/0/400", "state/counts/0/2000"]] },
  { kind: "StateForgot", ...ofState, store: 2, executor: "e2", before: 2000, held: [2000] },
  { kind: "SnapshotRemoved", ...ofState, time: 500, file: "state/counts/0/500" },
  checkpoint(1, 1),
  checkpoint(1, 2),
  checkpoint(1, 3),
  { kind: "FileRemoved", file: "epochs/1/blocks/1" },
  { kind: "FileRemoved", file: "epochs/1/log/1" },
  { kind: "ForgetSent", before: 1000, blocks: [] },
  { kind: "ExecutorProbed", executor: "e2", forgotten: "a1", held: false },
  { ...reported("b2", ["e2"], []), executor: "e2" },
  answered("b2", 2, "e2"),
  ...batch(3000, ["b2"], "e2"),
  stepped(2, "e2", 2000, 3000),
  { kind: "StateReleased", ...ofState, executor: "e2" },
  { kind: "StateRestored", ...ofState, store: 3, executor: "e3", version: 2000 },
  stepped(3, "e3", 2000, 3000),
  { ...reported("a4", ["e2"], []), executor: "e2" },
  answered("a4", 2, "e2")
]

/** Another driver goes on. */
export const lawful: History = [
  ...first,
  { kind: "Life", life: 2 },
  { kind: "ExecutorJoined", executor: "e4" },
  {
    kind: "RecoveredFrom",
    epoch: 1,
    sequence: 3,
    file: "epochs/1/checkpoints/3",
    lost: [{ stream: "lines", blocks: 3 }],
    pending: [3000]
  },
  checkpoint(2, 1),
  allocated(3000, ["b2"]),
  committed(3000, "of 3000"),
  ...batch(4000, [], "e4"),
  { kind: "StateRestored", ...ofState, store: 4, executor: "e4", version: 2000 },
  { ...read(4, "e4"), version: 2500 },
  stepped(4, "e4", 2000, 3000),
  { kind: "Drained", now: Infinity }
]
