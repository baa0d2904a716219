import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { checkFile, checkFolders, type Finding, folderFilesMax, functionOwnLinesMax } from "./tidy.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const sources = ["core", "runtime", "adapters", "test", "examples", "bench"].flatMap((folder) =>
  fs.existsSync(path.join(root, folder))
    ? fs.readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => [folder, ...name.split(path.sep)].join("/"))
    : []
).sort()

const show = (finding: Finding): string => `${finding.path}:${finding.line} ${finding.message}`

const findings = [
  ...sources.flatMap((name) => checkFile({ path: name, text: fs.readFileSync(path.join(root, name), "utf8") })),
  ...checkFolders(sources)
]

const sentences = {
  layers: "every module imports only what its layer may",
  ambient: "core and runtime take time, chance and the world from outside",
  size: "files, functions and folders stay small",
  head: "every module says at its head what it is",
  unfinished: "nothing is marked as unfinished, no test runs alone"
}

for (const [rule, sentence] of Object.entries(sentences)) {
  test(sentence, () => assert.deepEqual(findings.filter((finding) => finding.rule === rule).map(show), []))
}

test("the documents name only files that exist", () => {
  const documents = fs.readdirSync(root).filter((name) => name.endsWith(".md"))
  const named = /\b(?:core|runtime|adapters|test|examples|bench)\/[\w./-]+\.ts\b/g
  const missing = documents.flatMap((document) =>
    (fs.readFileSync(path.join(root, document), "utf8").match(named) ?? [])
      .filter((name) => !fs.existsSync(path.join(root, name)))
      .map((name) => `${document} names ${name}`)
  )
  assert.deepEqual(missing, [])
})

test("the package and Deno know the same names", () => {
  const { exports } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  const { imports } = JSON.parse(fs.readFileSync(path.join(root, "deno.json"), "utf8"))
  const fromPackage = Object.entries<{ "dstreams-source"?: string }>(exports)
    .flatMap(([name, target]) =>
      target["dstreams-source"] === undefined ? [] : [[name.replace(/^\./, "dstreams"), target["dstreams-source"]]]
    )
  assert.deepEqual(Object.fromEntries(fromPackage), imports)
})

// The rules themselves: for each a breach that it catches, beside the like of it that is allowed.

const head = "/** A module that is here to be judged, and for nothing else. */\n"
const rulesBroken = (name: string, text: string): ReadonlyArray<string> =>
  checkFile({ path: name, text }).map((finding) => finding.rule)

const breaches: ReadonlyArray<readonly [path: string, text: string, rule: string]> = [
  ["core/a/b.ts", `import * as fs from "node:fs"`, "layers"],
  ["core/a/b.ts", `import { pack } from "msgpackr"`, "layers"],
  ["core/a/b.ts", `import type { X } from "../../runtime/x.ts"`, "layers"],
  ["core/a/b.ts", `export * from "../../test/x.ts"`, "layers"],
  ["core/a/b.ts", `import { Effect } from "effect"\nimport { X } from "./x"`, "layers"],
  ["runtime/a/b.ts", `import { X } from "../../adapters/x.ts"`, "layers"],
  ["runtime/a/b.ts", `type X = import("node:net").Socket`, "layers"],
  ["adapters/a/b.ts", `import { X } from "../../bench/x.ts"`, "layers"],
  ["adapters/a/b.ts", `import { DStream } from "dstreams"`, "layers"],
  ["core/a/b.ts", `export const now = () => Date.now()`, "ambient"],
  ["core/a/b.ts", `export const now = () => new Date()`, "ambient"],
  ["runtime/a/b.ts", `export const u = Math.random()`, "ambient"],
  ["runtime/a/b.ts", `setTimeout(() => {}, 1)`, "ambient"],
  ["runtime/a/b.ts", `export const t = performance.now()`, "ambient"],
  ["runtime/a/b.ts", `console.log(1)`, "ambient"],
  ["runtime/a/b.ts", `export const e = { ...process.env }`, "ambient"],
  ["runtime/a/b.ts", `export const f = async () => 1`, "ambient"],
  ["runtime/a/b.ts", `export const p = new Promise(() => {})`, "ambient"],
  ["runtime/a/b.ts", `export const p = Promise.resolve(1)`, "ambient"],
  ["core/a/b.ts", `export const a = Effect.runSync(b)`, "ambient"],
  ["core/a/b.ts", `export const a = Effect.runForkWith(b)`, "ambient"],
  ["test/a.ts", "g()\n".repeat(400), "size"],
  ["bench/a.ts", `export function f() {\n${"  g()\n".repeat(functionOwnLinesMax)}}`, "size"],
  ["test/a.test.ts", `test.only("alone", () => {})`, "unfinished"],
  ["test/a.ts", `// ${"TO" + "DO"}: later`, "unfinished"]
]

for (const [name, text, rule] of breaches) {
  test(`tidy finds a breach of ${rule} in ${name}: ${text.slice(0, 60).split("\n")[0]}`, () =>
    assert.deepEqual(rulesBroken(name, head + text), [rule]))
}

test("tidy wants a head in each layer, and more than a word", () => {
  assert.deepEqual(rulesBroken("core/a.ts", "export const a = 1"), ["head"])
  assert.deepEqual(rulesBroken("adapters/a.ts", "/** Parts. */\nexport const a = 1"), ["head"])
  assert.deepEqual(rulesBroken("adapters/a.ts", "#!/usr/bin/env node\n" + head + "export const a = 1"), [])
  assert.deepEqual(rulesBroken("test/a.ts", "export const a = 1"), [])
})

test("tidy lets be what only looks like a breach", () => {
  assert.deepEqual(rulesBroken("core/a.ts", head + `import { Effect } from "effect"\nimport "effect/testing"`), [])
  assert.deepEqual(rulesBroken("core/a.ts", head + `export const at = (time: number) => new Date(time)`), [])
  assert.deepEqual(rulesBroken("core/a.ts", head + `export const f = (fetch: () => void) => fetch()`), [])
  assert.deepEqual(rulesBroken("core/a.ts", head + `export const run = (a: { process: 1 }) => a.process`), [])
  assert.deepEqual(rulesBroken("core/a.ts", head + `export type Await = () => Promise<typeof process>`), [])
  assert.deepEqual(rulesBroken("runtime/a.ts", head + `Effect.runForkWith(a)`), [])
  assert.deepEqual(rulesBroken("adapters/a.ts", head + `console.log(Date.now(), process.pid)`), [])
  const nested = `const g = () => {\n${"    h()\n".repeat(50)}  }\n`
  assert.deepEqual(rulesBroken("test/a.ts", `export function f() {\n  ${nested}  ${nested.replace("g", "k")}}`), [])
})

test("tidy counts the files of a folder", () => {
  const names = Array.from({ length: folderFilesMax + 1 }, (_, index) => `core/rdd/${index}.ts`)
  assert.deepEqual(checkFolders(names).map((finding) => finding.path), ["core/rdd"])
  assert.deepEqual(checkFolders(names.slice(1)), [])
})
