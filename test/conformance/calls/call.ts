/**
 * What the adapter of a function is: the arguments of a case to a call of the real one.
 */
import type { Json } from "../Vector.ts"

export interface Case {
  /** The arguments; a case without a list of them is the only one. */
  readonly args: ReadonlyArray<Json>
  readonly params: Json
  /** Which of the ways that the whole table is gone through. */
  readonly variant: string | undefined
}

/** Answers the result or an Effect of it; failing or throwing is the error of the function. */
export type Call = (one: Case) => unknown

/** A function that needs nothing but its arguments. */
export const of = (f: (...args: ReadonlyArray<Json>) => unknown): Call => ({ args }) => f(...args)
