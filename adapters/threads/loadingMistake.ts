/**
 * loadingMistake: why a program's module cannot be loaded, in one sentence, with what to do.
 *
 * Node and Deno tell the same mistakes in different words, colours and numbers of lines; the place of a syntax error stands in
 * the message, or above the stack, or nowhere. What is not known here is told as it came.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"
import { MisusedOperator } from "../../core/dstream/misuse.ts"
import { DStream } from "../../core/mod.ts"
import { userFrame } from "../../core/protocol/userFrame.ts"

/** Reads up to here of a module's exports in a message. */
const namesMax = 20

/** The message as one sentence, and the remedy. */
export const describeLoading = async (cause: unknown): Promise<string> => {
  const message = stripVTControlCharacters(cause instanceof Error ? cause.message : String(cause))
  if (cause instanceof MisusedOperator) return `${message}, in ${thrownAt(cause) ?? "the program"}.`
  const remedy = methodCall(message) ?? moduleKind(cause, message) ?? await missingExport(message) ??
    missingSubpath(message) ??
    typesOnly(message) ?? packageBesideClone(message) ??
    missingFile(message) ?? missingPackage(message) ?? (isSyntax(cause, message) ? "Correct the syntax." : undefined)
  const place = isSyntax(cause, message) ? placeOf(cause, message) : thrownAt(cause)
  const text = withName(cause, message.split("\n", 1)[0]!.replace(/ at file:\S+$/, ""))
  return ended(place === undefined ? text : `${text.replace(/[.!?]$/, "")}, in ${place}`) +
    (remedy === undefined ? "" : ` ${remedy}`)
}

/** Where the program itself threw. */
const thrownAt = (cause: unknown): string | undefined => {
  const frame = cause instanceof Error && typeof cause.stack === "string" ? userFrame(cause.stack) : undefined
  return frame?.replace(/:(\d+)$/, ", line $1")
}

/** Streams have no methods: `words.map(...)`, as in Spark. */
export const methodCall = (message: string): string | undefined => {
  const [, stream = "", method = ""] = /([\w.]+|\))\.(\w+) is not a function/.exec(message) ?? []
  if (!Object.hasOwn(DStream, method)) return undefined
  const before = /^\w+$/.test(stream) ? stream : "words"
  return `If this is a DStream, write ${before}.pipe(DStream.${method}${argumentless.has(method) ? "" : "(...)"}).`
}

const argumentless: ReadonlySet<string> = new Set(["count", "glom", "cache", "unpersist", "stateSnapshots"])

/** Deno gives a TypeError that tells of a SyntaxError. */
const isSyntax = (cause: unknown, message: string): boolean =>
  cause instanceof SyntaxError || message.startsWith("SyntaxError: ")

/** Deno's TypeErrors with a code say no more by their name. */
const withName = (cause: unknown, text: string): string => {
  if (!(cause instanceof Error) || cause.name === "Error" || text.startsWith("SyntaxError: ")) return text
  return cause instanceof SyntaxError || !("code" in cause) ? `${cause.name}: ${text}` : text
}

const ended = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`

/** Deno's `at file:///x.ts:2:11`, or the first line of Node's stack, `file:///x.ts:2` or `/x.ts:2`. */
const placeOf = (cause: unknown, message: string): string | undefined => {
  const stack = cause instanceof Error ? cause.stack ?? "" : ""
  const found = /\bat (file:\S+?):(\d+):\d+$/m.exec(message) ?? /^(\S.*):(\d+)\n/.exec(stack)
  if (found === null || stack.startsWith(`${(cause as Error).name}: ${found[1]}`)) return undefined
  return `${pathOf(found[1]!)}, line ${found[2]}`
}

const pathOf = (place: string): string => place.startsWith("file:") ? fileURLToPath(place) : place

const moduleKind = (cause: unknown, message: string): string | undefined =>
  cause instanceof SyntaxError &&
    /Cannot use import statement outside a module|Unexpected token 'export'|await is only valid in async/.test(message)
    ? `Set "type": "module" in package.json (npm pkg set type=module), or name the file .mts.`
    : undefined

