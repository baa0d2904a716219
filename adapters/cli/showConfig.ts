/**
 * `dstreams config`: every setting of a run with its value and where that comes from, and the names that the program asks its
 * own Config for. Of those no value is shown: it may be a secret.
 */
import { availableParallelism } from "node:os"
import { Effect } from "effect"
import { type AnyStreamingApp, validate, withBatchDuration } from "../../core/dstream/StreamingApp.ts"
import { definitions, type SettingName, settingNames, showValue, variableOf } from "../../core/settings/definitions.ts"
import * as Settings from "../../core/settings/Settings.ts"
import { load, urlOf } from "../threads/ProgramModule.ts"
import type { ConfigCommand, Master, UsageError } from "./arguments.ts"
import * as Configuration from "./Configuration.ts"
import { print } from "./messages.ts"

export const showConfig = (command: ConfigCommand): Effect.Effect<number, UsageError> =>
  Effect.flatMap(Configuration.read(command), (configuration) => print(text(command, configuration), command.debug))

const text = Effect.fnUntraced(function* (command: ConfigCommand, configuration: Configuration.Configuration) {
  const reads = new Set<string>()
  const program = yield* load(urlOf(command.program), configuration.config, reads)
  const app = withBatchDuration(program.app, command.batchMillis)
  yield* validate(app, configuration.settings)
  return [...settingLines(app, configuration, command.master), ...configLines(configuration, reads)].join("\n")
})

const settingLines = (
  app: AnyStreamingApp,
  { origins, settings }: Configuration.Configuration,
  master: Master
): ReadonlyArray<string> => {
  const { batchMillis } = app
  const resolved = Settings.resolve([settings, app.settings], { batchMillis, executors: executorsOf(master) })
  const originOf = (name: SettingName): string => {
    const origin = origins.get(name) ?? (app.settings[name] === undefined ? "default" : "program")
    return origin === "environment" || origin === "command line" ? `${origin}, ${variableOf(name)}` : origin
  }
  return columns(
    settingNames.map((name) => {
      const { fallback, fallbackText, need } = definitions[name]
      const origin = originOf(name)
      const inWords = origin === "default" && fallback !== undefined ? fallbackText : undefined
      return [name, inWords ?? showValue(need, valueOf(resolved, name)), origin]
    })
  )
}

const executorsOf = (master: Master): number =>
  master.kind === "local" ? 1 : master.threads === "all" ? availableParallelism() : master.threads

/** Resolved durations have their unit in their name. */
const valueOf = (resolved: Settings.Settings, name: SettingName): unknown => {
  const values: Readonly<Record<string, unknown>> = { ...resolved }
  return values[name] ?? values[`${name}Millis`]
}

const configLines = (
  { configOrigins }: Configuration.Configuration,
  reads: ReadonlySet<string>
): ReadonlyArray<string> => {
  if (reads.size === 0) return []
  const originOf = (name: string): string =>
    configOrigins.get(name) ?? ((process.env[name] ?? "") === "" ? "not given" : "environment")
  return [
    "",
    "What the program asks its Config for (values are not shown: they may be secrets):",
    ...columns([...reads].sort().map((name) => [name, originOf(name)]))
  ]
}

/** Each column as wide as its widest text. */
const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => row.map((text, column) => text.padEnd(widths[column]!)).join("  ").trimEnd())
}
