/**
 * What the command line, the environment and a file say: which of them counts, and every mistake in them at once.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import { read } from "../../adapters/cli/Configuration.ts"
import { it } from "../kit.ts"
import { folder } from "../save/folder.ts"
import { dstreams, programOf, start, terminate } from "./command.ts"

/** A file with this in it. */
const fileOf = (json: unknown) =>
  Effect.map(folder, (parent) => {
    const name = path.join(parent, "settings.json")
    fs.writeFileSync(name, typeof json === "string" ? json : JSON.stringify(json))
    return name
  })

it("the command line is stronger than the environment, and that than the file; each setting knows its origin", () =>
  Effect.gen(function* () {
    const configFile = yield* fileOf({
      dstreams: { concurrentJobs: 2, maxTaskFailures: 2, blockInterval: "1 second", backpressure: true, remember: 500 },
      HOST: "file",
      PORT: 7,
      DATABASE: { URL: "u", REPLICAS: ["a", "b"] },
      NOTHING: null
    })
    const config = { DSTREAMS_CONCURRENT_JOBS: "4", PORT: "8" }
    const environment = { DSTREAMS_CONCURRENT_JOBS: "3", DSTREAMS_MAX_TASK_FAILURES: "3", HOST: "env", PATH: "x" }
    const found = yield* read({ config, configFile }, environment)
    assert.deepEqual(found.settings, {
      concurrentJobs: 4,
      maxTaskFailures: 3,
      blockInterval: "1 second",
      backpressure: true,
      remember: 500
    })
    assert.deepEqual(Object.fromEntries(found.origins), {
      concurrentJobs: "command line",
      maxTaskFailures: "environment",
      blockInterval: configFile,
      backpressure: configFile,
      remember: configFile
    })
    assert.deepEqual(found.config, {
      DATABASE_URL: "u",
      DATABASE_REPLICAS_0: "a",
      DATABASE_REPLICAS_1: "b",
      PORT: "8",
      DSTREAMS_CONCURRENT_JOBS: "4"
    })
    assert.equal(found.configOrigins.get("PORT"), "command line")
    assert.equal(found.configOrigins.get("DATABASE_URL"), configFile)
  }))

it("without anything given nothing is set", () =>
  Effect.gen(function* () {
    const found = yield* read({ config: {}, configFile: undefined }, { PATH: "x", DSTREAMS_REMEMBER: "" })
    assert.deepEqual([found.settings, found.config], [{}, {}])
  }))

it("a setting without a value on the command line is a mistake: the shell's variable in it is not set", () =>
  Effect.gen(function* () {
    const config = { DSTREAMS_CHECKPOINT_DIRECTORY: "", HOST: "" }
    const { message } = yield* Effect.flip(read({ config, configFile: undefined }, {}))
    assert.deepEqual(message.split("\n").slice(1), [
      "  - DSTREAMS_CHECKPOINT_DIRECTORY (command line): it is given without a value; leave the option out, or set the " +
      "shell's variable in it"
    ])
  }))

it("all mistakes are told at once, with where they stand and what was most likely meant", () =>
  Effect.gen(function* () {
    const configFile = yield* fileOf({
      dstreams: { concurentJobs: 2, blockInterval: [], remember: null, onBlockLost: "x" }
    })
    const config = { DSTREAMS_BACKPRESURE: "true", DSTREAMS_TASK_SLOTS: "0" }
    const environment = { DSTREAMS_CONCURRENT_JOBS: "two" }
    const { message } = yield* Effect.flip(read({ config, configFile }, environment))
    const lines = message.split("\n")
    const expected = [
      /^The configuration cannot be used:$/,
      /DSTREAMS_TASK_SLOTS \(command line\): it has to be a whole number of at least 1, and is 0;/,
      /DSTREAMS_BACKPRESURE \(command line\): there is no such setting; did you mean DSTREAMS_BACKPRESSURE\?/,
      /DSTREAMS_CONCURRENT_JOBS \(environment\): it has to be a whole number of at least 1, and is "two";/,
      /onBlockLost \(.*settings\.json\): it has to be "fail" or "ignore", and is "x";/,
      /concurentJobs \(.*settings\.json\): there is no such setting; did you mean concurrentJobs\?/,
      /blockInterval \(.*settings\.json\): it has to be a duration above zero.*and is an empty array;/,
      /remember \(.*settings\.json\): it has to be a duration.*and is null;/
    ]
    assert.equal(lines.length, expected.length, message)
    expected.forEach((line, index) => assert.match(lines[index]!, line))
  }))

