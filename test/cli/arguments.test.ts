/**
 * The arguments of the command: every option, every mistake with its sentence, and help that names all of them.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { parse, type RunCommand } from "../../adapters/cli/arguments.ts"
import { helpOf } from "../../adapters/cli/help.ts"
import { it } from "../kit.ts"

const plain: RunCommand = {
  kind: "run",
  program: "p.ts",
  master: { kind: "local" },
  config: {},
  configFile: undefined,
  batches: undefined,
  batchMillis: undefined,
  status: undefined,
  demo: false,
  debug: false
}

const understood: ReadonlyArray<readonly [args: string, command: Partial<RunCommand>]> = [
  ["run p.ts", {}],
  ["run p.ts --master local", {}],
  ["run p.ts --master local[2]", { master: { kind: "threads", threads: 2 } }],
  ["run --master=local[*] p.ts", { master: { kind: "threads", threads: "all" } }],
  ["run p.ts --host example.org --port 9999", { config: { HOST: "example.org", PORT: "9999" } }],
  ["run p.ts --bootstrap kafka:9092", { config: { BOOTSTRAP: "kafka:9092" } }],
  ["run p.ts --config A=b=c --config D=", { config: { A: "b=c", D: "" } }],
  ["run p.ts --config conf/s.json --config A=b", { config: { A: "b" }, configFile: "conf/s.json" }],
  ["run p.ts --batches 5 --status", { batches: 5, status: true }],
  ["run p.ts --no-status --debug", { status: false, debug: true }],
  ["run p.ts --demo", { demo: true }],
  ["run p.ts -- --batches 2", { batches: 2 }],
  ["run p.ts --demo --port 9999", { demo: false, config: { PORT: "9999" } }],
  ["run p.ts --batch-duration 100_millis", { batchMillis: 100 }],
  ["run p.ts --batch-duration 2_seconds", { batchMillis: 2000 }],
  ["run p.ts --batch-duration 1200_ms", { batchMillis: 1200 }],
  ["run p.ts --batch-duration 1s", { batchMillis: 1000 }],
  ["run p.ts --batch-duration 500", { batchMillis: 500 }]
]

it("every option is understood", () =>
  Effect.forEach(
    understood,
    ([args, command]) =>
      Effect.map(parse(words(args)), (parsed) => assert.deepEqual(parsed, { ...plain, ...command }, args))
  ))

it("check, help and version are understood", () =>
  Effect.gen(function* () {
    const read = { program: "p.ts", config: { HOST: "h" }, configFile: undefined, batchMillis: undefined, debug: false }
    assert.deepEqual(yield* parse(["check", "p.ts", "--host", "h"]), { kind: "check", ...read })
    const options = ["--host", "h", "--batch-duration", "2 seconds"]
    assert.deepEqual(yield* parse(["check", "p.ts", ...options]), { kind: "check", ...read, batchMillis: 2000 })
    assert.deepEqual(yield* parse(["checkpoint", "check", "dir", "p.ts", ...options]), {
      kind: "checkpoint check",
      place: "dir",
      ...read,
      batchMillis: 2000
    })
    assert.deepEqual(yield* parse(["config", "p.ts", "--config", "s.json", "--master", "local[3]"]), {
      kind: "config",
      program: "p.ts",
      config: {},
      configFile: "s.json",
      batchMillis: undefined,
      debug: false,
      master: { kind: "threads", threads: 3 }
    })
    assert.deepEqual(yield* parse(["help", "config"]), { kind: "help", topic: "config" })
    assert.deepEqual(yield* parse(["--help"]), { kind: "help", topic: undefined })
    assert.deepEqual(yield* parse(["run", "--help"]), { kind: "help", topic: "run" })
    assert.deepEqual(yield* parse(["check", "-h"]), { kind: "help", topic: "check" })
    assert.deepEqual(yield* parse(["--version"]), { kind: "version" })
  }))

const mistakes: ReadonlyArray<readonly [args: string, message: RegExp]> = [
  ["", /There is no command\. Write "dstreams run PROGRAM"/],
  ["walk p.ts", /There is no command walk/],
  ["run", /needs a PROGRAM/],
  ["run a.ts b.ts", /takes one PROGRAM, and was given a\.ts and b\.ts/],
  ["run p.ts --fast", /There is no option --fast; see "dstreams run --help"/],
  [
    "run p.ts --checkpoint-directory x",
    /There is no option --checkpoint-directory; the setting is given as --config DSTREAMS_CHECKPOINT_DIRECTORY=VALUE; see/
  ],
  ["run p.ts -x", /There is no option -x/],
  ["run p.ts --toString", /There is no option --toString/],
  ["check p.ts --batches 3", /There is no option --batches; see "dstreams check --help"/],
  ["run p.ts --batches", /--batches needs a value/],
  ["run p.ts --batches 0", /--batches has to be a whole number from 1/],
  ["run p.ts --batches 1.5", /--batches has to be .* is "1\.5"/],
  ["run p.ts --batches 2 --batches 3", /--batches is given twice/],
  ["run p.ts --port 99999", /--port has to be a whole number from 1 to 65535, and is "99999"/],
  ["run p.ts --port http", /--port has to be/],
  ["run p.ts --master spark://x", /--master has to be local .* and is "spark:\/\/x"/],
  ["run p.ts --master local[0]", /the n of --master local\[n\] has to be a whole number from 1 to 256/],
  ["run p.ts --batch-duration soon", /--batch-duration has to be a duration .* is "soon"/],
  ["run p.ts --batch-duration 0_millis", /--batch-duration has to be/],
  ["run p.ts --config a.json --config b.json", /--config names two files, a\.json and b\.json: leave one out/],
  ["run p.ts --config 1A=b", /--config has to be NAME=VALUE or the path of a file, and is "1A=b"/],
  ["run p.ts --config __proto__=x", /--config has to be NAME=VALUE/],
  ["config", /"dstreams config" needs a PROGRAM/],
  ["config p.ts --batches 3", /There is no option --batches; see "dstreams config --help"/],
  ["run p.ts --status --no-status", /leave one out/],
  ["run p.ts --demo=yes", /--demo takes no value, and was given "yes"/]
]

it("every mistake is a usage error with a sentence", () =>
  Effect.forEach(mistakes, ([args, message]) =>
    Effect.map(Effect.flip(parse(words(args))), (error) => {
      assert.equal(error._tag, "UsageError")
      assert.match(error.message, message, args)
    })))

it("help names every option", () =>
  Effect.sync(() => {
    for (const option of "master batches batch-duration status no-status demo debug host port config".split(" ")) {
      assert.ok(helpOf("run").includes(`--${option}`), option)
    }
    for (const option of "batch-duration debug host port config".split(" ")) {
      for (const topic of ["check", "config", "checkpoint"] as const) {
        assert.ok(helpOf(topic).includes(`--${option}`), option)
      }
    }
    assert.ok(helpOf("config").includes("--master"))
    for (const command of ["run", "check", "config"]) {
      assert.ok(helpOf(undefined).includes(`dstreams ${command} PROGRAM`))
    }
  }))

/** Words of a command line; `_` is a space within a word. */
function words(line: string): ReadonlyArray<string> {
  return line.split(" ").filter((word) => word !== "").map((word) =>
    word.startsWith("__") || word.includes("=") ? word : word.replaceAll("_", " ")
  )
}