const missingExport = async (message: string): Promise<string | undefined> => {
  const found = /requested module '([^']+)' does not provide an export named '([^']+)'/.exec(message)
  if (found === null) return undefined
  const [, module = "", name = ""] = found
  const type = `If ${name} is a type, write "import type".`
  if (!/^dstreams(\/|$)/.test(module)) return `${type} Else correct the name.`
  const home = homes[name]
  if (home !== undefined) return `Write: ${home}`
  const names = await import(module).then(Object.keys, () => []) as ReadonlyArray<string>
  return `It exports ${names.slice(0, namesMax).join(", ")}. ${type}`
}

/** Names that people look for in "dstreams" itself. */
export const homes: Readonly<Record<string, string>> = {
  Socket: `import * as Socket from "dstreams/socket"`,
  Queue: `import * as Queue from "dstreams/queue"`,
  File: `import * as File from "dstreams/file"`,
  Http: `import * as Http from "dstreams/http"`,
  Memory: `import * as Memory from "dstreams/memory"`,
  Placement: `import * as Placement from "dstreams/placement"`,
  StreamingContext: `import { StreamingContext } from "dstreams/runtime"`
}

/** Lists what the package's own package.json exports. */
const missingSubpath = (message: string): string | undefined => {
  const found = /Package subpath '[^']+' is not defined by "exports" in '?(.+?package\.json)/.exec(message)
  if (found === null) return undefined
  try {
    const { name, exports } = JSON.parse(fs.readFileSync(found[1]!, "utf8"))
    const public_ = Object.keys(exports).filter((key) => !/\.json$|internal|\*/.test(key))
    return `The package exports ${public_.slice(0, namesMax).map((key) => `"${name}${key.slice(1)}"`).join(", ")}.`
  } catch {
    return "Correct the import."
  }
}

const typesOnly = (message: string): string | undefined =>
  message.includes("strip-only mode")
    ? "Node strips types and does no more: write without enum, namespace and parameter properties " +
      "(tsc's erasableSyntaxOnly tells them)."
    : undefined

/** A clone asks for sources, which a project's package does not have. */
const packageBesideClone = (message: string): string | undefined =>
  /Cannot find module '[^']+[\\/]node_modules[\\/]dstreams[\\/][^']+\.ts'/.test(message)
    ? `The program's project has dstreams as a package, and this is the command of a clone: run "npx dstreams" in that project.`
    : undefined

/** A relative import: of a file by the wrong ending, or by none, or of no file. */
const missingFile = (message: string): string | undefined => {
  const node = /Cannot find module '([^']+)' imported from (.+)$/.exec(message)
  const deno = /Module not found "(file:[^"]+)"[^]*?at (file:\S+?):\d+:\d+/.exec(message)
  const [, wanted, importer] = node ?? deno ?? []
  if (wanted === undefined || importer === undefined) return undefined
  const [file, from] = [pathOf(wanted), path.dirname(pathOf(importer))]
  const endings = [".ts", ".mts", ".js", ".mjs", "/index.ts", "/index.js"]
  const there = [file, file.replace(/\.m?js$/, "")].flatMap((base) => endings.map((ending) => `${base}${ending}`))
    .find((candidate) => fs.existsSync(candidate))
  if (there === undefined) return "Correct the path of the import."
  const relative = path.relative(from, there).replaceAll(path.sep, "/")
  return `Write the file's ending: "${relative.startsWith("../") ? relative : `./${relative}`}".`
}

const missingPackage = (message: string): string | undefined =>
  /^Cannot find package 'dstreams'/.test(message)
    ? "Install dstreams where the program is (the README says how), or put the program into the folder of dstreams' own clone."
    : missingOther(message)

const missingOther = (message: string): string | undefined =>
  /^(Cannot find (package|module)|Module not found)|not a dependency/.test(message)
    ? "Install the package that it imports, or correct the import."
    : undefined
