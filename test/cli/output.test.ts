/**
 * Output of the command that cannot be written: a full disk, a reader that is slow or goes away.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { dstreams, dstreamsInto, programOf, start } from "./command.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "output-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

it.live("a batch that a full disk did not take ends the program with 1, and is printed by the next driver", () =>
  Effect.gen(function* () {
    const place = yield* folder
    const options = ["--batches", "3", "--config", `DSTREAMS_CHECKPOINT_DIRECTORY=${place}`]
    const full = yield* dstreamsInto("/dev/full", "run", programOf("printing"), ...options)
    assert.equal(full.code, 1, full.err)
    const [, time] =
      /^dstreams: batch (\d+) ms failed in output print-0:\ndstreams: what was printed could not be written: .*No space left/im
        .exec(full.err) ?? []
    assert.ok(time !== undefined, full.err)
    const next = yield* dstreams("run", programOf("printing"), ...options)
    assert.match(next.out, new RegExp(`^Time: ${time} ms$`, "m"))
    assert.match(next.out, /^0\.+$/m)
  }))

it.live("commands that print what they found say so in a sentence; a reader that went away is no mistake", () =>
  Effect.gen(function* () {
    for (const args of [["--help"], ["check", programOf("printing")], ["config", programOf("printing")]]) {
      const full = yield* dstreamsInto("/dev/full", ...args)
      assert.equal(full.code, 1, full.err)
      assert.match(full.err, /^dstreams: its output could not be written: .*No space left.*\n$/i)
      const { child, ended } = yield* start(...args)
      child.stdout.destroy()
      const { code, err } = yield* ended
      assert.deepEqual([code, err], [0, ""])
    }
  }))

// Deno's stdout holds the process until it is read.
if (!("Deno" in globalThis)) {
  it.live("batches wait for a reader that stalls; a graceful stop ends within its deadline, and says what is left", () =>
    Effect.gen(function* () {
      const options = ["--config", "LINES=300", "--config", "DSTREAMS_GRACEFUL_STOP_TIMEOUT=500"]
      const { child, sees } = yield* start("run", programOf("printing"), ...options)
      yield* sees("out", /Time:/)
      child.stdout.pause()
      let err = ""
      child.stderr.on("data", (text: string) => err += text)
      yield* Effect.sleep(1500)
      process.kill(child.pid!, "SIGTERM")
      // Its pipe stays open: what is in it has not been read.
      const code = yield* Effect.callback<number | null>((resume) =>
        void child.on("exit", (code) => resume(Effect.succeed(code)))
      )
      assert.equal(code, 1, err)
      assert.match(err, /left are (the batches|\d+ batches)/)
      assert.match(err, /^dstreams: what it printed last was not read within 3 s, and is lost$/m)
    }))
}
