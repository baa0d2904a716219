/**
 * crashEverywhere: a short run of a program without faults tells how many calls of storage and sinks there are; then one run for each
 * of them in which whoever makes it dies: before the call, in the middle of it, and when it is done and nobody knows.
 */
import type { ReferenceProgram } from "../programs/ReferenceProgram.ts"
import { type Job, run } from "./Job.ts"

export const crashBatchesDefault = 5

const moments = ["before", "torn", "after"] as const

export async function crashJobs(program: ReferenceProgram, seed: number, batches: number): Promise<ReadonlyArray<Job>> {
  const job: Job = { program: program.name, seed, batches, only: [], crashAt: undefined }
  const { failures, portCalls } = await run(job)
  if (failures.length > 0) throw new Error(`${program.name} fails without a fault: ${failures[0]}`)
  return Array.from(
    { length: portCalls },
    (_, call) => moments.map((moment) => ({ ...job, crashAt: { call, moment } }))
  )
    .flat()
}
