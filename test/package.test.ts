/**
 * The package as a stranger gets it: built, packed, installed in an empty folder, and run from there with plain Node;
 * and the sources, run with Deno. Slow, so apart from `npm test`: `npm run test:package`. Needs the registry or its
 * cache for the dependencies.
 */
import * as assert from "node:assert/strict"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { after, before, test } from "node:test"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-package-"))
const bin = (name: string) => path.join(root, "node_modules", ".bin", name)

/** Neither npm's settings of this project nor flags for Node reach the commands: only what a stranger's shell has. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      !/^(npm_(?!config_)|npm_config_local_prefix|NODE_OPTIONS|INIT_CWD)/.test(name)
    )
  ),
  PATH: [path.dirname(process.execPath), process.env["PATH"]].join(path.delimiter)
}

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = childProcess.spawn(command, args, { cwd, env: environment, stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (data) => stdout += data)
    child.stderr.on("data", (data) => stderr += data)
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

const succeed = async (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const outcome = await run(cwd, command, ...args)
  assert.equal(
    outcome.code,
    0,
    `${command} ${args.join(" ")} ended with ${outcome.code}\n${outcome.stdout}${outcome.stderr}`
  )
  return outcome.stdout
}

/** The quick example, which the launcher feeds from a server of its own. */
const example = path.join("examples", "network-word-count.ts")

/** The README's programs, as a stranger copies them; the first is the `word-count.ts` that others import. */
const readmePrograms = (): ReadonlyArray<readonly [name: string, source: string]> => {
  const blocks = fs.readFileSync(path.join(root, "README.md"), "utf8").matchAll(/```ts\n([\s\S]*?)```/g)
  const sources = Array.from(blocks, ([, source]) => source!)
  assert.ok(sources.length >= 5, "the README's programs are not found")
  return sources.map((source, index) => [index === 0 ? "word-count.ts" : `readme-${index}.ts`, source])
}

const assertCountsWords = (printed: string, batches: number): void => {
  const times = [...printed.matchAll(/^-+\nTime: (\d+) ms\n-+$/gm)].map((match) => Number(match[1]))
  assert.equal(times.length, batches, printed)
  assert.deepEqual(times, times.toSorted((a, b) => a - b))
  assert.match(printed, /^\(\S+,\d+\)$/m)
}

const demo = ["--demo"]
const twoSeconds = [...demo, "--batch-duration", "200 millis", "--batches", "10"]

let tarball = ""

