/**
 * UserFunctionError: a user's function threw while a partition was computed. The task fails with it; trying again is the
 * scheduler's affair.
 */
import { Schema } from "effect"
import { describeError } from "../protocol/describeError.ts"
import { FunctionMistake } from "./fusion/FunctionMistake.ts"

export class UserFunctionError extends Schema.TaggedError<UserFunctionError>()("UserFunctionError", {
  /** The operator whose function, key or partitioner it was. */
  operator: Schema.String,
  /** Which record, from 0, of the input of the loop; undefined where it was no single one. */
  index: Schema.UndefinedOr(Schema.Number),
  /** A text of that record. */
  record: Schema.optional(Schema.String),
  cause: Schema.Unknown
}) {
  override get message(): string {
    const place = this.index === undefined ? "on a partition" : `on record ${this.index} of a partition`
    return `Operator "${this.operator}" failed ${place}: ${
      this.cause instanceof FunctionMistake ? this.cause.message : describeError(this.cause)
    }`
  }
}
