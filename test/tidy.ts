/**
 * Tidy: the rules of the house that a machine can hold, as pure functions from a source file to findings.
 * `tidy.test.ts` applies them to the whole tree and shows for each rule a breach that it catches.
 *
 * - Layers: `core/` knows only `effect` and itself, `runtime/` also `core/`, `adapters/` both and the world
 *   (npm packages, `node:`); none of the three knows `test/`, `examples/` or `bench/`.
 * - No ambient time, chance, I/O or native promise in `core/` and `runtime/`; no running of Effects in `core/`.
 * - Sizes: a file has at most 400 lines, a function at most 70 of its own (a nested function counts for itself)
 *   and 150 in all, a folder at most 14 source files.
 * - A module of the three layers begins with a block comment that says what it is.
 * - Nothing unfinished is marked and left, no test runs alone.
 */
import { parse } from "@babel/parser"

export interface SourceFile {
  /** Relative to the root of the project, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface Finding {
  readonly rule: "layers" | "ambient" | "size" | "head" | "unfinished"
  readonly path: string
  readonly line: number
  readonly message: string
}

export const fileLinesMax = 400
export const functionOwnLinesMax = 70
export const functionLinesMax = 150
export const folderFilesMax = 14
export const headCharactersMin = 40

/** What each layer may import, beside itself. Folders that are not named here are free. */
const layers: Record<string, { readonly folders: ReadonlyArray<string>; readonly world: boolean }> = {
  core: { folders: ["core"], world: false },
  runtime: { folders: ["core", "runtime"], world: false },
  adapters: { folders: ["core", "runtime", "adapters"], world: true }
}

const ambientNames = new Set([
  "Bun,Deno,Worker,WebSocket,EventSource,XMLHttpRequest,console,crypto,fetch,global,globalThis,navigator,performance",
  "process,queueMicrotask,require,setImmediate,setInterval,setTimeout,clearImmediate,clearInterval,clearTimeout"
].flatMap((names) => names.split(",")))

const effectRunners = /^run(Sync|Fork|Promise|Callback)/

const insteadOf: Record<string, string> = {
  "Date.now": "Clock.currentTimeMillis",
  "Date()": "Clock.currentTimeMillis",
  "new Date()": "Clock.currentTimeMillis",
  "Math.random": "the Random service",
  performance: "Clock.monotonicTimeNanos",
  setTimeout: "Effect.sleep",
  setInterval: "a loop over Effect.sleep",
  console: "Effect.log or a port"
}

interface Node {
  readonly type: string
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } }
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string" &&
  "loc" in value

const childrenOf = (node: Node): Array<readonly [key: string, child: Node]> =>
  Object.entries(node).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).filter(isNode).map((child) => [key, child] as const)
  )

const walk = (node: Node, visit: (node: Node, parent: Node, key: string) => void): void => {
  for (const [key, child] of childrenOf(node)) {
    visit(child, node, key)
    walk(child, visit)
  }
}

const programOf = (file: SourceFile): Node =>
  parse(file.text, { sourceType: "module", errorRecovery: true, plugins: ["typescript"] }).program as unknown as Node

const layerOf = (path: string): string => path.split("/")[0]!

/** All findings in one file. */
export const checkFile = (file: SourceFile): ReadonlyArray<Finding> => {
  const program = programOf(file)
  return [
    ...checkLayers(file, program),
    ...checkAmbient(file, program),
    ...checkSizes(file, program),
    ...checkHead(file),
    ...checkUnfinished(file, program)
  ]
}

/** Folders that hold more source files than a reader takes in at a glance. */
export const checkFolders = (paths: ReadonlyArray<string>): ReadonlyArray<Finding> => {
  const counts = new Map<string, number>()
  for (const path of paths) {
    const folder = path.slice(0, path.lastIndexOf("/"))
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  return [...counts].filter(([, count]) => count > folderFilesMax).map(([path, count]) => ({
    rule: "size",
    path,
    line: 0,
    message: `holds ${count} files, more than ${folderFilesMax}: part it into rooms`
  }))
}

/** Relative specifiers are resolved against the importing file: "core/rdd/RDD.ts" + "../time/Time.ts". */
const resolve = (from: string, specifier: string): string => {
  const parts = from.split("/").slice(0, -1)
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== ".") parts.push(part)
  }
  return parts.join("/")
}