before(async () => {
  await succeed(root, "npm", "run", "build")
  const [packed] = JSON.parse(
    await succeed(root, "npm", "pack", "--ignore-scripts", "--json", "--pack-destination", folder)
  )
  tarball = path.join(folder, packed.filename)
  const files: ReadonlyArray<string> = packed.files.map((file: { readonly path: string }) => file.path)
  const strange = files.filter((name) =>
    !/^(dist\/.*\.(js|js\.map|d\.ts)|docs\/.*\.md|package\.json|LICENSE|NOTICE|README\.md)$/.test(name)
  )
  assert.deepEqual(strange, [], "the package holds files that are not for its users")
  await succeed(folder, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", tarball)
  await succeed(folder, "npm", "pkg", "set", "type=module")
  for (const [name, source] of readmePrograms()) fs.writeFileSync(path.join(folder, name), source)
  fs.copyFileSync(path.join(root, example), path.join(folder, "program.ts"))
}, { timeout: 300_000 })

after(() => fs.rmSync(folder, { recursive: true, force: true }))

const dstreams = path.join(folder, "node_modules", ".bin", "dstreams")

test(
  "the installed command runs the quick example on plain Node",
  { timeout: 60_000 },
  async () => assertCountsWords(await succeed(folder, dstreams, "run", "program.ts", ...demo, "--batches", "3"), 3)
)

test(
  "the installed command runs it on two worker threads",
  { timeout: 60_000 },
  async () =>
    assertCountsWords(await succeed(folder, dstreams, "run", "program.ts", "--master", "local[2]", ...twoSeconds), 10)
)

test("the installed command checks it, and every app of the README", { timeout: 60_000 }, async () => {
  await succeed(folder, dstreams, "check", "program.ts")
  const apps = readmePrograms().filter(([, source]) => source.includes("export default"))
  for (const [name] of apps) await succeed(folder, dstreams, "check", name)
})

test(
  "in a folder made by npm init, the command says what the README does about modules",
  { timeout: 60_000 },
  async () => {
    const initial = path.join(folder, "initial")
    fs.mkdirSync(initial)
    await succeed(initial, "npm", "init", "-y")
    // As npm 11 does; before, there was no type.
    await succeed(initial, "npm", "pkg", "set", "type=commonjs")
    fs.copyFileSync(path.join(folder, "word-count.ts"), path.join(initial, "word-count.ts"))
    const { code, stderr } = await run(initial, dstreams, "check", "word-count.ts")
    assert.equal(code, 1)
    assert.match(
      stderr,
      /Set "type": "module" in package\.json \(npm pkg set type=module\), or name the file \.mts\.\n$/
    )
    await succeed(initial, "npm", "pkg", "set", "type=module")
    await succeed(initial, dstreams, "check", "word-count.ts")
  }
)

test("the installed package runs on Deno", { timeout: 60_000 }, async () => {
  const main = path.join("node_modules", "dstreams", "dist", "adapters", "cli", "main.js")
  assertCountsWords(await succeed(folder, bin("deno"), "run", "-A", main, "run", "program.ts", ...twoSeconds), 10)
})

test(
  "the README's programs and the example type-check against the installed declarations",
  { timeout: 60_000 },
  async () => {
    const flags = ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "--noEmit", "--ignoreConfig"]
    const files = ["program.ts", ...readmePrograms().map(([name]) => name)]
    const types = [
      "--allowImportingTsExtensions",
      "--types",
      "node",
      "--typeRoots",
      path.join(root, "node_modules/@types")
    ]
    await succeed(folder, bin("tsc"), ...flags, ...types, "--module", "nodenext", "--target", "es2024", ...files)
  }
)

/** The program of the page about testing that simulates another one, and what it prints. */
const simulating = (): readonly [source: string, printed: string] => {
  const page = fs.readFileSync(path.join(root, "docs", "testing.md"), "utf8")
  const blocks = Array.from(page.matchAll(/```ts\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g))
  const [, source, printed] = blocks.find(([, source]) => source!.includes("simulate("))!
  return [`${blocks[0]![1]}\n${source}\nawait Effect.runPromise(program)\n`, printed!]
}

for (const [runtime, command] of [["Node", [process.execPath]], ["Deno", [bin("deno"), "run", "-A"]]] as const) {
  const runFile = (file: string) => succeed(folder, command[0], ...command.slice(1), file)

  test(`every export of the installed package loads on ${runtime}`, { timeout: 60_000 }, async () => {
    const { exports } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
    const names = Object.keys(exports).filter((name) => name !== "./package.json" && !name.startsWith("./internal/"))
    const script = names.map((name) => `await import("dstreams${name.slice(1)}")`).join("\n")
    fs.writeFileSync(path.join(folder, "exports.js"), script)
    await runFile("exports.js")
  })

  test(`the installed package simulates a program on ${runtime}`, { timeout: 60_000 }, async () => {
    const [source, printed] = simulating()
    fs.writeFileSync(path.join(folder, "simulating.ts"), source)
    assert.equal(await runFile("simulating.ts"), printed)
  })
}

for (const master of ["local", "local[2]"]) {
  test(`the sources run with Deno, --master ${master}`, { timeout: 60_000 }, async () => {
    const args = [
      "run",
      "-A",
      path.join("adapters", "cli", "main.ts"),
      "run",
      example,
      "--master",
      master,
      ...twoSeconds
    ]
    assertCountsWords(await succeed(root, bin("deno"), ...args), 10)
  })
}
