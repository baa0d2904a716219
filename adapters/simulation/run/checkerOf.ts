/**
 * checkerOf: the check of all invariants over a run of a subject.
 */
import type { DStreamGraph } from "../../../core/dstream/DStreamGraph.ts"
import * as Settings from "../../../core/settings/Settings.ts"
import type { FaultPlan } from "../faults/FaultPlan.ts"
import { makeChecker } from "../invariants/Invariant.ts"
import { invariants } from "../invariants/mod.ts"
import type { SimulatedApp, Subject } from "./Subject.ts"

export type Checker = ReturnType<typeof makeChecker>

export const checkerOf = (
  { changes, drawn: { executors }, snapshotsMax }: Subject,
  { settings }: SimulatedApp,
  { batchMillis, nodes, rememberMillis }: DStreamGraph,
  { storage }: FaultPlan
): Checker => {
  const { checkpointDirectory, concurrentJobs, missedTicks } = Settings.resolve([settings], { batchMillis, executors })
  return makeChecker(invariants, {
    batchMillis,
    concurrentJobs,
    missedTicks,
    states: nodes.flatMap(({ checkpointMillis, id }) => checkpointMillis === undefined ? [] : [id]),
    snapshotsMax,
    rememberMillis,
    recovers: checkpointDirectory !== undefined,
    damaged: storage.rates.flippedBit > 0 || storage.rates.lostSync > 0,
    changes
  })
}
