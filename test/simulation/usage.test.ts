/**
 * What `npm run simulate` and `npm run mutants` answer to a wrong command line: a line, the usage with the names there are, and 2.
 */
import * as assert from "node:assert/strict"
import * as childProcess from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { it } from "../kit.ts"

const runtime = "Deno" in globalThis ? ["run", "-A"] : ["--conditions=dstreams-source"]

const run = (command: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly said: string }>((resume) => {
    const main = fileURLToPath(new URL(`../${command}/main.ts`, import.meta.url))
    const child = childProcess.spawn(process.execPath, [...runtime, main, ...args], { stdio: "pipe" })
    let said = ""
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => said += text)
    child.on("close", (code) => resume(Effect.succeed({ code, said })))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

it.live("a wrong command line is answered with a line and the usage, --help with the usage alone", () =>
  Effect.gen(function* () {
    const cases = [
      ["simulation", ["--help"], 0, /^npm run simulate[^]*--program NAME .*wordCount/],
      ["simulation", ["--program", "nosuch"], 2, /^There is no program "nosuch"\.\n\nnpm run simulate[^]*wordCount/],
      ["simulation", ["--nosuch"], 2, /^Unknown option.*'--nosuch'[^\n]*\n\nnpm run simulate/],
      ["mutants", ["--help"], 0, /^npm run mutants[^]* 1 {2}a recovery/],
      [
        "mutants",
        ["--mutant", "nosuch"],
        2,
        /^--mutant has to be a whole number, and is "nosuch"\.\n\nnpm run mutants/
      ],
      ["mutants", ["--mutant", "0"], 2, /^There is no mutant 0\.\n\nnpm run mutants[^]* 1 {2}a recovery/]
    ] as const
    for (const [command, args, code, said] of cases) {
      const ended = yield* run(command, ...args)
      assert.equal(ended.code, code, ended.said)
      assert.match(ended.said, said)
      assert.doesNotMatch(ended.said, /\n {4}at /)
    }
  }))
