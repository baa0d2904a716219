/**
 * Every program in README and docs is type-checked, and gives what stands under it. They lie in a folder of their own, as a user's
 * would, with the package and Effect beside them.
 */
import * as assert from "node:assert/strict"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { after } from "node:test"
import { pathToFileURL } from "node:url"
import { Effect } from "effect"
import { StreamingApp } from "../../core/mod.ts"
import { it } from "../kit.ts"
import { examples, pages, root } from "./pages.ts"
import { linesOf, run } from "./runExample.ts"

const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "dstreams-docs-"))
after(() => fs.rmSync(folder, { recursive: true, force: true }))

const fileOf = (name: string) => path.join(folder, `${name}.ts`)

const tsconfig = {
  extends: path.join(root, "tsconfig.json"),
  compilerOptions: { allowImportingTsExtensions: true, typeRoots: [path.join(root, "node_modules", "@types")] },
  include: ["*.ts"]
}

fs.mkdirSync(path.join(folder, "node_modules"))
for (const [name, target] of [["dstreams", root], ["effect", path.join(root, "node_modules", "effect")]] as const) {
  fs.symlinkSync(target, path.join(folder, "node_modules", name), "junction")
}
fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type: "module" }))
fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(tsconfig))
for (const { name, source } of examples) fs.writeFileSync(fileOf(name), source)

it.live("every program in README and docs type-checks", () =>
  Effect.gen(function* () {
    const said = yield* Effect.callback<string>((resume) => {
      const tsc = path.join(root, "node_modules", ".bin", "tsc")
      execFile(tsc, ["-p", folder], { cwd: folder }, (_, out, err) => resume(Effect.succeed(out + err)))
    })
    // What is wrong in the package itself is told by its own check.
    const own = said.split(/\n(?=\S)/).filter((mistake) => !mistake.startsWith("..")).join("\n").trim()
    const named = examples.reduce((text, { name, where }) => text.replaceAll(`${name}.ts(`, `${where} (`), own)
    assert.equal(named, "")
  }), { timeout: 120_000 })

for (const { expected, name, source, where } of examples) {
  if (!source.includes("export default")) continue
  it.live(`${where} gives what stands under it`, () =>
    Effect.gen(function* () {
      const { default: exported } = yield* Effect.promise(() => import(pathToFileURL(fileOf(name)).href))
      if (expected !== undefined) assert.deepEqual(yield* run(exported, expected), linesOf(expected))
      else if (StreamingApp.isStreamingApp(exported)) yield* StreamingApp.validate(exported)
    }))
}

it("every example that is exported has its output beside it, but for apps, which may need a world", () =>
  Effect.sync(() => {
    const silent = examples.filter(({ expected, source }) =>
      expected === undefined && source.includes("export default") &&
      !/export default (StreamingApp|Effect)/.test(source)
    )
    assert.deepEqual(silent.map(({ where }) => where), [])
    assert.ok(examples.length > 20, "the examples are not found")
  }))

it("every link of README and docs leads to a page, and to a heading of it", () =>
  Effect.sync(() => {
    const anchorsOf = (text: string) =>
      Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
        heading!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"))
    const broken = pages.flatMap(({ path: from, text }) =>
      Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, link]) =>
        link!).flatMap((link) => {
          if (/^https?:/.test(link)) return []
          const [file, anchor] = link.split("#") as [string, string | undefined]
          const target = path.join(root, path.dirname(from), file)
          const page = file === "" ? path.join(root, from) : target
          if (!fs.existsSync(page)) return [`${from}: ${link}`]
          if (anchor === undefined) return []
          return anchorsOf(fs.readFileSync(page, "utf8")).includes(anchor) ? [] : [`${from}: ${link}`]
        })
    )
    assert.deepEqual(broken, [])
  }))
