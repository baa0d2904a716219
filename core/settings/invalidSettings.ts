/**
 * invalidSettings: what is wrong with settings as a user wrote them, all at once, each with its remedy.
 *
 * They may come from a program without types, a file, or the environment: nothing here trusts their shape.
 */
import { Schema } from "effect"
import { describeValue } from "../protocol/describeValue.ts"
import { definitions, type SettingName, settingNames } from "./definitions.ts"
import type { SettingsInput } from "./Settings.ts"

/** A setting that there is not, or one with a value that it cannot have. */
export class InvalidSetting extends Schema.TaggedError<InvalidSetting>()("InvalidSetting", {
  setting: Schema.String,
  message: Schema.String,
  remedy: Schema.String
}) {}

export const invalidSettings = (input: unknown): ReadonlyArray<InvalidSetting> => {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return [
      new InvalidSetting({
        setting: "settings",
        message: `they have to be an object, and are ${describeValue(input)}`,
        remedy: "write them as { concurrentJobs: 2 }, or leave them out"
      })
    ]
  }
  return Object.entries(input).flatMap(([setting, value]) => {
    if (!Object.hasOwn(definitions, setting)) return [unknownSetting(setting, settingNames)]
    const { what, holds } = definitions[setting as SettingName].need
    if (value === undefined || holds(value)) return []
    const message = `it has to be ${what}, and is ${describeValue(value)}`
    return [new InvalidSetting({ setting, message, remedy: "change it, or leave it out" })]
  })
}

/** Settings of which each can be, and that cannot be together. */
export const contradictions = (given: SettingsInput): ReadonlyArray<InvalidSetting> => {
  const { scalingDownRatio: down = definitions.scalingDownRatio.fallback as number } = given
  const { scalingUpRatio: up = definitions.scalingUpRatio.fallback as number } = given
  const { maxExecutors: most, minExecutors: fewest } = given
  const mistakes: Array<InvalidSetting> = []
  if (up <= down) {
    mistakes.push(
      new InvalidSetting({
        setting: "scalingUpRatio",
        message: `executors would be added from ${up}, and removed down from ${down} (scalingDownRatio)`,
        remedy: "set scalingUpRatio above scalingDownRatio"
      })
    )
  }
  if (fewest !== undefined && most !== undefined && most < fewest) {
    mistakes.push(
      new InvalidSetting({
        setting: "maxExecutors",
        message: `there would be at least ${fewest} executors (minExecutors), and at most ${most}`,
        remedy: "set maxExecutors to at least minExecutors, or leave one of them out"
      })
    )
  }
  return mistakes
}

/** The setting that Spark calls so. */
export const ofSpark = (name: string): SettingName | undefined =>
  settingNames.find((setting) => {
    const { spark } = definitions[setting]
    return spark === name || (spark?.endsWith("*") === true && name.startsWith(spark.slice(0, -1)))
  })

/** A name that is none of `names`, with the one that was most likely meant. */
export const unknownSetting = (setting: string, names: ReadonlyArray<string>): InvalidSetting => {
  if (setting.startsWith("spark.")) {
    const ours = ofSpark(setting)
    return new InvalidSetting({
      setting,
      message: "this is a setting of Spark's",
      remedy: ours === undefined
        ? "there is none like it here; docs/configuration.md tells what became of each"
        : `here it is called ${ours}`
    })
  }
  const near = nearest(setting, names)
  return new InvalidSetting({
    setting,
    message: "there is no such setting",
    remedy: near === undefined ? `the settings are ${names.join(", ")}` : `did you mean ${near}?`
  })
}

/** The one name of which the wrong one is a beginning, or that with the fewest edits to it, if they are few. */
export const nearest = (wrong: string, names: ReadonlyArray<string>): string | undefined => {
  const longer = names.filter((name) => name.toLowerCase().startsWith(wrong.toLowerCase()))
  if (longer.length === 1 && wrong.length >= beginningMin) return longer[0]
  const editsMax = Math.min(Math.max(2, wrong.length / 3), wrong.length / 2)
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const name of names) {
    const edits = editsBetween(wrong.toLowerCase().slice(0, nameCharactersMax), name.toLowerCase())
    if (edits <= editsMax && (best === undefined || edits < best.edits)) best = { name, edits }
  }
  return best?.name
}

/** Shorter ones begin too much. */
const beginningMin = 4

const nameCharactersMax = 60

/** Levenshtein's distance, row by row. */
const editsBetween = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
