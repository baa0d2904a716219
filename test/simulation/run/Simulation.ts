/**
 * Simulation: one seed of one reference program.
 *
 * The seed draws the settings, the number of executors and receivers, the program's dice and the faults. Outputs are compared with the
 * model after the run.
 */
import { runSeed } from "../../../adapters/simulation/run/Run.ts"
import type { RunOptions, RunResult } from "../../../adapters/simulation/run/RunOptions.ts"
import type { ReferenceProgram } from "../programs/ReferenceProgram.ts"
import type { Delivery } from "./Delivery.ts"
import type { Draw } from "./Draw.ts"
import { referenceSubject } from "./referenceSubject.ts"

export interface SimulationOptions extends Omit<RunOptions, "batches" | "subject"> {
  readonly program: ReferenceProgram
  /** Batches of 1 s that are completed before the stop. 30. */
  readonly batches?: number
  /** Instead of what the seed draws. */
  readonly settings?: Partial<Draw["settings"]>
  /** Sees what outputs are given. */
  readonly deliver?: (delivery: Delivery) => void
}

export interface SimulationResult extends RunResult {
  readonly program: string
  readonly lostLines: number
  readonly partialBatches: number
}

export const batchesDefault = 30
export const faultsLeast = 3

/** Runs one seed to its end. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { batches = batchesDefault, program } = options
  let losses = { lostLines: 0, partialBatches: 0 }
  const subject = referenceSubject({ ...options, batches, compared: (comparison) => losses = comparison })
  const result = await runSeed({ ...options, batches, subject })
  const struck = Object.values(result.faults).reduce((a, b) => a + b, 0)
  const isDrawn = options.faults === undefined && options.only === undefined
  const tooFew = isDrawn && !result.detected && struck < faultsLeast && result.failures.length === 0
  return {
    program: program.name,
    ...result,
    failures: tooFew ? [`only ${struck} faults struck; a seed has at least ${faultsLeast}`] : result.failures,
    lostLines: losses.lostLines,
    partialBatches: losses.partialBatches
  }
}
