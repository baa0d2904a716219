/**
 * Kind statemachine: steps are applied in order to the named machine, and what each says of it is compared.
 */
import { Cause, Effect, Exit } from "effect"
import { same, sameError } from "../compare.ts"
import { machines } from "../machines/mod.ts"
import { type Json, known, Mismatch, NotYet, UnknownWord } from "../Vector.ts"
import { kind } from "./kind.ts"

const isExpectation = (field: string, observes: ReadonlyArray<string>): boolean =>
  field.startsWith("expect") || observes.includes(field)

/** Of an object only what is expected is compared: a step tells some of what holds. */
const compareObserved = (where: string, expected: Json, actual: Json, tolerance: number | undefined): void => {
  const isPartial = typeof expected === "object" && expected !== null && !Array.isArray(expected) &&
    typeof actual === "object" && actual !== null && !(actual instanceof Map)
  if (!isPartial) return same(where, expected, actual, tolerance)
  for (const field of Object.keys(expected)) {
    if (!Object.hasOwn(actual, field)) throw new UnknownWord("expectation", field)
    same(`${where}.${field}`, expected[field], actual[field], tolerance)
  }
}

export const statemachine = kind(
  ["machine", "config", "steps", "tolerance"],
  Effect.fnUntraced(function* (vector) {
    const { takes, observes = [], open } = known("machine", machines, vector["machine"])
    const apply = yield* open(vector["config"] ?? {})
    for (const [index, step] of vector["steps"].entries()) {
      const where = `step ${index + 1}${step.do === undefined ? "" : ` (${step.do})`}`
      const expectations = Object.keys(step).filter((field) => isExpectation(field, observes))
      for (const field of Object.keys(step)) {
        if (!expectations.includes(field) && !takes.includes(field)) throw new UnknownWord("field of a step", field)
      }
      const exit = yield* Effect.exit(Effect.suspend(() => apply(step)))
      const observed: Json = Exit.isSuccess(exit) ? exit.value ?? {} : { error: Cause.squash(exit.cause) }
      const { error } = observed
      if (error instanceof UnknownWord || error instanceof NotYet) throw error
      if (step.expectError !== undefined) sameError(where, step.expectError, error)
      else if (error !== undefined) throw new Mismatch(where, "no error", `${error.stack ?? error}`)
      for (const field of expectations) {
        if (field === "expectError") continue
        if (!Object.hasOwn(observed, field)) throw new UnknownWord(`expectation at ${where}`, field)
        compareObserved(`${where}, ${field}`, step[field], observed[field], vector["tolerance"])
      }
    }
  })
)
