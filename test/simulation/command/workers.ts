/**
 * workers: runs jobs on threads, each thread one after the other; results come as they are ready, and are given in the order of jobs.
 */
import { Worker } from "node:worker_threads"
import type { SimulationResult } from "../run/Simulation.ts"
import { type Job, run } from "./Job.ts"

/** `done` is told of each; once it answers false no more are begun. */
export async function runAll(
  jobs: ReadonlyArray<Job>,
  threads: number,
  done: (job: Job, result: SimulationResult) => boolean | void
): Promise<ReadonlyArray<SimulationResult>> {
  const results: Array<SimulationResult> = []
  let next = 0
  const ended = (index: number, result: SimulationResult) => {
    results[index] = result
    if (done(jobs[index]!, result) === false) next = jobs.length
  }
  if (threads <= 1 || jobs.length < 4) {
    while (next < jobs.length) {
      const index = next++
      ended(index, await run(jobs[index]!))
    }
    return results
  }
  const work = async () => {
    const worker = new Worker(new URL("./seedWorker.ts", import.meta.url))
    try {
      while (next < jobs.length) {
        const index = next++
        ended(index, await ask(worker, jobs[index]!))
      }
    } finally {
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work))
  return results
}

const ask = (worker: Worker, job: Job): Promise<SimulationResult> =>
  new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(error)
    worker.once("error", failed)
    worker.once("message", (result: SimulationResult) => {
      worker.off("error", failed)
      resolve(result)
    })
    worker.postMessage(job)
  })
