/**
 * `dstreams check`: loads a program, builds its graph, and tells all its mistakes, without running it.
 */
import { Effect, Layer } from "effect"
import * as StreamingApp from "../../core/dstream/StreamingApp.ts"
import { load, urlOf } from "../threads/ProgramModule.ts"
import type { CheckCommand, UsageError } from "./arguments.ts"
import * as Configuration from "./Configuration.ts"
import { print, say, unreadOf } from "./messages.ts"

export const checkProgram = (command: CheckCommand): Effect.Effect<number, UsageError> =>
  Effect.flatMap(Configuration.read(command), (configuration) => print(text(command, configuration), command.debug))

const text = Effect.fnUntraced(function* (command: CheckCommand, { config, settings }: Configuration.Configuration) {
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
})
