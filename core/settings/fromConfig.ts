/**
 * fromConfig: settings as Effect's Config has them, wherever that reads: the environment, a file, options.
 *
 * A setting is asked for as `DSTREAMS_CONCURRENT_JOBS`, which is how environments name it, and then as `concurrentJobs` within
 * `dstreams`, which is how structured files do. A text that cannot be what the setting needs is kept as it is: validation
 * tells it, with all other mistakes.
 */
import { Config, Option } from "effect"
import { definitions, type Need, type SettingName, settingNames, variableOf } from "./definitions.ts"
import type { SettingsInput } from "./Settings.ts"

/** In a file, what holds the settings. */
export const section = "dstreams"

/** What Config says, and nothing of what it does not. Give it to `StreamingApp.make`, or to a run. */
export const fromConfig: Config.Config<SettingsInput> = Config.all(settingNames.map((name) => ofName(name))).pipe(
  Config.map((values) => {
    const given: Partial<Record<SettingName, unknown>> = {}
    settingNames.forEach((name, index) => {
      const text = Option.getOrUndefined(values[index]!)
      if (text !== undefined) given[name] = valueOf(definitions[name].need, text)
    })
    return given as SettingsInput
  })
)

function ofName(name: SettingName): Config.Config<Option.Option<string>> {
  const inFile = Config.String(name).pipe(Config.nested(section))
  return Config.option(Config.String(variableOf(name))).pipe(
    Config.flatMap((text) => Option.isSome(text) ? Config.succeed(text) : Config.option(inFile))
  )
}

/** What a text stands for; the text itself, if it is none of what the setting needs. */
const valueOf = ({ kind }: Need, text: string): unknown => {
  const word = text.trim()
  switch (kind) {
    case "number":
      return numberOf(word) ?? text
    // A duration without a unit is milliseconds.
    case "duration":
      return numberOf(word) ?? word
    case "boolean":
      return booleans.get(word.toLowerCase()) ?? text
    case "choice":
    case "text":
      return word
  }
}

/** With commas between the thousands too, as `dstreams config` prints them. */
const numberOf = (word: string): number | undefined =>
  /^[+-]?(\d{1,3}(,\d{3})+(\.\d+)?|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)$/i.test(word)
    ? Number(word.replaceAll(",", ""))
    : undefined

/** As Effect's `Config.Boolean`. */
const booleans = new Map([
  ...["true", "yes", "on", "1", "y"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0", "n"].map((word) => [word, false] as const)
])