const checkLayers = (file: SourceFile, program: Node): ReadonlyArray<Finding> => {
  const layer = layers[layerOf(file.path)]
  const findings: Array<Finding> = []
  const check = (specifier: string, line: number) => {
    const breach = layer === undefined ? undefined : layerBreach(file.path, specifier, layer)
    const noExtension = specifier.startsWith(".") && !/\.(ts|json)$/.test(specifier)
    if (breach !== undefined) findings.push({ rule: "layers", path: file.path, line, message: breach })
    if (noExtension) {
      findings.push({ rule: "layers", path: file.path, line, message: `imports "${specifier}" without its .ts ending` })
    }
  }
  walk(program, (node) => {
    const source = node["source"] ?? (node.type === "TSImportType" ? node["argument"] : undefined)
    if (isNode(source) && typeof source["value"] === "string") check(source["value"], node.loc.start.line)
  })
  return findings
}

const layerBreach = (from: string, specifier: string, layer: (typeof layers)[string]): string | undefined => {
  if (specifier.startsWith(".")) {
    const target = layerOf(resolve(from, specifier))
    return layer.folders.includes(target)
      ? undefined
      : `${layerOf(from)}/ may import ${layer.folders.map((folder) => folder + "/").join(", ")}, not ${target}/`
  }
  if (specifier === "effect" || specifier.startsWith("effect/")) return undefined
  if (specifier === "dstreams" || specifier.startsWith("dstreams/")) {
    return `imports its own package "${specifier}": only programs do, sources import by path`
  }
  return layer.world
    ? undefined
    : `${layerOf(from)}/ may import no package but effect, not "${specifier}": put it behind a port, in adapters/`
}

const checkAmbient = (file: SourceFile, program: Node): ReadonlyArray<Finding> => {
  const layer = layerOf(file.path)
  if (layer !== "core" && layer !== "runtime") return []
  const declared = declaredNames(program)
  const findings: Array<Finding> = []
  walk(program, (node, parent, key) => {
    const name = ambientUse(node, parent, key, declared) ?? (layer === "core" ? effectRun(node) : undefined)
    if (name === undefined) return
    const remedy = insteadOf[name] === undefined ? "" : `; take ${insteadOf[name]}`
    findings.push({
      rule: "ambient",
      path: file.path,
      line: node.loc.start.line,
      message: `uses ${name}: time, chance, the world and running are supplied from outside ${layer}/${remedy}`
    })
  })
  return findings
}

/** Every name that the file declares or imports: such a `fetch` or `process` is the file's own. */
const declaredNames = (program: Node): ReadonlySet<string> => {
  const names = new Set<string>()
  const pattern = (node: Node): void => {
    if (node.type === "Identifier") names.add(node["name"] as string)
    else if (node.type === "ObjectProperty") pattern(node["value"] as Node)
    else if (node.type === "AssignmentPattern") pattern(node["left"] as Node)
    else if (/^(Object|Array)Pattern$|^RestElement$/.test(node.type)) {
      childrenOf(node).forEach(([, child]) => pattern(child))
    }
  }
  walk(program, (node, _parent, key) => {
    if (key === "params" || key === "param" || key === "local") pattern(node)
    if (key === "id" && node.type !== "StringLiteral") pattern(node)
  })
  return names
}

