/**
 * Kinds function and functions: tables of calls.
 */
import { Effect } from "effect"
import { calls } from "../calls/mod.ts"
import { same, sameError } from "../compare.ts"
import { type Json, known, NotYet, UnknownWord } from "../Vector.ts"
import { kind } from "./kind.ts"

const resultFields = ["expect", "expectError", "expectSize", "expectConf", "note"]

const runTable = Effect.fnUntraced(function* (table: Json, { params, tolerance, variants = [undefined] }: Json) {
  const name = String(table.fn).split("(")[0]!.trim()
  const call = known("function", calls, name)
  let later: NotYet | undefined
  for (const variant of variants) {
    for (const one of table.cases) {
      const fields = Object.keys(one).filter((field) => field !== "args" && !resultFields.includes(field))
      const result = Object.keys(one).filter((field) => field.startsWith("expect"))
      for (const field of result) if (!resultFields.includes(field)) throw new UnknownWord("expectation", field)
      if (one.args !== undefined && fields.some((field) => field !== "given")) {
        throw new UnknownWord("field of a case", fields[0])
      }
      const where = `${name}(${JSON.stringify(one.args ?? one)})${variant === undefined ? "" : ` ${variant}`}`
      const outcome = yield* Effect.result(
        Effect.suspend(() => {
          const answer = call({ ...one, args: one.args ?? [one], params: { ...params, ...table.params }, variant })
          return Effect.isEffect(answer) ? answer as Effect.Effect<unknown, unknown> : Effect.succeed(answer)
        }).pipe(Effect.catchDefect(Effect.fail))
      )
      if (outcome._tag === "Failure" && outcome.failure instanceof NotYet) {
        later = outcome.failure
        continue
      }
      if (outcome._tag === "Failure") {
        if (one.expectError === undefined || outcome.failure instanceof UnknownWord) throw outcome.failure
        sameError(where, one.expectError, outcome.failure)
        continue
      }
      if (one.expectConf !== undefined) throw new UnknownWord("expectation of this function", "expectConf")
      if (one.expectError !== undefined) sameError(where, one.expectError, undefined)
      else if (one.expectSize !== undefined) {
        same(where, one.expectSize, Object.keys(outcome.success as object).length)
      } else same(where, one.expect, outcome.success, tolerance)
    }
  }
  // All that can be asked today has been.
  if (later !== undefined) throw later
})

/** Tables of one function, by groups that differ in their parameters. */
export const functionKind = kind(
  ["fn", "cases", "groups", "params", "forEach", "tolerance"],
  ({ fn, cases, groups = [{ cases }], params, forEach, tolerance }) =>
    Effect.forEach(
      groups as ReadonlyArray<Json>,
      (group) => runTable({ fn, ...group }, { params, tolerance, variants: forEach }),
      { discard: true }
    )
)

/** Tables of several functions. */
export const functionsKind = kind(
  ["groups", "params", "tolerance"],
  ({ groups, params, tolerance }) =>
    Effect.forEach(groups as ReadonlyArray<Json>, (group) => runTable(group, { params, tolerance }), { discard: true })
)
