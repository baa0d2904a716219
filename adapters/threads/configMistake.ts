/**
 * configMistake: what a program's Config misses or cannot use, in one sentence with what to do.
 *
 * Effect's ConfigError says of a missing name what it says of a wrong value. Here each name is looked up once more: one that has
 * no value is told with the ways to give it, one that has is told with what it has to be. Values are never shown: they may be
 * secrets. What was given and not asked for until then is named, for it may be misspelt.
 */
import { Config, type ConfigProvider, Effect, Option, SchemaIssue } from "effect"
import { variablePrefix } from "../../core/settings/definitions.ts"
import { nearest } from "../../core/settings/invalidSettings.ts"

export interface Given {
  readonly provider: ConfigProvider.ConfigProvider
  /** Of the command line and the file. */
  readonly config: Readonly<Record<string, string>>
  /** What the program had asked for when it failed. */
  readonly reads: ReadonlySet<string>
}

/** undefined: the error is none of Config's, or of a source that cannot be read. */
export const describeConfigError = (error: unknown, given: Given): Effect.Effect<string | undefined> => {
  if (!(error instanceof Config.ConfigError) || error.cause._tag !== "SchemaError") return Effect.undefined
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(error.cause.issue)
  const wrong = issues.map(({ message, path = [] }) => ({
    message,
    path: path.map((step) => typeof step === "object" ? step.key : step) as ReadonlyArray<string | number>
  }))
  return Effect.map(
    Effect.forEach(wrong, ({ path }) => isSet(given.provider, path)),
    (set) => {
      const told = wrong.map(({ message, path }, index) => tell(nameOf(path), set[index]! ? message : undefined))
      const missing = wrong.flatMap(({ path }, index) => set[index]! ? [] : [nameOf(path)])
      const text = [...told, ...unreadOf(given, missing)].join("; ")
      return text.endsWith("?") ? text : `${text}.`
    }
  )
}

const nameOf = (path: ReadonlyArray<string | number>): string => path.join("_")

const isSet = (provider: ConfigProvider.ConfigProvider, path: ReadonlyArray<string | number>): Effect.Effect<boolean> =>
  Effect.map(Effect.option(provider.load(path)), (node) => Option.isSome(node) && node.value !== undefined)

const optionOf = (name: string): string =>
  name === "HOST" ? "--host HOST" : name === "PORT" ? "--port PORT" : `--config ${name}=...`

const tell = (name: string, message: string | undefined): string =>
  message === undefined
    ? `${name} is not set: give ${optionOf(name)} or the environment variable ${name}`
    : `${name} cannot be used: ${message.replace(/^Expected/, "it has to be").replaceAll(/\s*\n\s*/g, " ")}`

const unreadOf = ({ config, reads }: Given, missing: ReadonlyArray<string>): ReadonlyArray<string> =>
  Object.keys(config).filter((name) => !reads.has(name) && !name.startsWith(variablePrefix)).map((name) => {
    // those two have options of their own
    const meant = name === "HOST" || name === "PORT" ? undefined : nearest(name, missing)
    return meant === undefined
      ? `you gave ${name}, for which it had not asked until then`
      : `you gave ${name}: did you mean ${meant}?`
  })
