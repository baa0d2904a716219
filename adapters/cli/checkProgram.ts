/**
 * `dstreams check`: loads a program, builds its graph, and tells all its mistakes, without running it.
 */
import { Effect, Exit, Layer } from "effect"
import * as StreamingApp from "../../core/dstream/StreamingApp.ts"
import { load, urlOf } from "../threads/ProgramModule.ts"
import type { CheckCommand, UsageError } from "./arguments.ts"
import * as Configuration from "./Configuration.ts"
import { failureOf, say, unreadOf } from "./messages.ts"

export const checkProgram = (command: CheckCommand): Effect.Effect<number, UsageError> =>
  Effect.flatMap(Configuration.read(command), (configuration) => check(command, configuration))

const check = (command: CheckCommand, { config, settings }: Configuration.Configuration): Effect.Effect<number> =>
  Effect.gen(function* () {
    const reads = new Set<string>()
    const program = yield* load(urlOf(command.program), config, reads)
    const app = StreamingApp.withBatchDuration(program.app, command.batchMillis)
    const { manifest } = yield* StreamingApp.validate(app, settings)
    // The layer is not built here; it may read what the app has not.
    const unread = app.layer === (Layer.empty as Layer.Layer<any>) ? unreadOf(command.config, reads) : undefined
    if (unread !== undefined) say(unread)
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
