/**
 * Every example, and every program of the README, is run or checked as a reader would.
 */
import * as assert from "node:assert/strict"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { it } from "../kit.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const examples = fs.readdirSync(path.join(root, "examples")).filter((name) => name.endsWith(".ts"))
const runtime = "Deno" in globalThis ? ["run", "-A"] : ["--conditions=dstreams-source"]

const dstreams = (...args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly failed: boolean; readonly out: string; readonly err: string }>((resume) => {
    const command = [...runtime, "adapters/cli/main.ts", ...args]
    execFile(
      process.execPath,
      command,
      { cwd: root },
      (error, out, err) => resume(Effect.succeed({ failed: error !== null, out, err }))
    )
  })

for (const name of examples) {
  it.live(`examples/${name} runs and prints its batches`, () =>
    Effect.gen(function* () {
      const { failed, out, err } = yield* dstreams(
        "run",
        `examples/${name}`,
        "--demo",
        "--batches",
        "3",
        "--batch-duration",
        "200 millis"
      )
      assert.equal(failed, false, err)
      assert.equal(out.match(/^Time: \d+ ms$/gm)?.length, 3)
      assert.match(out, /^\(.+,\d+\)$/m)
    }))
}
