/**
 * `dstreams checkpoint check`: whether a program can go on from a checkpoint place, state by state, without starting it.
 */
import { Effect } from "effect"
import { canMigrate } from "../../../core/checkpoint/canMigrate.ts"
import * as compatibility from "../../../core/checkpoint/compatibility.ts"
import * as StreamingApp from "../../../core/dstream/StreamingApp.ts"
import { keptOf } from "../../../core/checkpoint/DriverState.ts"
import * as Epoch from "../../../runtime/driver/checkpoint/Epoch.ts"
import type { Reading } from "../../../runtime/driver/checkpoint/recover.ts"
import { load, urlOf } from "../../threads/ProgramModule.ts"
import type { InspectCommand } from "../arguments.ts"
import * as Configuration from "../Configuration.ts"
import type { Findings } from "./inspect.ts"
import { readPlace } from "./readPlace.ts"

type CheckCheckpoint = Extract<InspectCommand, { readonly kind: "checkpoint check" }>

export const checkCheckpoint = Effect.fnUntraced(function* (reading: Reading, command: CheckCheckpoint) {
  const { config, settings } = yield* Configuration.read(command)
  const program = yield* load(urlOf(command.program), config, new Set())
  const app = StreamingApp.withBatchDuration(program.app, command.batchMillis)
  const graph = yield* StreamingApp.validate(app, settings)
  yield* Epoch.check(reading.storage, graph.manifest.app)
  const { left: { chosen, state } } = yield* readPlace(reading)
  const compared = compatibility.compare(
    chosen.checkpoint.run.manifest,
    graph.manifest,
    canMigrate(graph),
    keptOf(state)
  )
  const accepts = (settings.onProgramChange ?? app.settings.onProgramChange) === "accept"
  const why = compatibility.refusal(compared, accepts)
  const states = compared.operators.map(({ operator, outcome, reason }) =>
    `  ${outcome.padEnd(9)} ${operator}${reason === undefined ? "" : `: ${reason}`}`
  )
  const findings: Findings = {
    lines: [
      `${graph.manifest.app} ${why === undefined ? "can go on" : "cannot go on"} from ${chosen.name.name}` +
      ` (${compared.same ? "the graph is the same" : "the graph has changed"}):`,
      ...(states.length === 0 ? ["  there are no states"] : states),
      ...(compared.mistake === undefined ? [] : [`  ${compared.mistake}`]),
      ...(compared.mistake === undefined && why !== undefined ? [compatibility.remedy] : [])
    ],
    code: why === undefined ? 0 : 1
  }
  return findings
})
