/**
 * The `dstreams` command in a process of its own, for tests: what it says, how it ends; killed when the test ends.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"

const main = fileURLToPath(new URL("../../adapters/cli/main.ts", import.meta.url))
export const example = fileURLToPath(new URL("../../examples/network-word-count.ts", import.meta.url))
export const programOf = (name: string) => fileURLToPath(new URL(`./programs/${name}.ts`, import.meta.url))
const runtime = "Deno" in globalThis ? ["run", "-A"] : ["--conditions=dstreams-source"]

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A process that is killed when the test ends, whatever happened. */
export const start = (...args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => childProcess.spawn(process.execPath, [...runtime, main, ...args], { stdio: "pipe" })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    ),
    (child) => {
      const seen = { out: "", err: "" }
      const waiting: Array<() => void> = []
      const look = () => waiting.forEach((check) => check())
      child.stdout.setEncoding("utf8").on("data", (text: string) => (seen.out += text, look()))
      child.stderr.setEncoding("utf8").on("data", (text: string) => (seen.err += text, look()))
      const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, ...seen })))
      const sees = (where: "out" | "err", pattern: RegExp) =>
        Effect.callback<void>((resume) => {
          const check = () => pattern.test(seen[where]) && resume(Effect.void)
          waiting.push(check)
          check()
        })
      return { child, sees, ended: Effect.promise(() => ended) }
    }
  )

/** Asks the process to stop. Not by its own `kill`, after which Deno reports that the signal ended it, whatever it ended with. */
export const terminate = (child: childProcess.ChildProcess): void => void process.kill(child.pid!, "SIGTERM")

export const dstreams = (...args: ReadonlyArray<string>): Effect.Effect<Ended, never, Scope.Scope> =>
  Effect.flatMap(start(...args), ({ ended }) => ended)

/** Its output goes into the file. */
export const dstreamsInto = (file: string, ...args: ReadonlyArray<string>): Effect.Effect<Ended> =>
  Effect.callback((resume) => {
    const out = fs.openSync(file, "w")
    const child = childProcess.spawn(process.execPath, [...runtime, main, ...args], { stdio: ["ignore", out, "pipe"] })
    let err = ""
    child.stderr!.setEncoding("utf8").on("data", (text: string) => err += text)
    child.on("close", (code) => resume(Effect.succeed({ code, out: "", err })))
    fs.closeSync(out)
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
