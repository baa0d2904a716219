/**
 * What the adapter of a kind is: it runs a vector on the engine, and fails with what differs.
 */
import { Effect, type Scope } from "effect"
import { onlyFields, type Vector } from "../Vector.ts"

export interface Kind {
  /** Fields of a vector of the kind, besides those that tell where it comes from. */
  readonly fields: ReadonlyArray<string>
  readonly run: (vector: Vector) => Effect.Effect<void, unknown, Scope.Scope>
}

const origin = ["id", "kind", "suite", "title", "origin", "confirmed", "what", "quirk", "note"]

export const kind = (
  fields: ReadonlyArray<string>,
  run: (vector: Vector) => Effect.Effect<void, unknown, Scope.Scope>
): Kind => ({
  fields,
  run: (vector) =>
    Effect.suspend(() => {
      onlyFields(`a vector of kind ${vector.kind}`, vector, [...origin, ...fields])
      return run(vector)
    })
})
