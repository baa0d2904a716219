/**
 * How the command ends when the program does what no batch can see: a sentence, the exit code, and the process is gone.
 */
import * as assert from "node:assert/strict"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { dstreams, programOf, start, terminate } from "./command.ts"

it.live("what a program throws in a timer, or rejects and does not await, ends the command with 1 and one sentence", () =>
  Effect.gen(function* () {
    for (
      const [how, what] of [["timer", "thrown .*: TypeError: too late"], ["promise", "rejected .*: .*not awaited"]]
    ) {
      const { code, err } = yield* dstreams("run", programOf("astray"), "--config", `HOW=${how}`)
      assert.equal(code, 1, err)
      assert.match(err, new RegExp(`^dstreams: .* was ${what} \\(at .*astray\\.ts:\\d+\\)\n$`))
    }
  }))

it.live(
  "a thread that a call of the system holds for ever does not hold the command, whose exit code is its own",
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "ending-"))),
        (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
      )
      const pipe = path.join(folder, "pipe")
      childProcess.execFileSync("mkfifo", [pipe])
      const config = ["HOW=pipe", `PIPE=${pipe}`, "DSTREAMS_GRACEFUL_STOP_TIMEOUT=100"].flatMap((
        each
      ) => ["--config", each])
      const { child, ended, sees } = yield* start("run", programOf("astray"), "--master", "local[1]", ...config)
      yield* sees("err", /opening/)
      terminate(child)
      const { code, err } = yield* ended
      assert.equal(code, 1, err)
      assert.match(err, /^dstreams: The program ended before its work was done; left are/m)
      // The placement did not wait for the thread either.
      assert.doesNotMatch(err, /cannot be interrupted/)
    }),
  { timeout: 30_000 }
)
