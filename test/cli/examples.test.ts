/**
 * Every example is run as a reader would; its head says how. (The programs of README and docs: `test/docs`.)
 */
import * as assert from "node:assert/strict"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { after } from "node:test"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { it } from "../kit.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const examples = fs.readdirSync(path.join(root, "examples")).filter((name) => name.endsWith(".ts"))
const runtime = "Deno" in globalThis ? ["run", "-A"] : ["--conditions=dstreams-source"]

const execute = (command: string, args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly failed: boolean; readonly out: string; readonly err: string }>((resume) => {
    execFile(
      command,
      args,
      { cwd: root },
      (error, out, err) => resume(Effect.succeed({ failed: error !== null, out, err }))
    )
  })

const dstreams = (...args: ReadonlyArray<string>) =>
  execute(process.execPath, [...runtime, "adapters/cli/main.ts", ...args])

const words = fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-words-"))
fs.writeFileSync(path.join(words, "a.txt"), "to be or not to be\n")
after(() => fs.rmSync(words, { recursive: true, force: true }))

/** What an example reads, where it is not the launcher's server. */
const worlds: Readonly<Record<string, ReadonlyArray<string>>> = {
  "file-word-count.ts": ["--config", `DIRECTORY=${words}`],
  "kafka-word-count.ts": []
}

for (const name of examples) {
  it.live(`examples/${name} runs and prints its batches`, () =>
    Effect.gen(function* () {
      const { failed, out, err } = yield* dstreams(
        "run",
        `examples/${name}`,
        ...worlds[name] ?? ["--demo"],
        "--batches",
        "3",
        "--batch-duration",
        "200 millis"
      )
      assert.equal(failed, false, err)
      assert.equal(out.match(/^Time: \d+ ms$/gm)?.length, 3)
      assert.match(out, /^\(.+,.*\d+\)+$/m)
      const head = fs.readFileSync(path.join(root, "examples", name), "utf8").split("*/")[0]!
      assert.ok(head.includes(`npm run dstreams -- run examples/${name}`), "its head does not say how to run it")
    }))
}

it.live("the clone has a short command for programs of one's own", () =>
  Effect.gen(function* () {
    const [command, ...args] = "Deno" in globalThis
      ? [process.execPath, "task", "dstreams"] as const
      : ["npm", "run", "--silent", "dstreams", "--"] as const
    const { failed, out, err } = yield* execute(command, [...args, "check", "examples/word-trends.ts"])
    assert.equal(failed, false, err)
    assert.match(out, /^WordTrends can run/)
  }))