const ambientUse = (node: Node, parent: Node, key: string, declared: ReadonlySet<string>): string | undefined => {
  if (node["async"] === true) return "an async function"
  if (node.type === "AwaitExpression") return "await"
  if (node.type === "ImportExpression" || node.type === "Import") return "import()"
  if (node.type === "NewExpression" || node.type === "CallExpression") {
    const callee = node["callee"] as Node
    const dateNow = callee["name"] === "Date" &&
      (node.type === "CallExpression" || (node["arguments"] as ReadonlyArray<Node>).length === 0)
    if (dateNow) return node.type === "NewExpression" ? "new Date()" : "Date()"
    if (node.type === "NewExpression" && callee["name"] === "Promise") return "new Promise()"
  }
  if (isMember(node, "Date", /^now$/)) return "Date.now"
  if (isMember(node, "Math", /^random$/)) return "Math.random"
  if (isMember(node, "Promise", /./)) return "Promise"
  const isUse = node.type === "Identifier" && ambientNames.has(node["name"] as string) && isValueUse(parent, key)
  return isUse && !declared.has(node["name"] as string) ? node["name"] as string : undefined
}

const isValueUse = (parent: Node, key: string): boolean => {
  if (parent.type.startsWith("TS") && !/^TS(As|Satisfies|NonNull|Instantiation)/.test(parent.type)) return false
  if (key === "property" || key === "key") return parent["computed"] === true
  return !/^(id|label|params|imported|exported|local)$/.test(key)
}

const effectRun = (node: Node): string | undefined =>
  isMember(node, "Effect", effectRunners) ? `Effect.${(node["property"] as Node)["name"]}` : undefined

const isMember = (node: Node, object: string, property: RegExp): boolean =>
  node.type === "MemberExpression" && (node["object"] as Node)["name"] === object && node["computed"] === false &&
  property.test((node["property"] as Node)["name"] as string)

const checkSizes = (file: SourceFile, program: Node): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const lines = file.text.trimEnd().split("\n").length
  const report = (line: number, message: string) => findings.push({ rule: "size", path: file.path, line, message })
  if (lines > fileLinesMax) report(1, `has ${lines} lines, more than ${fileLinesMax}: one concept, one file`)
  walk(program, (node) => {
    if (!isFunction(node)) return
    const line = node.loc.start.line
    const own = ownLines(node)
    if (own > functionOwnLinesMax) {
      report(line, `a function has ${own} lines of its own, more than ${functionOwnLinesMax}`)
    }
    if (linesOf(node) > functionLinesMax) {
      report(line, `a function has ${linesOf(node)} lines in all, more than ${functionLinesMax}`)
    }
  })
  return findings
}

const isFunction = (node: Node): boolean =>
  /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ObjectMethod|ClassMethod|ClassPrivateMethod)$/
    .test(node.type)

const linesOf = (node: Node): number => node.loc.end.line - node.loc.start.line + 1

/** A function's lines less those that lie wholly within its nested functions. */
const ownLines = (node: Node): number => {
  const nestedLines = (inner: Node): number =>
    childrenOf(inner).reduce(
      (sum, [, child]) => sum + (isFunction(child) ? Math.max(0, linesOf(child) - 1) : nestedLines(child)),
      0
    )
  return linesOf(node) - nestedLines(node)
}

const checkHead = (file: SourceFile): ReadonlyArray<Finding> => {
  if (layers[layerOf(file.path)] === undefined) return []
  const head = /^(?:#!.*\n)?\s*\/\*([\s\S]*?)\*\//.exec(file.text)?.[1]
  const words = head?.replace(/[\s*]+/g, " ").trim() ?? ""
  return words.length >= headCharactersMin ? [] : [{
    rule: "head",
    path: file.path,
    line: 1,
    message: "does not begin with a block comment that says what it is, its invariants, who calls it"
  }]
}

const unfinishedMark = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`)

const checkUnfinished = (file: SourceFile, program: Node): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const report = (line: number, message: string) =>
    findings.push({ rule: "unfinished", path: file.path, line, message })
  file.text.split("\n").forEach((line, index) => {
    const mark = unfinishedMark.exec(line)?.[1]
    if (mark !== undefined) report(index + 1, `says ${mark}: do it, or file an issue`)
  })
  walk(program, (node) => {
    if (["it", "test", "describe"].some((name) => isMember(node, name, /^only$/))) {
      report(node.loc.start.line, "runs one test alone: take .only away")
    }
  })
  return findings
}
