/**
 * RunOptions: what a run is asked for, and what it answers.
 */
import type { FaultKind, FaultPlan } from "../faults/FaultPlan.ts"
import type { CallMoment } from "../faults/Faults.ts"
import type { Observed } from "../invariants/Observation.ts"
import type { SimulationEvent } from "../kernel/EventLog.ts"
import type { DrawSubject } from "./Subject.ts"

export interface RunOptions {
  readonly subject: DrawSubject
  readonly seed: number
  /** Batches that are completed before the stop. */
  readonly batches: number
  /** Instead of faults drawn from the seed. */
  readonly faults?: FaultPlan | undefined
  /** Names of the faults that are kept of these. */
  readonly only?: ReadonlyArray<string> | undefined
  /** Who makes this call of a port, by number, dies of it. */
  readonly crashAt?: { readonly call: number; readonly moment: CallMoment } | undefined
  readonly trace?: ((event: SimulationEvent) => void) | undefined
  /** For tests of the simulation itself: sees, and may change, every observation before it is checked. */
  readonly mutate?: ((observed: Observed) => ReadonlyArray<Observed>) | undefined
}

export interface RunResult {
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
  /** What was durable was lost or changed, and that was told, or nothing could tell it: the run is over then. */
  readonly detected: boolean
  readonly steps: number
  readonly events: number
}
