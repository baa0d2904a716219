/**
 * ConsoleWritten: waits until all that was said on the console has gone out, or fails. An output is done only then: what no reader and
 * no disk has taken is said again by the driver that runs the batch again; and a slow reader makes batches wait, not memory grow.
 *
 * Whoever owns the console provides it (`dstreams run`). Without it the console is trusted.
 */
import { Context, Effect, Schema } from "effect"

export class ConsoleFailed extends Schema.TaggedError<ConsoleFailed>()("ConsoleFailed", {
  /** Of the system, such as EPIPE: nobody reads any more. */
  code: Schema.optional(Schema.String),
  message: Schema.String
}) {}

export const ConsoleWritten = Context.Reference<Effect.Effect<void, ConsoleFailed>>("dstreams/ConsoleWritten", {
  defaultValue: () => Effect.void
})
