/**
 * misuse: operators that were called where they are given to `pipe` as they are, or given where they are to be called. Types tell it;
 * programs without types are told here, where they are loaded.
 */
import { Predicate, Schema } from "effect"

/** An operator was not written as it has to be. */
export class MisusedOperator extends Schema.TaggedError<MisusedOperator>()("MisusedOperator", {
  message: Schema.String
}) {}

/** `DStream.count()`: throws `MisusedOperator`. */
export const refuseCall = (operator: string, self: unknown): void => {
  if (self !== undefined) return
  const name = `DStream.${operator}`
  throw new MisusedOperator({ message: `${name} is given to pipe as it is, not called: write words.pipe(${name})` })
}

/** `words.pipe(DStream.countByValue)`, where a stream comes as the first argument: throws `MisusedOperator`. */
export const refuseStream = (operator: string, argument: unknown): void => {
  if (!Predicate.hasProperty(argument, "~dstreams/DStream")) return
  const name = `DStream.${operator}`
  throw new MisusedOperator({ message: `${name} is called before it is given to pipe: write words.pipe(${name}())` })
}
