/**
 * The arguments of the `dstreams` command, from texts to a typed command.
 *
 * Everything wrong with them is a `UsageError` with a sentence; the command then ends with exit code 2. Options of the program
 * (`--host`, `--port`, `--bootstrap`, `--config NAME=VALUE`) become `config`, from which its Config is answered before the environment is;
 * `--config FILE` names a file that is asked after it.
 */
import { parseArgs, type ParseArgsOptionDescriptor } from "node:util"
import { Data, Effect } from "effect"
import { settingNames, variableOf } from "../../core/settings/definitions.ts"
import { millisOrNaN } from "../../core/time/Time.ts"

/** The command was not written as it has to be. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

export type Master = { readonly kind: "local" } | { readonly kind: "threads"; readonly threads: number | "all" }

export interface RunCommand {
  readonly kind: "run"
  readonly program: string
  readonly master: Master
  readonly config: Readonly<Record<string, string>>
  readonly configFile: string | undefined
  readonly batches: number | undefined
  /** In place of the program's own. */
  readonly batchMillis: number | undefined
  /** undefined: on a terminal. */
  readonly status: boolean | undefined
  readonly demo: boolean
  readonly debug: boolean
}

export interface CheckCommand {
  readonly kind: "check"
  readonly program: string
  readonly config: Readonly<Record<string, string>>
  readonly configFile: string | undefined
  readonly batchMillis: number | undefined
  readonly debug: boolean
}

export interface ConfigCommand extends Omit<CheckCommand, "kind"> {
  readonly kind: "config"
  readonly master: Master
}

/** Looks into a checkpoint place, and changes nothing. */
export type InspectCommand =
  | { readonly kind: "checkpoint show"; readonly place: string }
  | (Omit<CheckCommand, "kind"> & { readonly kind: "checkpoint check"; readonly place: string })
  | {
    readonly kind: "state show"
    readonly place: string
    readonly operator: string
    /** As it is shown, or as JSON. */
    readonly key: string | undefined
  }
  | { readonly kind: "wal show"; readonly place: string }

export type Command =
  | RunCommand
  | InspectCommand
  | CheckCommand
  | ConfigCommand
  | { readonly kind: "help"; readonly topic: Topic | undefined }
  | { readonly kind: "version" }

const topics = ["run", "check", "config", "checkpoint", "state", "wal"] as const
export type Topic = typeof topics[number]

/** Most worker threads that `local[n]` takes. */
export const threadsMax = 256

const programOptions = {
  host: { type: "string" },
  port: { type: "string" },
  bootstrap: { type: "string" },
  config: { type: "string", multiple: true },
  "batch-duration": { type: "string" },
  debug: { type: "boolean" },
  help: { type: "boolean", short: "h" }
} satisfies Record<string, ParseArgsOptionDescriptor>

const configOptions = {
  ...programOptions,
  master: { type: "string" }
} satisfies Record<string, ParseArgsOptionDescriptor>

const runOptions = {
  ...configOptions,
  batches: { type: "string" },
  status: { type: "boolean" },
  "no-status": { type: "boolean" },
  demo: { type: "boolean" }
} satisfies Record<string, ParseArgsOptionDescriptor>

export const parse = (args: ReadonlyArray<string>): Effect.Effect<Command, UsageError> =>
  Effect.try({
    try: () => command(args),
    catch: (error) => error instanceof UsageError ? error : new UsageError({ message: String(error) })
  })

const wrong = (message: string): never => {
  throw new UsageError({ message })
}

const command = (args: ReadonlyArray<string>): Command => {
  const [name, ...rest] = args
  switch (name) {
    case "run":
      return run(rest)
    case "check":
      return check(rest)
    case "config":
      return config(rest)
    case "checkpoint":
      return checkpoint(rest)
    case "state":
      return inspect("state", rest, ["DIR", "OPERATOR"], ["KEY"], ([place, operator, key]) => (
        { kind: "state show", place: place!, operator: operator!, key }
      ))
    case "wal":
      return inspect("wal", rest, ["DIR"], [], ([place]) => ({ kind: "wal show", place: place! }))
    case undefined:
      return wrong(`There is no command. Write "dstreams run PROGRAM" or "dstreams --help".`)
    case "help":
    case "--help":
    case "-h":
      return { kind: "help", topic: topics.find((topic) => topic === rest[0]) }
    case "--version":
    case "-v":
      return { kind: "version" }
    default:
      return wrong(
        `There is no command ${name}. The commands are ${
          topics.slice(0, -1).join(", ")
        } and wal; see "dstreams --help".`
      )
  }
}

