/**
 * Subject: what a run simulates: a program as each process loads it, what is around it, and how it is judged. The reference programs of
 * the tests are subjects, and so is the app of whoever calls `simulate`.
 */
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { StreamingApp } from "../../../core/dstream/StreamingApp.ts"
import type { FaultPlan } from "../faults/FaultPlan.ts"
import type { Faults } from "../faults/Faults.ts"
import type { Observation } from "../invariants/Observation.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Node } from "../kernel/Node.ts"
import type { World } from "../kernel/World.ts"
import type { SinkCalls } from "../outside/SinkCalls.ts"
import type { Ledger } from "./Ledger.ts"
import type { BreakableBrokers, BreakableSource } from "./victims.ts"

export type SimulatedApp = StreamingApp<any, never>

/** What a seed decides besides the interleaving; all of it is recorded. */
export interface Drawn {
  readonly executors: number
  /** How often a fiber is preempted between two operations: a probability. */
  readonly preemption: number
  readonly faults: FaultPlan
}

/** Where a process loads the program; on the model's node nothing runs, it tells what the program is. */
export type Place = "driver" | "executor" | "model"

/** What a subject has of the run that it is in. */
export interface Stage {
  readonly world: World
  readonly faults: Faults
  readonly ledger: Ledger
  readonly sinkCalls: SinkCalls
  readonly observe: (node: Node, observation: Observation) => void
  /** Ends the run, which has failed. */
  readonly fail: (failure: string) => void
  /** Whether another driver has taken the place of this one, by number, from 1. */
  readonly isReplaced: (life: number) => boolean
  /** The attempt of a stream's receiver that a node was told to run last. */
  readonly attemptAt: (stream: StreamId, node: Node) => number
}

/** A subject in its run. */
export interface Performance {
  /** The program as a process loads it. `life`: of which driver, from 1; `version`: how often it was changed. */
  readonly load: (node: Node, place: Place, life: number, version: number) => SimulatedApp
  /** What faults of receivers strike. */
  readonly sources: ReadonlyArray<BreakableSource>
  readonly brokers?: BreakableBrokers | undefined
  /** Whether a driver that ended so says that something outside was lost for good: then the run is over. */
  readonly tells?: ((cause: string) => boolean) | undefined
  /** Whether all that was to be done besides the batches is done. */
  readonly isDone: () => boolean
  /** Nothing strikes any more, and what comes from outside may come to its end. */
  readonly calm: () => void
  /** After the run: what is wrong with what came of it. `programs`: those that ran, first the oldest. */
  readonly judge: (programs: ReadonlyArray<SimulatedApp>) => ReadonlyArray<string>
}

export interface Subject<D extends Drawn = Drawn> {
  readonly name: string
  /** It is another program when it is started again after an upgrade. */
  readonly changes: boolean
  /** What of a state may be asked for lies at most so many snapshots back. */
  readonly snapshotsMax: number
  /** How long an output's own Effect may take. */
  readonly outputMillisMax: number
  readonly drawn: D
  readonly begin: (stage: Stage) => Performance
}

/** The subject of a seed, drawn from a stream of chance. */
export type DrawSubject = (chance: Chance) => Subject
