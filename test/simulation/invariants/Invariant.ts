/**
 * Invariant: a named rule over what is observed, checked after every observation.
 *
 * An invariant is a sentence, and a function that starts a check: the check keeps what it needs and answers each observation
 * with undefined, or with the sentence that says how the rule was broken.
 */
import type { StreamId } from "../../../core/protocol/Ids.ts"
import type { Observation, Observed } from "./Observation.ts"

/** What of a run the rules depend on. */
export interface RunFacts {
  readonly batchMillis: number
  readonly concurrentJobs: number
  readonly missedTicks: "replay" | "coalesce" | "skip"
  /** The operators that keep a state. */
  readonly states: ReadonlyArray<StreamId>
  /** What of a state may be asked for lies at most so many snapshots back. */
  readonly snapshotsMax: number
  /** How long the driver has to remember a batch. */
  readonly rememberMillis: number
}

export type Check = (observation: Observation) => string | undefined

export interface Invariant {
  readonly name: string
  readonly start: (facts: RunFacts) => Check
}

export interface Violation {
  readonly invariant: string
  readonly at: number
  readonly message: string
}

/** Feeds observations to all checks; keeps the violations, at most one per invariant. */
export const makeChecker = (invariants: ReadonlyArray<Invariant>, facts: RunFacts) => {
  const checks = invariants.map(({ name, start }) => ({ name, check: start(facts), broken: false }))
  const violations: Array<Violation> = []
  let checked = 0
  return {
    violations: violations as ReadonlyArray<Violation>,
    checked: () => checked,
    observe: ({ at, observation }: Observed): void => {
      checked++
      for (const one of checks) {
        if (one.broken) continue
        const message = one.check(observation)
        if (message === undefined) continue
        one.broken = true
        violations.push({ invariant: one.name, at, message })
      }
    }
  }
}
