/**
 * `dstreams run --master local[2]` in real processes: what threads write, threads that die, functions that throw, signals while
 * a socket is read.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { folder } from "../threads/run.ts"
import { server } from "../threads/server.ts"
import { dstreams, programOf, start } from "./command.ts"

const counts = (out: string): ReadonlyArray<number> => [...out.matchAll(/^(\d+)$/gm)].map(([, count]) => Number(count))

it.live("what functions and Effects write in threads arrives, beside whole batches; logs go to stderr", () =>
  Effect.gen(function* () {
    for (const master of ["local", "local[2]"]) {
      const { code, out, err } = yield* dstreams("run", programOf("chatty"), "--master", master, "--batches", "3")
      assert.equal(code, 0, err)
      const numbers = Array.from({ length: 15 }, (_, i) => `${i}\n`).join("")
      const batches = out.match(new RegExp(`^-{43}\nTime: \\d+ ms\n-{43}\n${numbers}\\.\\.\\.\n\n`, "gm"))
      assert.equal(batches?.length, 3, out)
      // Each partition runs at least once for each of the two outputs.
      assert.equal(out.match(/^partition of 15$/gm)?.length, 6, out)
      for (const batch of [0, 1, 2]) {
        assert.ok(out.includes(`function of batch ${batch} at 0\n`), out)
        assert.ok(out.includes(`function of batch ${batch} at 15\n`), out)
        assert.ok(err.includes(`log of batch ${batch} at 0\n`), err)
      }
      assert.doesNotMatch(out, /log of batch/)
    }
  }))

it.live("a thread that dies is told on stderr with its reason, and the program goes on", () =>
  Effect.gen(function* () {
    const { port, send } = yield* server
    const dies = path.join(yield* folder, "died")
    const options = ["--master", "local[2]", "--config", `PORT=${port}`, "--config", `DIES=${dies}`]
    const { child, sees, ended } = yield* start("run", programOf("lines"), ...options)
    yield* Effect.promise(() => send("one\n"))
    yield* sees("out", /^1$/m)
    yield* Effect.promise(() => send("die\n"))
    yield* sees("err", /^dstreams: executor-[12] is gone and is replaced: its thread exited with code 7$/m)
    yield* sees(
      "err",
      /^dstreams: a task is tried again \(stage .*, partition \d+\): executor executor-[12] was lost: its thread/m
    )
    assert.ok(fs.existsSync(dies))
    // Lines that nobody has received are sent until some are counted: the receiver may have to come back first.
    let counted = false
    yield* Effect.forkScoped(Effect.promise(async () => {
      while (!counted) {
        await send("two\ntwo\n")
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }))
    yield* sees("out", /^[2-9]\d*$/m)
    counted = true
    process.kill(child.pid!, "SIGINT")
    const { code, err } = yield* ended
    assert.equal(code, 0, err)
  }))

it.live("SIGINT while a socket is read on threads: what was received is counted before the end", () =>
  Effect.gen(function* () {
    const { port, send } = yield* server
    const { child, sees, ended } = yield* start(
      "run",
      programOf("lines"),
      "--master",
      "local[2]",
      "--config",
      `PORT=${port}`
    )
    yield* Effect.promise(() => send("first\n"))
    yield* sees("out", /^1$/m)
    // A batch that takes a second, and lines behind it that no batch has worked off when the signal comes.
    yield* Effect.promise(() => send("slow\n"))
    yield* Effect.promise(() => send("line\n".repeat(500)))
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 300)))
    process.kill(child.pid!, "SIGINT")
    const { code, out, err } = yield* ended
    assert.equal(code, 0, err)
    assert.match(err, /^dstreams: stopping: what has been received is worked off first/m)
    assert.equal(counts(out).reduce((sum, count) => sum + count, 0), 502, out)
  }))

it.live("a function that throws on a thread ends the program with 1 and one sentence", () =>
  Effect.gen(function* () {
    const { code, err } = yield* dstreams("run", programOf("failing"), "--master", "local[2]")
    assert.equal(code, 1)
    assert.match(
      err,
      /^dstreams: Batch \d+ ms failed in output print-0, at operator shout, partition 0: .*no word for this.*\n$/
    )
    assert.equal(err.split("\n").length, 2, err)
  }))

const bad: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, message: RegExp]> = [
  [["run"], 2, /^dstreams: .*PROGRAM/],
  [
    ["run", programOf("failing"), "--master", "local[0]"],
    2,
    /^dstreams: the n of --master local\[n\] has to be .* is "0"/
  ],
  [["run", programOf("failing"), "--batches", "none"], 2, /^dstreams: .*--batches.*none/],
  [["run", programOf("failing"), "--batch-duration", "soon"], 2, /^dstreams: .*--batch-duration.*soon/],
  [["stop"], 2, /^dstreams: There is no command stop/],
  [
    ["run", programOf("../command"), "--master", "local[2]"],
    1,
    /^dstreams: The program .*command\.ts has no default export/
  ],
  [
    ["run", programOf("config"), "--config", "HOST=h"],
    1,
    /^dstreams: The program .*config\.ts could not build its app: .*PORT/
  ],
  [["check", programOf("none")], 1, /^dstreams: There is no program .*none\.ts/]
]

it.live("whatever is wrong with program or options is one sentence on stderr, nothing on stdout, and the exit code", () =>
  Effect.gen(function* () {
    const ends = yield* Effect.forEach(bad, ([args]) => dstreams(...args), { concurrency: 2 })
    ends.forEach(({ code, out, err }, index) => {
      const [args, expected, message] = bad[index]!
      assert.deepEqual([code, out], [expected, ""], `${args.join(" ")}: ${err}`)
      assert.match(err, message)
      assert.doesNotMatch(err, /\n {4}at /)
    })
  }))
