/**
 * SimulateOptions: what `simulate` is given: the program, what is outside it, and what has to hold.
 */
import type { Effect } from "effect"
import type { DStream } from "../../core/dstream/DStream.ts"
import type { StreamingApp } from "../../core/dstream/StreamingApp.ts"
import type { SimulatedFailure } from "../simulation/outside/SinkCalls.ts"
import type { SimulatedFault } from "./faults.ts"

/** By name what each source delivers, in this order: plain data. */
export type Inputs = Readonly<Record<string, ReadonlyArray<unknown>>>

/** What a process has of the simulation that loads the program: the driver, or an executor. */
export interface Simulated<I extends Inputs, Outside> {
  /** A stream for each input. */
  readonly inputs: { readonly [Name in keyof I]: DStream<I[Name][number]> }
  readonly outside: Outside
  /**
   * A call of what is outside: takes time; may fail before it has its effect or after, or never answer; or the process that makes it
   * dies of it. What the Effect does in one step (`Effect.sync`) is done as a whole or not at all.
   */
  readonly call: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SimulatedFailure, R>
}

/** What repeats a run, beside the other options. */
export interface Replay {
  readonly seed: number
  readonly batches: number
  /** Names of the faults that are kept of those that the seed draws. */
  readonly only: ReadonlyArray<string>
}

export interface SimulateOptions<I extends Inputs, Outside> extends Partial<Replay> {
  /** What is outside the program and outlives it, as it is at first: rows of a table, files, what was sent. New for each seed. */
  readonly outside: () => Outside
  readonly inputs: I
  /** The program. Called for the driver and for each executor, whenever one starts, as every process loads the module anew. */
  readonly app: (simulated: Simulated<I, Outside>) => StreamingApp<any, never>
  /** Throws what does not hold when every batch is done. */
  readonly atEnd: (outside: Outside, inputs: I) => void
  /** Throws what does not hold after a call of what is outside. */
  readonly always?: ((outside: Outside) => void) | undefined
  /** How many seeds are tried, from 0, unless `seed` says which one. 20. */
  readonly seeds?: number | undefined
  /** Batches of a run, while faults strike. 12. */
  readonly batches?: number
  /** Kinds of faults from which the seeds draw. All that the program has to survive. */
  readonly faults?: ReadonlyArray<SimulatedFault> | undefined
}
