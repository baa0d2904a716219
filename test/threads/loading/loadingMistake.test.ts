/**
 * Mistakes of newcomers that keep a module from being loaded: each is told with the remedy that helps, on Node and on Deno.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { homes } from "../../../adapters/threads/loadingMistake.ts"
import { load, urlOf } from "../../../adapters/threads/ProgramModule.ts"
import { it } from "../../kit.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const deno = "Deno" in globalThis

/** What is told of a program in a folder with these files and the package. */
const told = (source: string, files: Readonly<Record<string, string>> = {}, name = "program.ts") =>
  Effect.gen(function* () {
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-")))
    yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(folder, { recursive: true })))
    fs.mkdirSync(path.join(folder, "node_modules"))
    fs.symlinkSync(root, path.join(folder, "node_modules", "dstreams"), "dir")
    fs.symlinkSync(path.join(root, "node_modules", "effect"), path.join(folder, "node_modules", "effect"), "dir")
    const all = { "package.json": `{ "type": "module" }`, ...files, [name]: source }
    for (const [file, text] of Object.entries(all)) fs.writeFileSync(path.join(folder, file), text)
    return (yield* Effect.flip(load(urlOf(path.join(folder, name)), {}))).message
  })

const helper = { "helper.ts": "export const helper = 1\nexport interface Shape {}" }

interface Mistake {
  readonly source: string
  readonly remedy: RegExp
  readonly files?: Readonly<Record<string, string>>
  /** What Deno can load. */
  readonly nodeOnly?: boolean
}

const mistakes: ReadonlyArray<Mistake> = [
  {
    source: `import { Socket } from "dstreams"\nexport default Socket`,
    remedy: /'Socket', in .*program\.ts, line 1\. Write: import \* as Socket from "dstreams\/socket"/
  },
  {
    source: `import { Seconds } from "dstreams"\nexport default Seconds`,
    remedy: /It exports DStream, .*StreamingApp.* If Seconds is a type, write "import type"/
  },
  {
    source: `import { Shape } from "./helper.ts"\nexport default Shape`,
    files: helper,
    remedy: /line 1\. If Shape is a type, write "import type"\./,
    nodeOnly: true
  },
  {
    source: `import { helper } from "./helper"\nexport default helper`,
    files: helper,
    remedy: /Write the file's ending: "\.\/helper\.ts"\./
  },
  {
    source: `import { helper } from "./helper.js"\nexport default helper`,
    files: helper,
    remedy: /Write the file's ending: "\.\/helper\.ts"\./
  },
  {
    source: `import "./node_modules/dstreams/core/nothing.ts"`,
    remedy: /this is the command of a clone: run "npx dstreams" in that project\.$/,
    nodeOnly: true
  },
  { source: `import "./nothing.ts"`, remedy: /Correct the path of the import\./ },
  {
    source: `import * as Socket from "dstreams/sockets"\nexport default Socket`,
    remedy: /The package exports "dstreams", .*"dstreams\/socket", [^\n]*"dstreams\/placement"[^\n]*\.$/
  },
  { source: "enum A { X }\nexport default A", remedy: /Node strips types and does no more/, nodeOnly: true },
  {
    source: "class A { constructor(private x: number) {} }\nexport default A",
    remedy: /without enum, namespace and parameter properties/,
    nodeOnly: true
  },
  {
    source: "const y = 1\nconst x = = 3",
    remedy: /Expression expected, in .*program\.ts, line 2\. Correct the syntax\.$/
  },
  {
    source: `throw new RangeError("key not found")`,
    remedy: /loaded: RangeError: key not found, in .*program\.ts, line 1\.$/
  },
  {
    source: `import { DStream } from "dstreams"\nconst words = {}\nexport default words.map((word) => word)`,
    remedy:
      /words\.map is not a function, in .*program\.ts, line 3\. If this is .* words\.pipe\(DStream\.map\(\.\.\.\)\)\.$/
  },
  {
    source: `const words = { pipe: () => ({}) }\nexport default words.pipe().count()`,
    remedy: /line 2\. If this is a DStream, write words\.pipe\(DStream\.count\)\.$/
  },
  {
    source: `import { Effect } from "effect"\nconst words = {}\nexport default Effect.sync(() => words.flatMap())`,
    remedy: /could not build its app: TypeError: words\.flatMap is not a function\. If this is .* write words\.pipe\(/
  },
  ...["count", "glom", "cache", "unpersist", "stateSnapshots"].map((name) => ({
    source: `import { DStream } from "dstreams"\nexport default DStream.${name}()`,
    remedy: new RegExp(
      `DStream\\.${name} is given to pipe as it is, .* words\\.pipe\\(DStream\\.${name}\\), in .*line 2\\.$`
    )
  })),
  ...["countByValue", "groupByKey", "persist"].map((name) => ({
    source: `import { DStream } from "dstreams"\nimport * as Memory from "dstreams/memory"\n` +
      `export default Memory.stream({ read: () => [] }).pipe(DStream.${name})`,
    remedy: new RegExp(
      `DStream\\.${name} is called before it .* words\\.pipe\\(DStream\\.${name}\\(\\)\\), in .*line 3\\.$`
    )
  })),
  {
    source: `import { DStream } from "dstreams"\nexport default DStream`,
    files: { "package.json": `{ "type": "commonjs" }` },
    remedy: /Set "type": "module" in package\.json \(npm pkg set type=module\), or name the file \.mts\.$/,
    nodeOnly: true
  }
]

for (const { source, files, remedy, nodeOnly } of mistakes) {
  if (nodeOnly && deno) continue
  it(`what helps is told: ${source.split("\n").join("; ")}`, () =>
    Effect.map(told(source, files), (message) => assert.match(message, remedy)))
}

it("what is looked for in dstreams itself is where the remedy says", () =>
  Effect.promise(async () => {
    for (const [name, line] of Object.entries(homes)) {
      const module = await import(/"(.+)"/.exec(line)![1]!)
      assert.ok(line.includes("* as") || name in module, line)
    }
  }))
