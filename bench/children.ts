/**
 * Processes that a bench starts, of this runtime and with its flags.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as process from "node:process"
import { fileURLToPath } from "node:url"
import { median, quietLinesPerSecond } from "./report.ts"

const isDeno = "Deno" in globalThis
const runtimeArgs = isDeno ? ["run", "-A", "--quiet"] : ["--conditions=dstreams-source"]

/** A child that runs a script of this folder (or above); what it writes comes through `stdout`. */
export const start = (script: string, args: ReadonlyArray<string>): ChildProcess => {
  const path = fileURLToPath(new URL(script, import.meta.url))
  return spawn(process.execPath, [...runtimeArgs, path, ...args], { stdio: ["ignore", "pipe", "inherit"] })
}

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
export type SnapshotWork = "taken" | "written" | "none"

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

/** How fast this machine is now: the word count loop, to its speed on a quiet machine. */
export const machine = async (): Promise<number> => {
  const { millis } = await result(start("hand.ts", ["wordcount-mem", "1", "3"]))
  return 500_000 / median(millis) * 1000 / quietLinesPerSecond["wordcount-mem"]
}
