/**
 * strayErrors: what a program throws where nobody can catch it: in a timer, in a promise that is not awaited. No batch failed by it, and
 * nobody knows what it left half done: the command ends.
 */
import { describeError } from "../../../core/protocol/describeError.ts"
import { userFrame } from "../../../core/protocol/userFrame.ts"

/** `end` is told the sentence. A program that listens itself has taken the matter into its own hands. */
export const watchStrayErrors = (end: (message: string) => void): void => {
  let over = false
  const told = (event: "uncaughtException" | "unhandledRejection", what: string) => {
    process.on(event, (error: unknown) => {
      if (over || process.listenerCount(event) > 1) return
      over = true
      end(sentence(what, error))
    })
  }
  told("uncaughtException", "an error was thrown where nobody can catch it, such as in a timer")
  told("unhandledRejection", "a promise was rejected that nobody awaits")
}

const sentence = (what: string, error: unknown): string => {
  const stack = error instanceof Error ? error.stack : undefined
  const place = userFrame(stack)
  return `${what}: ${describeError(error).split("\n", 1)[0]}${place === undefined ? "" : ` (at ${place})`}`
}
