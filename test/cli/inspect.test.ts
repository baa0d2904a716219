/**
 * Looking into a checkpoint place with the command: what a killed program left, whether another one can go on, and what is damaged.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { dstreams, programOf, start } from "./command.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "inspect-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

const at = (place: string, ...config: ReadonlyArray<string>) =>
  [`DSTREAMS_CHECKPOINT_DIRECTORY=${place}`, ...config].flatMap((each) => ["--config", each])

const firstLog = (place: string) => path.join(place, "epochs", "00000001", "log", "00000001")

/** Runs the program until its states have been made safe, then kills it. */
const killed = (place: string) =>
  Effect.gen(function* () {
    const program = yield* start("run", programOf("kept"), ...at(place))
    yield* program.sees("out", /\(all,1[0-9]\)/)
    while (!fs.readFileSync(firstLog(place)).includes("SnapshotCompleted")) yield* Effect.sleep(20)
    program.child.kill("SIGKILL")
    yield* program.ended
  })

const inspect = (...args: ReadonlyArray<string>) => dstreams(...args)

it.live(
  "a place is looked into after a kill: checkpoints, the log, a state and one key of it",
  () =>
    Effect.gen(function* () {
      const place = yield* folder
      yield* killed(place)
      const checkpoint = yield* inspect("checkpoint", "show", place)
      assert.equal(checkpoint.code, 0, checkpoint.err)
      assert.match(
        checkpoint.out,
        /1 driver, the last is number 1[^]*the one to go on from[^]*app +kept[^]*state +counts: as of/
      )
      const log = yield* inspect("wal", "show", place)
      assert.equal(log.code, 0, log.err)
      assert.match(log.out, /Sealed nothing before it[^]*BatchAllocation \d+ ms[^]*OutputEnded print-0 of \d+ ms, done/)
      const state = yield* inspect("state", "show", place, "counts")
      assert.match(state.out, /^counts as of \d+ ms: 5 keys in 1 partition\n[^]*^0 {2}all {2}\d+$/m)
      const one = yield* inspect("state", "show", place, "counts", "p0")
      assert.deepEqual(one.out.trim().split("\n").slice(1).map((line) => line.split("  ")[1]), ["p0"])
      const noKey = yield* inspect("state", "show", place, "counts", "p9")
      assert.equal(noKey.code, 1)
      assert.match(noKey.err, /counts had no key p9 as of \d+ ms; without KEY all 5 of them are shown/)
      const none = yield* inspect("state", "show", place, "sums")
      assert.equal(none.code, 1)
      assert.match(none.err, /no snapshot of a state "sums"; there are those of counts/)
    }),
  { timeout: 60_000 }
)

it.live(
  "a program is checked against a place: restored, migrated, new, dropped, refused, with 0 or 1",
  () =>
    Effect.gen(function* () {
      const place = yield* folder
      yield* killed(place)
      const check = (options: ReadonlyArray<string>) =>
        inspect(
          "checkpoint",
          "check",
          place,
          programOf("kept"),
          ...options.flatMap((each) => each.startsWith("--") ? each.split("=") : ["--config", each])
        )
      // Where the kill found a batch of which print was done, print is refused too: its counts were of another state.
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
        [[], 0, /can go on[^]*the graph is the same[^]*restored +counts/],
        [["VERSION=2", "MIGRATES=true"], 0, /migrated +counts: from version 1 to 2/],
        [["VERSION=2"], 1, /cannot go on[^]*refused +counts: .*give migrations/],
        [["STATE=sums"], 1, /new +sums\n +dropped +counts[^]*\nMend what is said, or set onProgramChange/],
        [["STATE=sums", "DSTREAMS_ON_PROGRAM_CHANGE=accept"], 0, /can go on[^]*new +sums\n +dropped +counts/],
        [["--batch-duration=100ms"], 0, /can go on/],
        [["--batch-duration=200ms"], 1, /cannot go on[^]*a batch was 100 ms, and is 200 ms now/]
      ]
      for (const [config, code, text] of cases) {
        const checked = yield* check(config)
        assert.equal(checked.code, code, checked.err + checked.out)
        assert.match(checked.out, text)
      }
      const started = yield* dstreams("run", programOf("kept"), ...at(place, "STATE=sums"), "--batches", "1")
      assert.equal(started.code, 1)
      assert.match(
        started.err,
        /refused, nothing was changed[^]*\n +new sums\n +dropped counts: [^]*\nMend what is said/
      )
      const going = yield* dstreams(
        "run",
        programOf("kept"),
        ...at(place, "VERSION=2", "MIGRATES=true"),
        "--batches",
        "1"
      )
      assert.equal(going.code, 0, going.err)
      assert.match(going.err, /Recovered from [^]*migrated counts/)
    }),
  { timeout: 60_000 }
)

it.live(
  "what is damaged is told by file and place, and a directory that is no place is told",
  () =>
    Effect.gen(function* () {
      const place = yield* folder
      const empty = yield* inspect("checkpoint", "show", place)
      assert.equal(empty.code, 1)
      assert.match(empty.err, /is no checkpoint place/)
      yield* killed(place)
      const log = firstLog(place)
      const bytes = fs.readFileSync(log)
      bytes[200]! ^= 1
      fs.writeFileSync(log, bytes)
      const damaged = yield* inspect("wal", "show", place)
      assert.equal(damaged.code, 1)
      assert.match(damaged.out, /DAMAGED: .*epochs\/00000001\/log\/00000001/)
    }),
  { timeout: 60_000 }
)

it.live("wrong usage is told", () =>
  Effect.gen(function* () {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["checkpoint"], /followed by show or check/],
      [["state", "list"], /followed by show, not list/],
      [["state", "show", "somewhere"], /"dstreams state show" takes DIR OPERATOR \[KEY\]/],
      [["wal", "show"], /"dstreams wal show" takes DIR, and was given nothing/],
      [["checkpoint", "check", "somewhere"], /"dstreams checkpoint check" takes DIR PROGRAM, and was given somewhere/]
    ]
    for (const [args, text] of cases) {
      const { code, err } = yield* dstreams(...args)
      assert.equal(code, 2)
      assert.match(err, text)
    }
  }))
