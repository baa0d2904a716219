/**
 * The options of file streams, their defaults, and what is wrong with them, told where the program is built.
 */
import { Schema } from "effect"
import { describeValue } from "../../core/protocol/describeValue.ts"
import { type DurationInput, millisOrNaN } from "../../core/time/Time.ts"

export interface FileOptions {
  /**
   * The directory whose files are read, or a pattern for several: `*`, `?`, `[abc]`, `{a,b}`, `**`. The directories that match are
   * looked up anew at each batch. Files directly in them are read, not those further below.
   */
  readonly directory: string
  /** Only files that are modified after the start (default), or also those of the last `minRemember` before it. */
  readonly newFilesOnly?: boolean | undefined
  /** Which files are read, by their absolute paths; those whose names do not begin with a dot. */
  readonly filter?: ((path: string) => boolean) | undefined
  /** How long it is remembered which names were read, and not read again; files that are older are not read. 1 minute */
  readonly minRemember?: DurationInput | undefined
  /**
   * A file that is gone, cannot be read or has become shorter between its planning and its reading fails the batch (default), or
   * is skipped (what is left of it), which is told in the log.
   */
  readonly onMissing?: "fail" | "skip" | undefined
}

export const defaults = {
  minRemember: "1 minute",
  maxPartitionBytes: 32 * 1024 * 1024,
  maxLineBytes: 16 * 1024 * 1024,
  maxFileBytes: 256 * 1024 * 1024
} as const

/** A file stream cannot be what its options say. */
export class InvalidFileStream extends Schema.TaggedError<InvalidFileStream>()("InvalidFileStream", {
  option: Schema.String,
  message: Schema.String
}) {}

/** Programs are not always type-checked before they run. Of the options that are left out only the `required` are missed. */
export const validate = (options: Readonly<Record<string, unknown>>, required: ReadonlyArray<string>): void => {
  const wrong = (option: string, needs: string): never => {
    const message = `The ${option} of a file stream has to be ${needs}, and is ${describeValue(options[option])}`
    throw new InvalidFileStream({ option, message })
  }
  for (const [option, needs, holds] of rules) {
    const isLeftOut = options[option] === undefined && !required.includes(option)
    if (!isLeftOut && !holds(options[option])) wrong(option, needs)
  }
}

type Rule = readonly [option: string, needs: string, holds: (value: unknown) => boolean]

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1
const counts = ["maxPartitionBytes", "maxLineBytes", "maxFileBytes", "recordLength"]
const either = (option: string, ...words: ReadonlyArray<string>): Rule => [
  option,
  words.map((word) => `"${word}"`).join(" or "),
  (value) => words.includes(value as string)
]
const functions = ["filter", "read", "decoder"]

const rules: ReadonlyArray<Rule> = [
  ["directory", "a path", (value) => typeof value === "string" && value.trim() !== ""],
  ["newFilesOnly", "true or false", (value) => typeof value === "boolean"],
  ["minRemember", "a duration above zero", (value) => millisOrNaN(value) > 0 && Number.isFinite(millisOrNaN(value))],
  either("onMissing", "fail", "skip"),
  either("onInvalid", "replace", "fail"),
  either("onPartialRecord", "fail", "drop"),
  ...functions.map((option): Rule => [option, "a function", (value) => typeof value === "function"]),
  ...counts.map((option): Rule => [option, "a whole number of at least 1", isCount])
]
