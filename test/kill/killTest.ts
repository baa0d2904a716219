/**
 * killTest: the real program under a sender that acknowledges, killed at random moments and started again, then compared: each line that
 * was acknowledged stands in the files exactly once, and the state has counted it once.
 *
 * Every other kill is preceded by the death of a worker thread in the middle of a task. The seed draws moments and rates.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { Chance } from "../../adapters/simulation/kernel/Chance.ts"
import { terminate } from "../cli/command.ts"
import { Sender, serve } from "../socket/acknowledgedSender.ts"
import { orderOf } from "./dieIfTold.ts"

const main = fileURLToPath(new URL("../../adapters/cli/main.ts", import.meta.url))
const program = fileURLToPath(new URL("./program.ts", import.meta.url))
const runtime = "Deno" in globalThis ? ["run", "-A"] : ["--conditions=dstreams-source"]

export interface KillTestOptions {
  readonly kills: number
  readonly seed: number
  /** A folder of its own: what the program keeps and what it gives. */
  readonly folder: string
  readonly master?: string
  readonly say?: (text: string) => void
}

export interface KillTestResult {
  readonly sent: number
  readonly acknowledged: number
  readonly starts: number
  /** What is wrong; empty: each line once. */
  readonly mistakes: ReadonlyArray<string>
}

interface Run {
  readonly child: childProcess.ChildProcess
  readonly ended: Promise<number | null>
  readonly said: () => string
}

const start = (options: KillTestOptions, port: number): Run => {
  const { folder, master = "local[2]" } = options
  const config = { PORT: String(port), OUT: outOf(folder), DSTREAMS_CHECKPOINT_DIRECTORY: path.join(folder, "kept") }
  const child = childProcess.spawn(
    process.execPath,
    [
      ...runtime,
      main,
      "run",
      program,
      "--master",
      master,
      ...Object.entries(config).flatMap(([name, value]) => ["--config", `${name}=${value}`])
    ],
    { stdio: ["ignore", "pipe", "pipe"] }
  )
  let said = ""
  child.stdout!.on("data", (text) => said += text)
  child.stderr!.on("data", (text) => said += text)
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  return { child, ended, said: () => said }
}

const outOf = (folder: string) => path.join(folder, "out")

const pause = (millis: number) => Effect.callback<void>((resume) => void setTimeout(() => resume(Effect.void), millis))

/** Runs it to its end; the sender and the program end with the scope. */
export const killTest = (options: KillTestOptions): Effect.Effect<KillTestResult, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, kills, seed, say = () => {} } = options
    const chance = new Chance(seed, "kill test")
    fs.mkdirSync(outOf(folder), { recursive: true })
    const sender = new Sender("sender")
    const port = yield* serve(sender)
    let run: Run | undefined
    yield* Effect.addFinalizer(() => Effect.sync(() => run?.child.kill("SIGKILL")))
    const feeding = setInterval(() => {
      const lines = Array.from({ length: 20 }, (_, i) => `n${sender.lines.length + i}`)
      sender.add(...lines)
    }, 10)
    yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(feeding)))
    for (let kill = 0; kill < kills; kill++) {
      run = start(options, port)
      // Some are killed while they recover, most while they work.
      const startsToWork = chance.coin(0.7)
      const before = sender.acknowledged
      if (startsToWork) yield* Effect.timeoutOption(sender.until(() => sender.acknowledged > before), 20_000)
      if (kill % 2 === 1) fs.writeFileSync(orderOf(outOf(folder)), "")
      yield* pause(chance.between(0, startsToWork ? 2500 : 1500))
      if (run.child.exitCode !== null) {
        return { sent: 0, acknowledged: 0, starts: kill + 1, mistakes: [`it ended by itself:\n${run.said()}`] }
      }
      run.child.kill("SIGKILL")
      yield* Effect.promise(() => run!.ended)
      say(`kill ${kill + 1} of ${kills}: ${sender.acknowledged + 1} lines acknowledged`)
    }
    clearInterval(feeding)
    run = start(options, port)
    const last = sender.lines.length - 1
    yield* Effect.timeoutOption(sender.until(() => sender.acknowledged === last), 120_000)
    terminate(run.child)
    const code = yield* Effect.promise(() => run!.ended)
    const mistakes = code === 0 ? [] : [`the last run ended with ${code}:\n${run.said()}`]
    if (sender.acknowledged < last) {
      mistakes.push(`of ${last + 1} lines ${sender.acknowledged + 1} were acknowledged in the end`)
    }
    mistakes.push(...judge(outOf(folder), sender))
    return { sent: sender.lines.length, acknowledged: sender.acknowledged + 1, starts: kills + 1, mistakes }
  })

/** Lines of all files that an output published. */
const published = (out: string, prefix: string): ReadonlyArray<string> =>
  fs.readdirSync(out).filter((name) => name.startsWith(`${prefix}-`)).sort().flatMap((batch) =>
    fs.readdirSync(path.join(out, batch)).filter((name) => name.startsWith("part-")).flatMap((part) =>
      fs.readFileSync(path.join(out, batch, part), "utf8").split("\n").filter((line) => line !== "")
    )
  )

const judge = (out: string, { acknowledged, lines }: Sender): ReadonlyArray<string> => {
  const mistakes: Array<string> = []
  const seen = new Map<string, number>()
  for (const line of published(out, "lines")) seen.set(line, (seen.get(line) ?? 0) + 1)
  const missing = lines.slice(0, acknowledged + 1).filter((line) => !seen.has(line))
  const repeated = [...seen].filter(([, times]) => times > 1).map(([line]) => line)
  const strange = [...seen.keys()].filter((line) => !lines.includes(line)).slice(0, 5)
  const some = (all: ReadonlyArray<string>) => `${all.length} lines (${all.slice(0, 5).join(", ")})`
  if (missing.length > 0) mistakes.push(`acknowledged and not in the files: ${some(missing)}`)
  if (repeated.length > 0) mistakes.push(`more than once in the files: ${some(repeated)}`)
  if (strange.length > 0) mistakes.push(`never sent: ${some(strange)}`)
  const countedTwice = published(out, "repeated")
  if (countedTwice.length > 0) mistakes.push(`counted more than once in the state: ${some(countedTwice)}`)
  const keys = Math.max(0, ...published(out, "keys").map(Number))
  if (keys !== seen.size) mistakes.push(`the state has ${keys} keys, and the files have ${seen.size} lines`)
  return mistakes
}
