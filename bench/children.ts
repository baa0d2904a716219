/**
 * Processes that a bench starts, of this runtime and with its flags.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as process from "node:process"
import { fileURLToPath } from "node:url"
import { median, quietLinesPerSecond } from "./report.ts"

const isDeno = "Deno" in globalThis
const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/** What runs a script. */
interface Runtime {
  readonly executable: string
  readonly flags: ReadonlyArray<string>
}

const nodeFlags = ["--conditions=dstreams-source"]
const own: Runtime = { executable: process.execPath, flags: isDeno ? ["run", "-A", "--quiet"] : nodeFlags }
/** The one of the package, if this is not Node. */
const node: Runtime = isDeno ? { executable: pathOf("../node_modules/node/bin/node"), flags: nodeFlags } : own

/** A child that runs a script of this folder (or above); what it writes comes through `stdout`, what it warns of is the bench's own. */
export const start = (
  script: string,
  args: ReadonlyArray<string>,
  { executable, flags }: Runtime = own
): ChildProcess => spawn(executable, [...flags, pathOf(script), ...args], { stdio: ["ignore", "pipe", "inherit"] })

/** What a child prints as JSON on its last line. */
export const result = (child: ChildProcess): Promise<any> =>
  new Promise((resolve, reject) => {
    let text = ""
    child.stdout!.on("data", (chunk) => text += chunk)
    child.on("close", (code) => {
      if (code !== 0) return reject(new Error(`${child.spawnargs.slice(1).join(" ")} ended with ${code}`))
      const last = text.trim().split("\n").at(-1)!
      try {
        resolve(JSON.parse(last))
      } catch {
        reject(new Error(`${child.spawnargs.slice(1).join(" ")} printed no JSON: ${last.slice(0, 200)}`))
      }
    })
  })

/** Of a batch: its state's snapshot was taken; one of a batch before it was still being written while it ran; neither. */
export type SnapshotWork = "taken" | "written" | "none" | "unknown"

/** What one bench program did: `bench/engine.ts`. */
export interface EngineResult {
  readonly records: ReadonlyArray<number>
  /** What the outputs came to. */
  readonly checks: ReadonlyArray<number>
  readonly millis: ReadonlyArray<number>
  readonly totalMillis: ReadonlyArray<number>
  readonly tickMillis: ReadonlyArray<number>
  readonly snapshots: ReadonlyArray<SnapshotWork>
  readonly rssMiB: ReadonlyArray<number>
  readonly peakRssMiB: number
  /** Share of one core, over the measured batches. */
  readonly cpu: number
  /** What the outputs of all batches came to, those of the warm-up too. */
  readonly check: number
}

export const engine = (
  program: string,
  master: string,
  batches: { readonly warmup: number; readonly measured: number },
  config: Readonly<Record<string, string | number>> = {}
): Promise<EngineResult> =>
  result(start("engine.ts", [
    program,
    master,
    String(batches.warmup),
    String(batches.measured),
    ...Object.entries(config).map(([name, value]) => `${name}=${value}`)
  ]))

/** How fast this machine is now: the word count loop, to its speed on a quiet machine. On Node always, for that speed is Node's. */
export const machine = async (): Promise<number> => {
  const { millis } = await result(start("hand.ts", ["wordcount-mem", "1", "3"], node))
  return 500_000 / median(millis) * 1000 / quietLinesPerSecond["wordcount-mem"]
}
