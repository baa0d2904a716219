/**
 * command: what the `dstreams` command does with its arguments, and its exit code: 0 done, 1 a batch or the program failed, 2
 * wrong usage.
 *
 * Only the standard output of the program itself, help and version go to stdout; all that the command has to say goes to stderr.
 * The parts of a command are loaded when it is called for, so that help and mistakes are told at once.
 */
import { createRequire } from "node:module"
import { Effect, Logger } from "effect"
import { type Command, parse, type UsageError } from "./arguments.ts"
import { helpOf } from "./help.ts"
import { say } from "./messages.ts"
import { endProcess } from "./process/endProcess.ts"
import { watchOutput, write } from "./process/OutputConsole.ts"
import { watchStrayErrors } from "./process/strayErrors.ts"

const perform = (command: Command): Effect.Effect<number, UsageError> => {
  switch (command.kind) {
    case "run":
      return Effect.flatMap(Effect.promise(() => import("./runProgram.ts")), ({ runProgram }) => runProgram(command))
    case "check":
      return Effect.flatMap(
        Effect.promise(() => import("./checkProgram.ts")),
        ({ checkProgram }) => checkProgram(command)
      )
    case "config":
      return Effect.flatMap(Effect.promise(() => import("./showConfig.ts")), ({ showConfig }) => showConfig(command))
    case "checkpoint show":
    case "checkpoint check":
    case "state show":
    case "wal show":
      return Effect.flatMap(Effect.promise(() => import("./inspect/inspect.ts")), ({ inspect }) => inspect(command))
    case "help":
      return print(helpOf(command.topic))
    case "version":
      return print(version())
  }
}

/** The package's own, found by its name from the sources and from the built package alike. */
const version = (): string => {
  const manifest: { readonly version: string } = createRequire(import.meta.url)("dstreams/package.json")
  return manifest.version
}

const print = (text: string): Effect.Effect<number> =>
  Effect.sync(() => {
    write(`${text}\n`)
    return 0
  })

const command = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  parse(args).pipe(
    Effect.flatMap(perform),
    Effect.catchTag("UsageError", (error) =>
      Effect.sync(() => {
        say(error.message)
        return 2
      })),
    Effect.provideService(Logger.LogToStderr, true)
  )

/** Runs the command and ends the process. */
export const main = async (args: ReadonlyArray<string>): Promise<never> => {
  // What was found may be read in a pager for hours; the output of a program has to be read as it comes.
  const end = (code: number) => endProcess(code, { patient: args[0] !== "run", say })
  watchOutput()
  watchStrayErrors((message) => {
    say(message)
    void end(1)
  })
  // A program that only waits for a socket would let the platform think that there is nothing left to do.
  setInterval(() => {}, 2 ** 30)
  return end(await Effect.runPromise(command(args)))
}