const run = (args: ReadonlyArray<string>): Command => {
  const read = options("run", args, runOptions)
  if (read.flag("help")) return { kind: "help", topic: "run" }
  const noServer = read.text("host") === undefined && read.text("port") === undefined
  if (read.flag("status") && read.flag("no-status")) wrong("--status and --no-status are given both: leave one out.")
  return {
    kind: "run",
    program: read.program(),
    master: masterOf(read.text("master") ?? "local"),
    ...configOf(read),
    batches: optional(read.text("batches"), (text) => wholeNumber("--batches", text, 1, Number.MAX_SAFE_INTEGER)),
    status: read.flag("no-status") ? false : read.flag("status") ? true : undefined,
    demo: read.flag("demo") && noServer,
    debug: read.flag("debug")
  }
}

const check = (args: ReadonlyArray<string>): Command => {
  const read = options("check", args, programOptions)
  if (read.flag("help")) return { kind: "help", topic: "check" }
  return { kind: "check", program: read.program(), ...configOf(read), debug: read.flag("debug") }
}

const config = (args: ReadonlyArray<string>): Command => {
  const read = options("config", args, configOptions)
  if (read.flag("help")) return { kind: "help", topic: "config" }
  return {
    kind: "config",
    program: read.program(),
    ...configOf(read),
    debug: read.flag("debug"),
    master: masterOf(read.text("master") ?? "local")
  }
}

const checkpoint = (args: ReadonlyArray<string>): Command => {
  if (args[0] !== "check") {
    return inspect("checkpoint", args, ["DIR"], [], ([place]) => ({ kind: "checkpoint show", place: place! }))
  }
  const read = options("checkpoint", args.slice(1), programOptions, "checkpoint check")
  if (read.flag("help")) return { kind: "help", topic: "checkpoint" }
  const [place, program] = read.words(["DIR", "PROGRAM"])
  return { kind: "checkpoint check", place: place!, program: program!, ...configOf(read), debug: read.flag("debug") }
}

/** `dstreams NAME show WORDS`. */
const inspect = (
  name: Topic,
  args: ReadonlyArray<string>,
  needed: ReadonlyArray<string>,
  more: ReadonlyArray<string>,
  of: (words: ReadonlyArray<string>) => Command
): Command => {
  const [verb, ...rest] = args
  if (verb === "--help" || verb === "-h") return { kind: "help", topic: name }
  if (verb !== "show") {
    const known = name === "checkpoint" ? "show or check" : "show"
    return wrong(`"dstreams ${name}" is followed by ${known}${verb === undefined ? "" : `, not ${verb}`}.`)
  }
  const read = options(name, rest, { help: { type: "boolean", short: "h" } }, `${name} show`)
  return read.flag("help") ? { kind: "help", topic: name } : of(read.words(needed, more))
}

interface Options {
  /** What stands without a name: those that are needed, then those that may be left out. */
  readonly words: (needed: ReadonlyArray<string>, more?: ReadonlyArray<string>) => ReadonlyArray<string>
  readonly flag: (name: string) => boolean
  readonly text: (name: string) => string | undefined
  readonly texts: (name: string) => ReadonlyArray<string>
  readonly program: () => string
}

/** Task runners leave the `--` that ends their own options (`deno task start -- --batches 2`); programs need none. */
const withoutSeparator = (args: ReadonlyArray<string>): Array<string> => {
  const at = args.indexOf("--")
  return at === -1 ? [...args] : args.toSpliced(at, 1)
}

