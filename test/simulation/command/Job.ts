/**
 * Job: one run, as plain data, so that a thread can be told of it, and the command that repeats it.
 */
import type { CallMoment } from "../../../adapters/simulation/faults/Faults.ts"
import { noFaults } from "../../../adapters/simulation/faults/FaultPlan.ts"
import { programs } from "../programs/mod.ts"
import { simulate, type SimulationOptions, type SimulationResult } from "../run/Simulation.ts"

export interface Job {
  readonly program: string
  readonly seed: number
  readonly batches: number | undefined
  /** Names of the faults that are kept of those that the seed draws. */
  readonly only: ReadonlyArray<string> | undefined
  /** No fault but a death at this call of a port. */
  readonly crashAt: { readonly call: number; readonly moment: CallMoment } | undefined
}

export const run = (job: Job, trace?: SimulationOptions["trace"]): Promise<SimulationResult> => {
  const { batches, crashAt, only, seed } = job
  const program = programs.find(({ name }) => name === job.program)!
  return simulate({
    program,
    seed,
    ...(batches === undefined ? {} : { batches }),
    ...(only === undefined ? {} : { only }),
    ...(crashAt === undefined ? {} : { crashAt, faults: noFaults }),
    ...(trace === undefined ? {} : { trace })
  })
}

export const commandOf = ({ batches, crashAt, only, program, seed }: Job): string =>
  [
    `npm run simulate -- --program ${program} --seed ${seed}`,
    ...(batches === undefined ? [] : [`--batches ${batches}`]),
    ...(only === undefined ? [] : [`--only ${only.length === 0 ? "none" : only.join(",")}`]),
    ...(crashAt === undefined ? [] : [`--crash-at ${crashAt.call}:${crashAt.moment}`])
  ].join(" ")
