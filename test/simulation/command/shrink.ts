/**
 * shrink: makes a failing run small: fewer batches, then fewer faults, as long as it fails. Each fault has a stream of chance of its
 * own, so that leaving one out moves little of the rest.
 */
import type { SimulationResult } from "../run/Simulation.ts"
import { type Job, run } from "./Job.ts"

/** Runs that may be spent on it. */
const runsMax = 80

export interface Shrunk {
  readonly job: Job
  readonly result: SimulationResult
}

export async function shrink(job: Job, result: SimulationResult, batches: number): Promise<Shrunk> {
  let best: Shrunk = { job: { ...job, batches: job.batches ?? batches, only: result.drawnFaults }, result }
  let runs = 0
  const attempt = async (smaller: Job): Promise<boolean> => {
    if (runs++ >= runsMax) return false
    const tried = await run(smaller)
    if (tried.failures.length === 0) return false
    best = { job: smaller, result: tried }
    return true
  }
  if (!await attempt(best.job)) return { job, result }
  for (let count = Math.floor(best.job.batches! / 2); count >= 3; count = Math.floor(count / 2)) {
    if (!await attempt({ ...best.job, batches: count })) break
  }
  for (let size = Math.ceil(best.job.only!.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < best.job.only!.length;) {
      const only = best.job.only!.toSpliced(from, size)
      if (!await attempt({ ...best.job, only })) from += size
    }
  }
  return best
}