/** Reads options with `parseArgs`, which is left lenient, so that the sentences about mistakes are ours. */
const options = (
  name: string,
  args: ReadonlyArray<string>,
  known: Record<string, ParseArgsOptionDescriptor>,
  /** The command, with its verb. */
  whole = name
): Options => {
  const { tokens } = parseArgs({
    args: withoutSeparator(args),
    options: known,
    strict: false,
    allowPositionals: true,
    tokens: true
  })
  const texts = new Map<string, Array<string>>()
  const flags = new Set<string>()
  const positionals: Array<string> = []
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value)
    if (token.kind !== "option") continue
    const option = Object.hasOwn(known, token.name) ? known[token.name] : undefined
    if (option === undefined) {
      return wrong(`There is no option ${token.rawName}; ${asSetting(token.name)}see "dstreams ${name} --help".`)
    }
    if (option.type === "boolean") {
      if (token.value !== undefined) wrong(`${token.rawName} takes no value, and was given "${token.value}".`)
      flags.add(token.name)
    } else {
      if (token.value === undefined || token.value === "") return wrong(`${token.rawName} needs a value after it.`)
      const values = texts.get(token.name) ?? []
      if (values.length > 0 && option.multiple !== true) wrong(`${token.rawName} is given twice: leave one out.`)
      texts.set(token.name, [...values, token.value])
    }
  }
  return {
    flag: (flag) => flags.has(flag),
    text: (option) => texts.get(option)?.[0],
    texts: (option) => texts.get(option) ?? [],
    words: (needed, more = []) => {
      const all = [...needed, ...more.map((word) => `[${word}]`)].join(" ")
      if (positionals.length >= needed.length && positionals.length <= needed.length + more.length) return positionals
      return wrong(`"dstreams ${whole}" takes ${all}, and was given ${positionals.join(" ") || "nothing"}.`)
    },
    program: () => {
      if (positionals.length === 0) {
        wrong(`"dstreams ${name}" needs a PROGRAM: the path of a module that exports an app.`)
      }
      if (positionals.length > 1) {
        wrong(`"dstreams ${name}" takes one PROGRAM, and was given ${positionals.join(" and ")}.`)
      }
      return positionals[0]!
    }
  }
}

/** `--checkpoint-directory`, `--checkpointDirectory`: settings are no options. */
const asSetting = (option: string): string => {
  const letters = (name: string) => name.replaceAll(/[-_]/g, "").toLowerCase()
  const setting = settingNames.find((each) => letters(each) === letters(option))
  return setting === undefined ? "" : `the setting is given as --config ${variableOf(setting)}=VALUE; `
}

const optional = <A>(text: string | undefined, read: (text: string) => A): A | undefined =>
  text === undefined ? undefined : read(text)

const wholeNumber = (option: string, text: string, min: number, max: number): number => {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN
  return value >= min && value <= max
    ? value
    : wrong(`${option} has to be a whole number from ${min} to ${max}, and is "${text}".`)
}

const batchMillisOf = (text: string): number => {
  // As everywhere on the command line, a number without a unit is milliseconds.
  const millis = /^\d+$/.test(text) ? Number(text) : millisOrNaN(text)
  return Number.isInteger(millis) && millis >= 1 ? millis : wrong(
    `--batch-duration has to be a duration of whole milliseconds such as "100 ms" or "2 seconds", and is "${text}".`
  )
}

export const masterOf = (text: string): Master => {
  if (text === "local") return { kind: "local" }
  if (text === "local[*]") return { kind: "threads", threads: "all" }
  const threads = /^local\[([0-9]+)\]$/.exec(text)?.[1]
  if (threads === undefined) {
    return wrong(
      `--master has to be local (in this process), local[n] (n worker threads) or local[*] (one for each processor), ` +
        `and is "${text}".`
    )
  }
  return { kind: "threads", threads: wholeNumber("the n of --master local[n]", threads, 1, threadsMax) }
}

/** As it is written. */
export const masterText = (master: Master): string =>
  master.kind === "local" ? "local" : `local[${master.threads === "all" ? "*" : master.threads}]`

/** `--config` is NAME=VALUE, or without a `=` the path of a file. */
const configOf = (read: Options): Pick<CheckCommand, "config" | "configFile" | "batchMillis"> => {
  const config: Record<string, string> = {}
  let configFile: string | undefined
  for (const given of read.texts("config")) {
    const at = given.indexOf("=")
    if (at === -1) {
      if (configFile !== undefined) wrong(`--config names two files, ${configFile} and ${given}: leave one out.`)
      configFile = given
      continue
    }
    const name = given.slice(0, at)
    if (!/^[A-Za-z_][\w.]*$/.test(name) || name === "__proto__") {
      wrong(`--config has to be NAME=VALUE or the path of a file, and is "${given}".`)
    }
    config[name] = given.slice(at + 1)
  }
  const host = read.text("host")
  const port = read.text("port")
  const bootstrap = read.text("bootstrap")
  if (host !== undefined) config["HOST"] = host
  if (bootstrap !== undefined) config["BOOTSTRAP"] = bootstrap
  if (port !== undefined) config["PORT"] = String(wholeNumber("--port", port, 1, 65_535))
  return { config, configFile, batchMillis: optional(read.text("batch-duration"), batchMillisOf) }
}
