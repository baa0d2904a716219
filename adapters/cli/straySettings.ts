/**
 * straySettings: settings that stand where nobody looks for them, or under a name that is not quite theirs, and would have no effect
 * without a word: each with where it has to stand.
 *
 * Everything else may be an answer to the program's own Config, and is left alone.
 */
import { type SettingName, settingNames, variableOf, variablePrefix } from "../../core/settings/definitions.ts"
import { section } from "../../core/settings/fromConfig.ts"
import { InvalidSetting, nearest, ofSpark } from "../../core/settings/invalidSettings.ts"

const variables: ReadonlyArray<string> = settingNames.map(variableOf)

const isSetting = (name: string): name is SettingName => (settingNames as ReadonlyArray<string>).includes(name)

const stray = (setting: string, message: string, remedy: string) => new InvalidSetting({ setting, message, remedy })

/** The variable that was meant by one that only looks like it: in small letters, or without the last letter of `DSTREAMS`. */
const variableMeant = (name: string): string | undefined => {
  if (!/^dstreams?_/i.test(name) || name.startsWith(variablePrefix)) return undefined
  return nearest(name.toUpperCase().replace(/^DSTREAM_/, variablePrefix), variables)
}

/** Among the names of an environment, where an empty variable is as good as none. */
export const inEnvironment = (
  environment: Readonly<Record<string, string | undefined>>
): ReadonlyArray<InvalidSetting> =>
  Object.keys(environment).flatMap((name) => {
    const meant = variableMeant(name)
    return meant === undefined ? [] : [stray(name, "there is no such setting", `did you mean ${meant}?`)]
  })

/** Among what `--config NAME=VALUE` was given. An empty setting is no setting: most likely a variable of the shell that is not set. */
export const onCommandLine = (config: Readonly<Record<string, string | undefined>>): ReadonlyArray<InvalidSetting> =>
  Object.entries(config).flatMap(([name, value]) => {
    if (variables.includes(name) && value === "") {
      return [stray(name, "it is given without a value", "leave the option out, or set the shell's variable in it")]
    }
    const setting = isSetting(name) ? name : ofSpark(name)
    const meant = setting === undefined ? variableMeant(name) : variableOf(setting)
    return meant === undefined ? [] : [stray(name, "there is no such option", `did you mean ${meant}?`)]
  })

/** Among the keys of a file's object, beside `dstreams`. */
export const inFile = (json: Readonly<Record<string, unknown>>): ReadonlyArray<InvalidSetting> =>
  Object.entries(json).flatMap(([name, value]) => {
    if (name === section) return []
    if (isSection(name, value)) {
      return [stray(name, "settings are looked for in no such object", `did you mean "${section}"?`)]
    }
    const setting = isSetting(name) ? name : ofSpark(name) ?? settingOfVariable(name)
    if (setting === undefined) return []
    const place = `write it as { "${section}": { "${setting}": ... } }`
    return [stray(name, `settings stand within "${section}"`, place)]
  })

const settingOfVariable = (name: string): SettingName | undefined => {
  const variable = name.startsWith(variablePrefix) ? nearest(name, variables) : variableMeant(name)
  return settingNames.find((setting) => variableOf(setting) === variable)
}

/** An object of another name with a setting in it; the program's own Config may well have objects. */
const isSection = (name: string, value: unknown): boolean =>
  typeof value === "object" && value !== null && nearest(name, [section]) !== undefined &&
  (name.toLowerCase() === section || Object.keys(value).some((key) => nearest(key, settingNames) !== undefined))
