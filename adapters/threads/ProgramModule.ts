/**
 * ProgramModule: a program as driver, command line and executors load it: by the URL of its module.
 *
 * The default export is a StreamingApp, or an Effect that builds one from Effect's Config. Config is answered from the options
 * of the command line first, then from the environment. Whatever is wrong with a module (no file, a syntax error, an import
 * that is not there, a throw at its top, no app) is one `ProgramError` with a sentence. The fingerprint of the code is a digest
 * of the module's own source text: driver and executors compare it.
 */
import * as fs from "node:fs/promises"
import { createHash } from "node:crypto"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Cause, ConfigProvider, Effect, Exit, Schema } from "effect"
import { type AnyStreamingApp, isStreamingApp } from "../../core/dstream/StreamingApp.ts"
import { describeConfigError, type Given } from "./configMistake.ts"
import { describeLoading, methodCall } from "./loadingMistake.ts"

/** The program's module cannot be run. */
export class ProgramError extends Schema.TaggedError<ProgramError>()("ProgramError", {
  program: Schema.String,
  message: Schema.String,
  /** Where in the program it went wrong, for `--debug`. */
  trace: Schema.UndefinedOr(Schema.String)
}) {}

export interface Program {
  readonly app: AnyStreamingApp
  readonly codeFingerprint: string
}

/** The URL of a program that was given as a path, or as a URL. */
export const urlOf = (program: string): string => {
  if (/^[a-z][a-z+.-]+:/i.test(program)) return program
  return pathToFileURL(program).href
}

/** How people name the program: the path of a file, else its URL. */
const nameOf = (url: string): string => url.startsWith("file:") ? fileURLToPath(url) : url.slice(0, 200)

/** `reads` collects the names that the program asks its Config for. */
export const load = Effect.fnUntraced(function* (
  url: string,
  config: Readonly<Record<string, string>>,
  reads: Set<string> = new Set()
): Effect.fn.Return<Program, ProgramError> {
  const source = yield* readSource(url)
  const module = yield* importModule(url)
  if (!("default" in module)) return yield* noApp(url, "has no default export")
  const exported = module["default"]
  const given = { provider: configProvider(config, reads), config, reads }
  const app = Effect.isEffect(exported) ? yield* build(url, exported as Effect.Effect<unknown>, given) : exported
  if (!isStreamingApp(app)) return yield* noApp(url, `exports ${describe(app)} as its default`)
  return { app, codeFingerprint: digestOf(source) }
})

/** The fingerprint of a program that is not loaded here, for a driver which was given the app and not its module. */
export const codeFingerprintOf = (url: string): Effect.Effect<string, ProgramError> =>
  Effect.map(readSource(url), digestOf)

const digestOf = (source: Uint8Array): string => createHash("sha256").update(source).digest("hex")

/** Options first, then the environment. `reads` collects the names that are asked for. */
export const configProvider = (
  config: Readonly<Record<string, string>>,
  reads: Set<string> = new Set()
): ConfigProvider.ConfigProvider => {
  const options = ConfigProvider.fromEnvRecord(config)
  const noting = ConfigProvider.make((path) => {
    reads.add(path.join("_"))
    return options.load(path)
  })
  return ConfigProvider.orElse(noting, ConfigProvider.fromEnv())
}

const build = Effect.fnUntraced(function* (url: string, program: Effect.Effect<unknown, unknown>, given: Given) {
  const provided = Effect.provideService(program, ConfigProvider.ConfigProvider, given.provider)
  const exit = yield* Effect.exit(provided)
  if (Exit.isSuccess(exit)) return exit.value
  const cause = Cause.prettyErrors(exit.cause)[0] ?? new Error("it was interrupted")
  const text = (yield* describeConfigError(Cause.squash(exit.cause), given)) ??
    `${sentence(cause).replaceAll(/\s*\n\s*/g, " ")} ${methodCall(cause.message) ?? ""}`.trimEnd()
  return yield* refusal(url, "could not build its app", text, cause)
})

const readSource = (url: string) =>
  Effect.tryPromise({
    try: async () => {
      if (url.startsWith("file:")) return await fs.readFile(fileURLToPath(url))
      return new Uint8Array(await (await fetch(url)).arrayBuffer())
    },
    catch: (cause) =>
      new ProgramError({
        program: nameOf(url),
        message: `There is no program ${nameOf(url)}: ${
          sentence(cause)
        } Give the path of a module that exports an app.`,
        trace: undefined
      })
  })

const importModule = (url: string) =>
  Effect.tryPromise({
    try: () => import(url) as Promise<Record<string, unknown>>,
    catch: (cause) => cause
  }).pipe(Effect.catch((cause) =>
    Effect.flatMap(
      Effect.promise(() => describeLoading(cause)),
      (text) => Effect.fail(refusal(url, "cannot be loaded", text, cause))
    )
  ))

const refusal = (url: string, what: string, text: string, cause: unknown) =>
  new ProgramError({
    program: nameOf(url),
    message: `The program ${nameOf(url)} ${what}: ${text}`,
    trace: cause instanceof Error ? cause.stack : undefined
  })

const noApp = (url: string, what: string) =>
  new ProgramError({
    program: nameOf(url),
    message: `The program ${nameOf(url)} ${what}: it has to be a StreamingApp, or an Effect that builds one. ` +
      `Write "export default StreamingApp.make({ ... })".`,
    trace: undefined
  })

/** The message of an error as one sentence. */
const sentence = (cause: unknown): string => {
  const name = cause instanceof Error && cause.name !== "Error" ? `${cause.name}: ` : ""
  const message = cause instanceof Error ? cause.message : String(cause)
  const text = `${name}${message}`.trim()
  return /[.!?]$/.test(text) ? text : `${text}.`
}

const describe = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  if (typeof value === "function") return `a function (${value.name || "without a name"})`
  if (Array.isArray(value)) return "an array"
  return typeof value === "object" ? "an object that is no app" : `the ${typeof value} ${String(value).slice(0, 40)}`
}
