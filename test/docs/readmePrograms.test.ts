/**
 * The README's programs that run its quick example themselves, each in a process of its own, against a server of lines: in this
 * process and on worker threads. They stand in a folder as a user's would; only the port is another, and batches are shorter.
 */
import * as assert from "node:assert/strict"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect } from "effect"
import * as LineServer from "../../adapters/cli/LineServer.ts"
import { it } from "../kit.ts"
import { examples, root } from "./pages.ts"

const wordCount = examples.find(({ name }) => name === "word-count")!
const programs = examples.filter(({ source, where }) =>
  where.startsWith("README") && source.includes("./word-count.ts")
)

const runtime = "Deno" in globalThis
  ? ["run", "-A", "--no-check", "--config", path.join(root, "deno.json")]
  : ["--conditions=dstreams-source"]

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const made = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "dstreams-readme-"))
    fs.mkdirSync(path.join(made, "node_modules"))
    for (const [name, target] of [["dstreams", root], ["effect", path.join(root, "node_modules", "effect")]] as const) {
      fs.symlinkSync(target, path.join(made, "node_modules", name), "junction")
    }
    fs.writeFileSync(path.join(made, "package.json"), JSON.stringify({ type: "module" }))
    return made
  }),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

const runMain = (cwd: string) =>
  Effect.callback<{ readonly code: unknown; readonly out: string; readonly err: string }>((resume) => {
    const child = execFile(
      process.execPath,
      [...runtime, "main.ts"],
      { cwd },
      (error, out, err) => resume(Effect.succeed({ code: error === null ? 0 : error.code, out, err }))
    )
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

it("the README has programs that run the quick example themselves", () =>
  Effect.sync(() => assert.ok(programs.length >= 2)))

for (const { source, where } of programs) {
  it.live(`the program at ${where} runs and ends by itself`, () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const { port } = yield* LineServer.make()
      const word = wordCount.source.replace("9999", String(port)).replace("1 second", "200 millis")
      fs.writeFileSync(path.join(cwd, "word-count.ts"), word)
      fs.writeFileSync(path.join(cwd, "main.ts"), source)
      const { code, err, out } = yield* runMain(cwd)
      assert.equal(code, 0, err)
      assert.equal(Array.from(out.matchAll(/^Time: \d+ ms$/gm)).length, 10, out)
      assert.match(out, /^\(\S+,\d+\)$/m)
    }), { timeout: 60_000 })
}
