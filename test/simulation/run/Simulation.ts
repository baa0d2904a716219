/**
 * Simulation: one seed of one reference program: the whole engine, unchanged, in a virtual world.
 *
 * The seed draws the settings, the number of executors and receivers, the program's dice and the faults. The run lasts until
 * `batches` batches are completed; then the faults end, what is left has to be done soon, and the context is stopped gracefully,
 * which has to leave nothing behind. Invariants are checked after every observation; outputs are compared with the model after
 * the run.
 */
import type { FaultKind, FaultPlan } from "../../../adapters/simulation/faults/FaultPlan.ts"
import type { CallMoment } from "../../../adapters/simulation/faults/Faults.ts"
import type { Observed } from "../../../adapters/simulation/invariants/Observation.ts"
import type { SimulationEvent } from "../../../adapters/simulation/kernel/EventLog.ts"
import type { ReferenceProgram } from "../programs/ReferenceProgram.ts"
import type { Draw } from "./Draw.ts"
import type { Delivery } from "./Ledger.ts"
import { Run } from "./Run.ts"

export interface SimulationOptions {
  readonly program: ReferenceProgram
  readonly seed: number
  /** Batches of 1 s that are completed before the stop. 30. */
  readonly batches?: number
  /** Instead of faults drawn from the seed. */
  readonly faults?: FaultPlan
  /** Names of the faults that are kept of these. */
  readonly only?: ReadonlyArray<string>
  /** Who makes this call of a port, by number, dies of it. */
  readonly crashAt?: { readonly call: number; readonly moment: CallMoment }
  readonly trace?: (event: SimulationEvent) => void
  /** Instead of what the seed draws. */
  readonly settings?: Partial<Draw["settings"]>
  /** Sees what outputs are given. */
  readonly deliver?: (delivery: Delivery) => void
  /** For tests of the simulation itself: sees, and may change, every observation before it is checked. */
  readonly mutate?: (observed: Observed) => ReadonlyArray<Observed>
}

export interface SimulationResult {
  readonly program: string
  readonly seed: number
  /** Of all events and choices. */
  readonly hash: string
  /** What went wrong; empty: the seed passed. */
  readonly failures: ReadonlyArray<string>
  readonly faults: Readonly<Record<FaultKind, number>>
  /** Names of the faults that the seed drew. */
  readonly drawnFaults: ReadonlyArray<string>
  /** How many calls of storage and sinks there were. */
  readonly portCalls: number
  readonly batches: number
  /** How many drivers there were. */
  readonly lives: number
  /** What was durable was lost or changed, and that was told: the run is over then. */
  readonly detected: boolean
  readonly lostLines: number
  readonly partialBatches: number
  readonly steps: number
  readonly events: number
}

export const batchesDefault = 30
export const faultsLeast = 3

/** Runs one seed to its end. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const run = new Run(options)
  await run.drive().catch((error) => run.fail(`the run broke: ${error instanceof Error ? error.stack : String(error)}`))
  return run.result()
}
