/**
 * The `dstreams` command as people run it: real processes, their output, their exit codes, their signals.
 */
import * as assert from "node:assert/strict"
import * as net from "node:net"
import { Effect, Schedule } from "effect"
import { it } from "../kit.ts"
import { dstreams, example, programOf, start } from "./command.ts"

for (const master of ["local", "local[2]"]) {
  it.live(`the quick example counts the demo's words in ${master}, and ends after its batches with 0`, () =>
    Effect.gen(function* () {
      const options = ["--demo", "--batches", "3", "--batch-duration", "250 millis", "--master", master]
      const { code, out, err } = yield* dstreams("run", example, ...options, "--status")
      assert.equal(code, 0, err)
      const times = [...out.matchAll(/^-{43}\nTime: (\d+) ms\n-{43}\n/gm)].map(([, time]) => Number(time))
      assert.deepEqual(times, [0, 250, 500].map((after) => times[0]! + after))
      assert.match(out, /^\(the,[1-9]\d*\)$/m)
      assert.match(out, /^\.\.\.$/m)
      assert.equal(
        err.match(/^batch \d+ ms: \d+ records?, scheduling delay \d+ ms, processing time \d+ ms, total/gm)?.length,
        3
      )
    }))
}

it.live("without a terminal there is no status line, and no other word on stderr", () =>
  Effect.gen(function* () {
    const { code, err } = yield* dstreams("run", example, "--demo", "--batches", "1", "--batch-duration", "100 millis")
    assert.deepEqual([code, err], [0, ""])
  }))

it.live("a server that the options name is read; one that refuses is reported with its address, and waited for", () =>
  Effect.gen(function* () {
    const server = net.createServer((socket) => socket.write("hello there\nhello again\n"))
    const listen = (port: number) =>
      Effect.callback<number>((resume) => {
        server.listen(port, "127.0.0.1", () => resume(Effect.succeed((server.address() as net.AddressInfo).port)))
      })
    const port = yield* listen(0)
    yield* Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
    const options = ["--host", "127.0.0.1", "--port", String(port), "--batch-duration", "100 millis"]
    const { sees, child } = yield* start("run", example, ...options)
    yield* sees(
      "err",
      new RegExp(`^dstreams: the receiver SocketReceiver.* of .* reports: .*127\\.0\\.0\\.1:${port}`, "m")
    )
    yield* listen(port)
    yield* sees("out", /\(hello,2\)/)
    child.kill("SIGKILL")
    server.close()
  }))

it.live("a batch that fails ends the program with 1 and one sentence; --debug adds the stack", () =>
  Effect.gen(function* () {
    const { code, err } = yield* dstreams("run", programOf("failing"))
    assert.equal(code, 1)
    assert.match(
      err,
      /^dstreams: Batch \d+ ms failed in output print-0, at operator shout, partition 0: .*no word for this.*\n$/
    )
    assert.equal(err.split("\n").length, 2)
    const debug = yield* dstreams("run", programOf("failing"), "--debug", "--master", "local[1]")
    assert.equal(debug.code, 1)
    assert.match(debug.err, /at operator shout, partition 0: .*no word for this/)
    assert.match(debug.err, /\n\s+at .*failing\.ts:\d+/)
  }))

it.live("an app with mistakes is refused with all of them, by check and by run", () =>
  Effect.gen(function* () {
    for (const command of ["check", "run"]) {
      const { code, err } = yield* dstreams(command, programOf("nothing"))
      assert.equal(code, 1)
      assert.match(err, /no output operations registered.*\n.*the app has no name/)
    }
  }))

it.live("check tells the operators of a program that can run", () =>
  Effect.gen(function* () {
    const { code, out } = yield* dstreams("check", example)
    assert.equal(code, 0)
    assert.match(out, /^NetworkWordCount can run, with batches of 1000 ms\.$/m)
    assert.match(out, /\(reduceByKey\)|\(combineByKey\)/)
  }))

it.live("wrong usage ends with 2, a program that is not there with 1, help and version with 0", () =>
  Effect.gen(function* () {
    assert.deepEqual(yield* dstreams("run", "--fast", "p.ts"), {
      code: 2,
      out: "",
      err: 'dstreams: There is no option --fast; see "dstreams run --help".\n'
    })
    assert.equal((yield* dstreams("run", "/no/such/program.ts")).code, 1)
    assert.match((yield* dstreams("run", "--help")).out, /--batches N/)
    assert.match((yield* dstreams("--version")).out, /^\d+\.\d+\.\d+\n$/)
  }))

for (const [signal, master] of [["SIGINT", "local"], ["SIGTERM", "local[2]"]] as const) {
  it.live(`${signal} works off what is open in ${master}, says so, and ends with 0`, () =>
    Effect.gen(function* () {
      const { child, sees, ended } = yield* start(
        "run",
        programOf("slow"),
        "--config",
        "MILLIS=500",
        "--master",
        master
      )
      yield* sees("out", /begin/)
      process.kill(child.pid!, signal)
      const { code, out, err } = yield* ended
      assert.match(
        err,
        /^dstreams: stopping: what has been received is worked off first; the same signal once more stops/
      )
      assert.equal(out.match(/begin/g)!.length, out.match(/done/g)!.length)
      assert.equal(code, 0, err)
    }))
}

it.live("a second signal stops at once, and says what is left; what comes right after the first is the same one", () =>
  Effect.gen(function* () {
    const { child, sees, ended } = yield* start("run", programOf("slow"), "--config", "MILLIS=60000")
    const interrupt = Effect.sync(() => process.kill(child.pid!, "SIGINT"))
    yield* sees("out", /begin/)
    yield* interrupt
    // The second one counts only when some time has passed: until then, more of them are no more than one.
    const again = Effect.repeat(interrupt, Schedule.spaced("20 millis"))
    yield* Effect.raceFirst(sees("err", /worked off first[^]*stopping at once/), again)
    const { code, err } = yield* ended
    assert.match(err, /^dstreams: stopping at once$/m)
    assert.match(err, /left are the batches \d+/)
    assert.equal(code, 1)
  }))

it.live("a reader of the output that goes away ends the program", () =>
  Effect.gen(function* () {
    const { child, sees, ended } = yield* start("run", programOf("slow"), "--config", "MILLIS=1")
    yield* sees("out", /begin/)
    child.stdout.destroy()
    const { code } = yield* ended
    assert.equal(code, 0)
  }))
