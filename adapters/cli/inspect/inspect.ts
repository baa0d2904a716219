/**
 * inspect: looks into a checkpoint place: opens it, has one of the commands read it, prints what that says. Nothing is changed.
 */
import { Effect, Exit } from "effect"
import { Checksum } from "../../../runtime/storage/Checksum.ts"
import { StoragePlaces } from "../../../runtime/storage/StableStorage.ts"
import { stablePlaces } from "../../storage/stablePlaces.ts"
import type { InspectCommand, UsageError } from "../arguments.ts"
import { failureOf, say } from "../messages.ts"
import { write } from "../process/OutputConsole.ts"
import { checkCheckpoint } from "./checkCheckpoint.ts"
import { showCheckpoint } from "./showCheckpoint.ts"
import { showLog } from "./showLog.ts"
import { showState } from "./showState.ts"

/** What a command prints, and its exit code. */
export interface Findings {
  readonly lines: ReadonlyArray<string>
  readonly code: 0 | 1
}

/** What a terminal would obey instead of showing it is written as JSON does. */
export const printable = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)

export const inspect = (command: InspectCommand): Effect.Effect<number, UsageError> =>
  Effect.gen(function* () {
    const { codec, open } = yield* StoragePlaces
    const reading = { storage: yield* open(command.place), codec, checksum: yield* Checksum }
    switch (command.kind) {
      case "checkpoint show":
        return yield* showCheckpoint(reading)
      case "checkpoint check":
        return yield* checkCheckpoint(reading, command)
      case "state show":
        return yield* showState(reading, command)
      case "wal show":
        return yield* showLog(reading)
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(stablePlaces),
    Effect.exit,
    Effect.flatMap((exit): Effect.Effect<number, UsageError> => {
      if (Exit.isSuccess(exit)) {
        if (exit.value.lines.length > 0) write(`${exit.value.lines.map(printable).join("\n")}\n`)
        return Effect.succeed(exit.value.code)
      }
      say(failureOf(exit.cause, "debug" in command && command.debug))
      return Effect.succeed(1)
    })
  )
