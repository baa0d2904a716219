/**
 * Invariant: a named rule over what is observed, checked after every observation.
 *
 * An invariant is a sentence, and a function that starts a check: the check keeps what it needs and answers each observation
 * with undefined, or with the sentence that says how the rule was broken. Most rules hold of a life: of what one driver and its
 * executors do. Those that hold `across` lives see what all of them did, of each until another driver took its place: what it
 * does after that counts for nothing.
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
  /** There is a checkpoint place, from which the driver alone removes. */
  readonly recovers?: boolean
  /** Lives run different programs: what an operator's state shows may change. */
  readonly changes?: boolean
  /** Storage may lose or change what was durable. */
  readonly damaged?: boolean
}

/** `life`: of which driver, from 1. */
export type Check = (observation: Observation, life: number) => string | undefined

export interface Invariant {
  readonly name: string
  /** Whether it holds of all lives together. */
  readonly across?: (facts: RunFacts) => boolean
  readonly start: (facts: RunFacts) => Check
}

export interface Violation {
  readonly invariant: string
  readonly at: number
  readonly message: string
}

export const always = (): boolean => true

/** Feeds observations to all checks; keeps the violations, at most one per invariant. */
export const makeChecker = (invariants: ReadonlyArray<Invariant>, facts: RunFacts) => {
  const started = (ones: ReadonlyArray<Invariant>) => ones.map(({ name, start }) => ({ name, check: start(facts) }))
  const isAcross = ({ across = () => false }: Invariant) => across(facts)
  const ofRun = started(invariants.filter(isAcross))
  const ofEachLife = invariants.filter((one) => !isAcross(one))
  const lives = new Map<number, ReturnType<typeof started>>()
  const ofLife = (life: number) => {
    const known = lives.get(life)
    if (known !== undefined) return known
    const fresh = started(ofEachLife)
    lives.set(life, fresh)
    return fresh
  }
  const violations: Array<Violation> = []
  const broken = new Set<string>()
  let checked = 0
  return {
    violations: violations as ReadonlyArray<Violation>,
    checked: () => checked,
    observe: ({ at, life, observation, replaced }: Observed): void => {
      checked++
      for (const { check, name } of replaced === true ? ofLife(life) : [...ofRun, ...ofLife(life)]) {
        const message = check(observation, life)
        if (message === undefined || broken.has(name)) continue
        broken.add(name)
        violations.push({ invariant: name, at, message })
      }
    }
  }
}
