/**
 * UserFunctionError: a user's function threw while a partition was computed. The task fails with it; trying again is the
 * scheduler's affair.
 */
import { Schema } from "effect"
import { describeError } from "../protocol/describeError.ts"

export class UserFunctionError extends Schema.TaggedError<UserFunctionError>()("UserFunctionError", {
  /** The operator whose function, key or partitioner it was. */
  operator: Schema.String,
  /** Which record, from 0, of the input of the loop; undefined where it was no single one. */
  index: Schema.UndefinedOr(Schema.Number),
  cause: Schema.Unknown
}) {
  override get message(): string {
    const place = this.index === undefined ? "on a partition" : `on record ${this.index} of a partition`
    return `Operator "${this.operator}" failed ${place}: ${describeError(this.cause)}`
  }
}
