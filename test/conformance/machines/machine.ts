/**
 * What the adapter of a machine is: names of steps to calls of the real machine, and what it shows to the names of expectations.
 */
import type { Effect, Scope } from "effect"
import type { Json } from "../Vector.ts"

/** What holds after a step, under the names that steps expect it by; with `error`, after one that failed. */
export type Observed = Readonly<Record<string, unknown>>

export type Apply = (step: Json) => Effect.Effect<Observed | void, unknown, Scope.Scope>

export interface Machine {
  /** Fields of a step that say what to do. */
  readonly takes: ReadonlyArray<string>
  /** Fields of a step that say what holds after it, besides those that begin with `expect`. */
  readonly observes?: ReadonlyArray<string>
  readonly open: (config: Json) => Effect.Effect<Apply, unknown, Scope.Scope>
}
