/**
 * Configuration: what the command line, the environment and a file say: settings of the engine, and answers to the program's own
 * Config.
 *
 * The command line is stronger than the environment, that stronger than the file; the program's own settings are weaker than all.
 * Settings are read through Effect's Config (`fromConfig`), source by source, so that each is known by where it comes from. All that
 * is wrong is told at once, as one `UsageError`.
 */
import * as fs from "node:fs/promises"
import { ConfigProvider, Effect } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { describeValue } from "../../core/protocol/describeValue.ts"
import { type SettingName, settingNames, variableOf, variablePrefix } from "../../core/settings/definitions.ts"
import { fromConfig, section } from "../../core/settings/fromConfig.ts"
import { type InvalidSetting, invalidSettings, unknownSetting } from "../../core/settings/invalidSettings.ts"
import { merge, type SettingsInput } from "../../core/settings/Settings.ts"
import { UsageError } from "./arguments.ts"
import * as stray from "./straySettings.ts"

export interface Configuration {
  /** Stronger than the program's own. */
  readonly settings: SettingsInput
  /** Where each of them comes from. */
  readonly origins: ReadonlyMap<string, string>
  /** What the program's Config is answered from before the environment is, and what came from where. */
  readonly config: Readonly<Record<string, string>>
  readonly configOrigins: ReadonlyMap<string, string>
}

/** Larger files are no configuration. */
const fileBytesMax = 1024 * 1024

interface Source {
  /** As people call it; of a setting that it has, where in it. */
  readonly origin: string
  readonly settings: SettingsInput
  readonly mistakes: ReadonlyArray<string>
}

type Environment = Readonly<Record<string, string | undefined>>

export const read = Effect.fnUntraced(function* (
  { config, configFile }: {
    readonly config: Readonly<Record<string, string>>
    readonly configFile: string | undefined
  },
  environment: Environment = process.env
): Effect.fn.Return<Configuration, UsageError> {
  const json = configFile === undefined ? {} : yield* readFile(configFile)
  const sources = [
    yield* ofVariables("command line", config, stray.onCommandLine),
    yield* ofVariables("environment", environment, stray.inEnvironment),
    ...(configFile === undefined ? [] : [yield* ofFile(configFile, json)])
  ]
  const mistakes = sources.flatMap((source) => source.mistakes)
  if (mistakes.length > 0) {
    const message = `The configuration cannot be used:\n${mistakes.map((mistake) => `  - ${mistake}`).join("\n")}`
    return yield* Effect.fail(new UsageError({ message }))
  }
  const origins = new Map<string, string>()
  for (const { origin, settings } of sources.toReversed()) {
    for (const name of Object.keys(settings)) origins.set(name, origin)
  }
  const { [section]: _, ...answers } = json
  // What the environment says is answered there: it is stronger.
  const fromFile = flatten(answers).filter(([name]) => (environment[name] ?? "") === "")
  return {
    settings: merge(sources.map((source) => source.settings)),
    origins,
    config: { ...Object.fromEntries(fromFile), ...config },
    configOrigins: new Map([
      ...fromFile.map(([name]) => [name, configFile!] as const),
      ...Object.keys(config).map((name) => [name, "command line"] as const)
    ])
  }
})

/** Settings by the names of their variables; what else begins like one is a mistake. */
const ofVariables = (
  origin: string,
  variables: Environment,
  strayAmong: (variables: Environment) => ReadonlyArray<InvalidSetting>
): Effect.Effect<Source, UsageError> =>
  Effect.map(fromProvider(origin, ConfigProvider.fromEnvRecord({ ...variables })), (settings) => {
    const known = settingNames.map(variableOf)
    const unknown = Object.keys(variables).filter((name) => name.startsWith(variablePrefix) && !known.includes(name))
    return {
      origin,
      settings,
      mistakes: [
        ...invalidSettings(settings).map((mistake) =>
          tell(mistake, origin, variableOf(mistake.setting as SettingName))
        ),
        ...unknown.map((name) => tell(unknownSetting(name, known), origin)),
        ...strayAmong(variables).map((mistake) => tell(mistake, origin))
      ]
    }
  })

const ofFile = Effect.fnUntraced(function* (file: string, json: Readonly<Record<string, unknown>>) {
  const { [section]: own = {} } = json
  if (!isObject(own)) {
    const mistake = `${section} (${file}): it has to be an object of settings, and is ${describeValue(own)}`
    return { origin: file, settings: {}, mistakes: [mistake] }
  }
  const texts = yield* fromProvider(file, ConfigProvider.fromUnknown({ [section]: own }))
  // What Config has no texts for (lists, objects, null) is looked at as it is, and so is a name that is no setting.
  const others = Object.entries(own).filter(([name, value]) =>
    typeof value === "object" || !(settingNames as ReadonlyArray<string>).includes(name)
  )
  const settings: SettingsInput = { ...texts, ...Object.fromEntries(others) }
  const mistakes = [...invalidSettings(settings), ...stray.inFile(json)].map((mistake) => tell(mistake, file))
  return { origin: file, settings, mistakes }
})

const fromProvider = (
  origin: string,
  provider: ConfigProvider.ConfigProvider
): Effect.Effect<SettingsInput, UsageError> =>
  Effect.mapError(
    fromConfig.parse(provider),
    (error) => new UsageError({ message: `The settings of the ${origin} cannot be read: ${describeError(error)}` })
  )

const tell = ({ message, remedy, setting }: InvalidSetting, origin: string, name = setting): string =>
  `${name} (${origin}): ${message}; ${remedy}`

const readFile = (file: string): Effect.Effect<Readonly<Record<string, unknown>>, UsageError> => {
  const wrong = (what: string) =>
    new UsageError({
      message: `--config ${file}: ${what}. Give NAME=VALUE, or the path of a JSON file such as ` +
        `{ "${section}": { "concurrentJobs": 2 }, "HOST": "localhost" }.`
    })
  return Effect.tryPromise({
    try: async () => {
      const { size } = await fs.stat(file)
      if (size > fileBytesMax) throw wrong(`the file has ${size} bytes, and may have ${fileBytesMax}`)
      return await fs.readFile(file, "utf8")
    },
    catch: (error) => error instanceof UsageError ? error : wrong(`the file cannot be read (${describeError(error)})`)
  }).pipe(Effect.flatMap((text) =>
    Effect.try({
      try: () => {
        const json: unknown = JSON.parse(text)
        if (isObject(json)) return json
        throw wrong(`the file holds ${describeValue(json)}, not an object`)
      },
      catch: (error) => error instanceof UsageError ? error : wrong(`the file is no JSON (${describeError(error)})`)
    })
  ))
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Nested names are joined as in environments: `{ A: { B: 1 } }` is `A_B`. */
const flatten = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<readonly [string, string]> => {
  if (value === null || value === undefined) return []
  if (typeof value !== "object") return [[path.join("_"), String(value)]]
  return Object.entries(value).flatMap(([name, item]) => flatten(item, [...path, name]))
}
