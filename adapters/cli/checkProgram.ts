/**
 * `dstreams check`: loads a program, builds its graph, and tells all its mistakes, without running it.
 */
import { Effect, Exit } from "effect"
import * as StreamingApp from "../../core/dstream/StreamingApp.ts"
import { load, urlOf } from "../threads/ProgramModule.ts"
import type { Command } from "./arguments.ts"
import { failureOf, say } from "./messages.ts"

export const checkProgram = (command: Extract<Command, { kind: "check" }>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const { app } = yield* load(urlOf(command.program), command.config)
    const { manifest } = yield* StreamingApp.validate(app)
    const operators = manifest.operators.map(({ id, kind, parents }) =>
      `  ${id} (${kind})${parents.length === 0 ? "" : ` of ${parents.join(", ")}`}`
    )
    const outputs = manifest.outputs.map(({ id, kind, stream }) => `  ${id} (${kind}) of ${stream}`)
    return [
      `${manifest.app} can run, with batches of ${manifest.batchMillis} ms.`,
      "Operators:",
      ...operators,
      "Outputs:",
      ...outputs
    ].join("\n")
  }).pipe(
    Effect.exit,
    Effect.map((exit) => {
      if (Exit.isSuccess(exit)) process.stdout.write(`${exit.value}\n`)
      else say(failureOf(exit.cause, command.debug))
      return Exit.isSuccess(exit) ? 0 : 1
    })
  )
