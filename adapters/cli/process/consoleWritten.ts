/**
 * consoleWritten: how outputs of `dstreams run` wait for the process's stdout, and what it means that nobody reads it.
 */
import { Cause, Effect } from "effect"
import { ConsoleFailed } from "../../../runtime/driver/outputs/ConsoleWritten.ts"
import { flushed, nobodyReads } from "./OutputConsole.ts"

export const consoleWritten: Effect.Effect<void, ConsoleFailed> = Effect.flatMap(
  Effect.promise(flushed),
  (error) =>
    error === undefined ? Effect.void : Effect.fail(
      new ConsoleFailed({ code: error.code, message: `what was printed could not be written: ${error.message}` })
    )
)

/** The program ended because whoever read its output has had enough of it. */
export const isUnread = (cause: Cause.Cause<unknown>): boolean => {
  const error = Cause.squash(cause)
  return error instanceof ConsoleFailed && nobodyReads(error)
}
