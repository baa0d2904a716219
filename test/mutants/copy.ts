/**
 * copy: the project in a folder of its own, with some files as a mutant has them, and the simulation of it.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** What the simulation is made of. */
const parts = ["core", "runtime", "adapters", "test", "package.json", "deno.json"]

export const readSource = (file: string): string => fs.readFileSync(path.join(root, file), "utf8")

/** Calls `use` with the folder, which is gone when that has ended. */
export async function withCopy<A>(files: ReadonlyMap<string, string>, use: (folder: string) => Promise<A>): Promise<A> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mutant-"))
  try {
    for (const part of parts) fs.cpSync(path.join(root, part), path.join(folder, part), { recursive: true })
    fs.symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"))
    for (const [file, text] of files) fs.writeFileSync(path.join(folder, file), text)
    return await use(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

export interface Seeds {
  readonly program: string
  readonly from: number
  readonly count: number
  readonly workers: number | undefined
}

export interface Simulated {
  /** The first seed that failed, and what is said of it. */
  readonly failure: { readonly seed: number; readonly said: string } | undefined
  /** How many passed. */
  readonly passed: number
}

/** Runs the simulation of a copy until a seed fails. */
export async function simulate(folder: string, { count, from, program, workers }: Seeds): Promise<Simulated> {
  const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : ["--conditions=dstreams-source"]
  const printed = await run(folder, [
    ...runtime,
    "test/simulation/main.ts",
    ...["--program", program, "--from", String(from), "--seeds", String(count)],
    ...["--as-is", "--until-failure"],
    ...(workers === undefined ? [] : ["--workers", String(workers)])
  ])
  const passed = /^(\d+) passed, \d+ failed$/m.exec(printed)
  if (passed === null) throw new Error(`the simulation of ${program} broke:\n${printed}`)
  return { failure: firstFailure(printed), passed: Number(passed[1]) }
}

/** Whatever the process prints, also where it fails. */
const run = (folder: string, args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] })
    let printed = ""
    const hear = (text: string) => void (printed += text)
    child.stdout.setEncoding("utf8").on("data", hear)
    child.stderr.setEncoding("utf8").on("data", hear)
    child.on("error", reject)
    child.on("close", () => resolve(printed))
  })

/** Runs end in any order: that of the least seed. */
const firstFailure = (printed: string): Simulated["failure"] =>
  [...printed.matchAll(/^FAILED \w+ seed (\d+):.*\n((?: {2}.*\n)*)/gm)]
    .map(([, seed, said]) => ({ seed: Number(seed), said: said!.trim() }))
    .sort((a, b) => a.seed - b.seed)[0]