it("settings that stand where nobody looks for them, or under a name that is not quite theirs, are told", () =>
  Effect.gen(function* () {
    const within = (name: string) => `settings stand within "dstreams"; write it as { "dstreams": { "${name}": ... } }`
    const section = `settings are looked for in no such object; did you mean "dstreams"?`
    const files: ReadonlyArray<readonly [object, string, string]> = [
      [{ concurrentJobs: 2 }, "concurrentJobs", within("concurrentJobs")],
      [{ DSTREAMS_CONCURRENT_JOBS: 2 }, "DSTREAMS_CONCURRENT_JOBS", within("concurrentJobs")],
      [{ "spark.streaming.blockInterval": "1s" }, "spark.streaming.blockInterval", within("blockInterval")],
      [{ dstream: { concurrentJobs: 2 } }, "dstream", section],
      [{ DSTREAMS: {} }, "DSTREAMS", section],
      [
        { dstreams: { "spark.streaming.blockInterval": "1s" } },
        "spark.streaming.blockInterval",
        "this is a setting of Spark's; here it is called blockInterval"
      ],
      [
        { dstreams: { "spark.streaming.clock": "x" } },
        "spark.streaming.clock",
        "this is a setting of Spark's; there is none like it here; docs/configuration.md tells what became of each"
      ]
    ]
    for (const [json, name, told] of files) {
      const configFile = yield* fileOf(json)
      const { message } = yield* Effect.flip(read({ config: {}, configFile }, {}))
      assert.equal(message, `The configuration cannot be used:\n  - ${name} (${configFile}): ${told}`)
    }
    const mean = "did you mean DSTREAMS_CONCURRENT_JOBS?"
    for (const name of ["concurrentJobs", "spark.streaming.concurrentJobs", "dstreams_concurrent_jobs"]) {
      const { message } = yield* Effect.flip(read({ config: { [name]: "2" }, configFile: undefined }, {}))
      assert.match(message, new RegExp(`- ${name} \\(command line\\): there is no such option; `))
      assert.ok(message.endsWith(mean))
    }
    for (const name of ["DSTREAM_CONCURRENT_JOBS", "dstreams_concurrent_jobs", "Dstreams_Concurrent_Jobs"]) {
      const { message } = yield* Effect.flip(read({ config: {}, configFile: undefined }, { [name]: "2" }))
      assert.ok(message.endsWith(`- ${name} (environment): there is no such setting; ${mean}`), message)
    }
    const own = yield* fileOf({ streams: { HOST: "h" }, CONCURRENT: { JOBS: 1 }, dstreams: {} })
    yield* read({ config: { STREAM: "s", JOBS: "3" }, configFile: own }, { DSTREAM_HOME: "x", Concurrent: "y" })
  }))

it("a file that is not there, is no JSON, no object, or too large is told with what it has to be", () =>
  Effect.gen(function* () {
    const cases = [
      [yield* fileOf("{"), /the file is no JSON \(SyntaxError/],
      [yield* fileOf([1]), /the file holds an array, not an object/],
      [yield* fileOf(`"${"x".repeat(1024 * 1024)}"`), /bytes, and may have 1048576/],
      [
        "no/such/file.json",
        /--config no\/such\/file\.json: the file cannot be read \(Error: ENOENT.*Give NAME=VALUE, or the path/
      ],
      [yield* fileOf({ dstreams: 7 }), /dstreams \(.*\): it has to be an object of settings, and is 7/]
    ] as const
    for (const [configFile, message] of cases) {
      const error = yield* Effect.flip(read({ config: {}, configFile }, {}))
      assert.equal(error._tag, "UsageError")
      assert.match(error.message, message)
    }
  }))

it.live("config prints every setting with its origin, and of the program's own Config the names alone", () =>
  Effect.gen(function* () {
    const configFile = yield* fileOf({ dstreams: { blockInterval: "50 millis" }, HOST: "hidden.example.org" })
    const options = ["--config", configFile, "--config", "DSTREAMS_TASK_SLOTS=3", "--port", "7", "--master", "local[2]"]
    const { code, err, out } = yield* dstreams("config", programOf("config"), ...options)
    assert.deepEqual([code, err], [0, ""])
    const rows = out.split("\n").map((line) => line.split(/ {2,}/))
    const row = (name: string) => rows.find(([first]) => first === name)
    assert.deepEqual(row("taskSlots"), ["taskSlots", "3", "command line, DSTREAMS_TASK_SLOTS"])
    assert.deepEqual(row("blockInterval"), ["blockInterval", "50 ms", configFile])
    assert.deepEqual(row("onBlockLost"), ["onBlockLost", "ignore", "program"])
    assert.deepEqual(row("defaultParallelism"), ["defaultParallelism", "2", "default"])
    assert.deepEqual(row("gracefulStopTimeout"), ["gracefulStopTimeout", "10 s", "default"])
    assert.deepEqual(row("remember"), ["remember", "what operators need", "default"])
    assert.deepEqual(row("receiverMaxRate"), ["receiverMaxRate", "none", "default"])
    assert.deepEqual(row("HOST"), ["HOST", configFile])
    assert.deepEqual(row("PORT"), ["PORT", "command line"])
    assert.doesNotMatch(out, /hidden/)
  }))

it.live("run takes settings and the program's Config from a file, and tells its mistakes with exit code 2", () =>
  Effect.gen(function* () {
    const good = yield* fileOf({ dstreams: { maxTaskFailures: 2 }, HOST: "h", PORT: 1 })
    const ran = yield* dstreams("run", programOf("config"), "--config", good, "--batches", "1", "--master", "local[1]")
    assert.deepEqual([ran.code, ran.err], [0, ""])
    const failed = yield* dstreams("run", programOf("failing"), "--config", good)
    assert.match(failed.err, /failed 2 times/)
    const wrong = yield* fileOf({ dstreams: { maxTaskFailure: 2 } })
    for (const command of ["run", "check", "config"]) {
      const { code, err } = yield* dstreams(command, programOf("config"), "--config", wrong)
      assert.equal(code, 2)
      assert.match(err, /maxTaskFailure \(.*\): there is no such setting; did you mean maxTaskFailures\?/)
    }
  }))

it.live("with stopGracefullyOnShutdown off the first signal stops at once", () =>
  Effect.gen(function* () {
    const { child, ended, sees } = yield* start(
      "run",
      programOf("slow"),
      "--config",
      "DSTREAMS_STOP_GRACEFULLY_ON_SHUTDOWN=false",
      "--config",
      "MILLIS=60000"
    )
    yield* sees("out", /./)
    terminate(child)
    assert.match((yield* ended).err, /stopping at once/)
  }))
