/**
 * shrink: makes a failing job small.
 */
import { shrink as shrinkRun } from "../../../adapters/simulation/run/shrink.ts"
import type { SimulationResult } from "../run/Simulation.ts"
import { type Job, run } from "./Job.ts"

/** Runs that may be spent on it. */
const runsMax = 80

export interface Shrunk {
  readonly job: Job
  readonly result: SimulationResult
}

export async function shrink(job: Job, result: SimulationResult, batches: number): Promise<Shrunk> {
  const first = { batches: job.batches ?? batches, only: result.drawnFaults }
  const small = await shrinkRun(first, runsMax, async (size) => {
    const tried = await run({ ...job, ...size })
    return tried.failures.length === 0 ? undefined : tried
  })
  return small === undefined ? { job, result } : { job: { ...job, ...small.size }, result: small.result }
}
