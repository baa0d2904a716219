/**
 * What `validate` says of apps as people without types, or with a slip, write them: every mistake at once, and never a throw.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import fc from "fast-check"
import * as Memory from "../../adapters/memory/mod.ts"
import { storageLevels } from "../../core/receiving/StorageLevel.ts"
import { resolve } from "../../core/settings/Settings.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { it } from "../kit.ts"

const words = Memory.batches([["a", "b"]])
const printed = words.pipe(DStream.print())
const loose: any = DStream

const good = { name: "app", batchDuration: "1 second", outputs: [printed] }

const errorOf = (options: object) => Effect.flip(StreamingApp.validate(StreamingApp.make(options as any)))

const mistakesOf = (options: object) =>
  Effect.map(
    errorOf(options),
    ({ mistakes }) => mistakes.map(({ where, message, remedy }) => `${where}: ${message}; ${remedy}`)
  )

const ofOutputs = (outputs: unknown) => mistakesOf({ ...good, outputs })

it("what is no output is told by its place, with what it is and how to make it one", () =>
  Effect.gen(function* () {
    const outputs = [
      words,
      DStream.print(),
      words.pipe(loose.print),
      printed,
      undefined,
      "print",
      DStream.print()(5 as any),
      words.pipe(loose.map, loose.print())
    ]
    assert.deepEqual(yield* ofOutputs(outputs), [
      "outputs[0]: this is a DStream, not an output; end it with .pipe(DStream.print())",
      "outputs[1]: this is a function, not an output; pipe a stream into it: counts.pipe(DStream.print())",
      "outputs[2]: this is a function, not an output; pipe a stream into it: counts.pipe(DStream.print())",
      "outputs[4]: this is undefined, not an output; give the output of a stream, such as counts.pipe(DStream.print())",
      `outputs[5]: this is "print", not an output; give the output of a stream, such as counts.pipe(DStream.print())`,
      "outputs[6]: this is an output of 5, not of a DStream; pipe a stream into it: counts.pipe(DStream.print())",
      "outputs[7]: this is an output of a function, not of a DStream; call the operator before it, " +
      "as in words.pipe(DStream.countByValue(), DStream.print())"
    ])
  }))

it("outputs that are missing, empty, or no array are told", () =>
  Effect.gen(function* () {
    for (const none of [undefined, []]) assert.match((yield* ofOutputs(none)).join(), /^outputs: no output operations/)
    assert.match((yield* ofOutputs(printed)).join(), /^outputs: this is an output, not an array of outputs; write/)
    assert.match((yield* ofOutputs(words)).join(), /^outputs: this is a DStream, not an array of outputs/)
    assert.match((yield* ofOutputs(null)).join(), /^outputs: this is null, not an array of outputs/)
  }))

it("an app without anything is told all that it lacks, and its error needs no name", () =>
  Effect.gen(function* () {
    const error = yield* errorOf({})
    assert.deepEqual(error.mistakes.map(({ where }) => where), ["outputs", "batchDuration", "name"])
    assert.match(error.message, /^the app cannot run:\n {2}- outputs: /)
    assert.match((yield* mistakesOf({ ...good, name: 5 })).join(), /^name: this is 5; name it/)
    assert.match((yield* mistakesOf({ ...good, layer: {} })).join(), /^layer: this is an object, not a Layer/)
  }))

it("a batch duration that is none, or not possible, is told as it was written, with the valid forms", () =>
  Effect.gen(function* () {
    const told: ReadonlyArray<readonly [unknown, string]> = [
      ["1 sac", `"1 sac" is no duration`],
      ["soon", `"soon" is no duration`],
      ["1000", `"1000" is no duration`],
      [undefined, "there is none"],
      [null, "there is none"],
      [Number.NaN, "NaN is no duration"],
      [0, "a batch of 0 ms is not possible"],
      [-5, "a batch of -5 ms is not possible"],
      ["1.5 millis", "a batch of 1.5 ms is not possible"],
      ["Infinity", "a batch of Infinity ms is not possible"]
    ]
    for (const [batchDuration, message] of told) {
      assert.deepEqual(yield* mistakesOf({ ...good, batchDuration }), [
        `batchDuration: ${message}; ` +
        `write a duration of whole milliseconds above zero, such as "5 seconds", "200 ms" or 500 (milliseconds)`
      ])
    }
    const put = StreamingApp.withBatchDuration(StreamingApp.make({ ...good, batchDuration: "soon" as any }), 500)
    assert.equal((yield* StreamingApp.validate(put)).batchMillis, 500)
  }))

it("what StreamingApp.make does not know is told, with what was most likely meant", () =>
  Effect.gen(function* () {
    assert.deepEqual(yield* mistakesOf({ ...good, output: [], concurrentJobs: 2, windowing: 1 }), [
      "output: StreamingApp.make has no such option; did you mean outputs?",
      "concurrentJobs: StreamingApp.make has no such option; write settings: { concurrentJobs: ... }",
      "windowing: StreamingApp.make has no such option; " +
      "its options are name, batchDuration, outputs, layer, settings, rateEstimator"
    ])
    const [spark] = yield* mistakesOf({ ...good, settings: { "spark.streaming.concurrentJobs": 2 } })
    assert.match(spark!, /: this is a setting of Spark's; here it is called concurrentJobs$/)
  }))

it("nothing is told of windows and states that comes of a batch duration which is none", () =>
  Effect.gen(function* () {
    const pairs = words.pipe(DStream.mapToPair((word) => [word, 1]))
    const outputs = [
      words.pipe(DStream.window("5 s", "3 s"), DStream.map((word) => word), DStream.print()),
      pairs.pipe(DStream.reduceByKeyAndWindow((a, b) => a + b, "5 s"), DStream.print()),
      pairs.pipe(DStream.updateStateByKey(() => 1), DStream.checkpoint("10 s"), DStream.print())
    ]
    for (const batchDuration of ["soon", 0, -1000, 0.7]) {
      const told = yield* mistakesOf({ ...good, batchDuration, outputs })
      assert.deepEqual(told.map((mistake) => mistake.split(":")[0]), ["batchDuration"], told.join("\n"))
    }
  }))

const ofSettings = (settings: unknown) => mistakesOf({ ...good, settings })

it("a setting that there is not is refused with the nearest name", () =>
  Effect.gen(function* () {
    assert.deepEqual(
      yield* ofSettings({ concurentJobs: 2, checkpointDir: "x", missedTick: "skip", backPressure: true }),
      [
        "concurentJobs: there is no such setting; did you mean concurrentJobs?",
        "checkpointDir: there is no such setting; did you mean checkpointDirectory?",
        "missedTick: there is no such setting; did you mean missedTicks?",
        "backPressure: there is no such setting; did you mean backpressure?"
      ]
    )
    const [far] = yield* ofSettings({ toString: 1 })
    assert.match(far!, /^toString: there is no such setting; the settings are concurrentJobs, .*shuffleRecordsMax$/)
  }))

it("a setting outside its values is refused, with what was written", () =>
  Effect.gen(function* () {
    const wrong: ReadonlyArray<readonly [string, unknown, RegExp]> = [
      ["onBatchFailure", "skipp", /has to be "stop" or "skip", and is "skipp"/],
      ["onBlockLost", true, /has to be "fail" or "ignore", and is true/],
      ["missedTicks", 1, /has to be "replay" or "coalesce" or "skip", and is 1/],
      ["codeGeneration", "yes", /has to be true or false, and is "yes"/],
      ["backpressure", 1, /has to be true or false, and is 1/],
      ["blockInterval", "2 quux", /a duration above zero, such as "5 seconds".*, and is "2 quux"/],
      ["blockInterval", 0, /a duration above zero/],
      ["gracefulStopTimeout", "soon", /a duration above zero.*and is "soon"/],
      ["remember", "long", /a duration that is not negative.*and is "long"/],
      ["receiverRestartDelay", -1, /a duration that is not negative.*and is -1/],
      ["concurrentJobs", 0, /a whole number of at least 1, and is 0/],
      ["defaultParallelism", 1.5, /a whole number of at least 1, and is 1.5/],
      ["maxStageRepairs", -1, /a whole number of at least 0, and is -1/],
      ["receiverMaxRate", 0, /records a second above zero, and is 0/],
      ["backpressureInitialRate", "5", /records a second above zero, and is "5"/],
      ["blockMemoryBytes", null, /and is null/]
    ]
    for (const [key, value, message] of wrong) {
      const told = yield* ofSettings({ [key]: value })
      assert.equal(told.length, 1, key)
      assert.ok(told[0]!.startsWith(`${key}: it has to be `), told[0])
      assert.match(told[0]!, message)
    }
    for (const settings of [5, ["stop"]]) {
      assert.match((yield* ofSettings(settings)).join(), /^settings: they have to be an object, and are/)
    }
  }))

it("good settings and those left undefined pass; those of the run are looked at as the app's are", () =>
  Effect.gen(function* () {
    const app = StreamingApp.make({
      name: "app",
      batchDuration: { seconds: 1 },
      outputs: [printed],
      settings: {
        remember: 0,
        gracefulStopTimeout: "Infinity",
        blockInterval: "50 millis",
        maxStageRepairs: 0,
        missedTicks: "coalesce",
        receiverMaxRate: undefined
      }
    })
    yield* StreamingApp.validate(app)
    const error = yield* Effect.flip(StreamingApp.validate(app, { concurrentJobs: 0, parallel: 2 } as object))
    assert.deepEqual(error.mistakes.map(({ where }) => where), ["concurrentJobs", "parallel"])
  }))

it("how a receiver keeps its blocks is told where that cannot be, and a log needs a place", () =>
  Effect.gen(function* () {
    const of = (options: object) => [Memory.timed([], options).pipe(DStream.named("in"), DStream.print())]
    const wrong = { survives: "warm", storageLevel: "MEMORY" }
    assert.deepEqual(yield* ofOutputs(of(wrong)), [
      `in: "MEMORY" is no storage level; give its receiver one of ${storageLevels.join(", ")}`,
      `in: "warm" is no way in which blocks survive; write survives: "hot", "cold", "ignore", or leave it out`
    ])
    const outputs = of({ survives: "cold" })
    assert.deepEqual(yield* ofOutputs(outputs), [
      `in: its blocks shall survive in a log ("cold"), and there is no place for one; set checkpointDirectory, ` +
      `or write survives: "hot", which keeps each block at two executors`
    ])
    const settings = { checkpointDirectory: "/var/spool/app" }
    for (const run of [{ ...good, outputs, settings }, { ...good, outputs: of({ survives: "ignore" }) }]) {
      yield* StreamingApp.validate(StreamingApp.make(run as any))
    }
  }))

it("operators without their streams, functions or side values are told by name", () =>
  Effect.gen(function* () {
    const told = yield* ofOutputs([
      DStream.unionAll([]).pipe(DStream.named("nothing"), DStream.print()),
      loose.unionAll(undefined).pipe(DStream.named("no array"), DStream.print()),
      DStream.unionAll([words, 3 as any]).pipe(DStream.named("three"), DStream.print()),
      words.pipe(loose.map(undefined), DStream.named("no function"), DStream.print()),
      words.pipe(
        DStream.transform((rdd) => rdd, { sideValues: { stop: Effect.succeed("a") as any } }),
        DStream.named("no side"),
        DStream.print()
      )
    ])
    assert.deepEqual(told, [
      "nothing: unionAll was given no streams; give DStream.unionAll an array of at least one stream",
      "no array: unionAll was given no streams; give DStream.unionAll an array of at least one stream",
      "three: its stream 1 is 3, not a DStream; give it a stream, as in lines.pipe(DStream.union(...))",
      "no function: what map was given as f is undefined, not a function; give it a function",
      `no side: its side value "stop" is an object; make it with DStream.sideValue(effect, schema)`
    ])
  }))

test("make, validate and resolve throw nothing, whatever they are given", () => {
  const anything = fc.anything({ withBigInt: true, withMap: true, withSparseArray: true, withNullPrototype: true })
  const output = fc.oneof(anything, fc.constantFrom<unknown>(printed, words, DStream.print(), DStream.unionAll([])))
  const options = fc.record({
    name: anything,
    batchDuration: fc.oneof(anything, fc.constantFrom("1 second", 500)),
    outputs: fc.oneof(anything, fc.array(output)),
    settings: fc.oneof(anything, fc.record({ remember: anything, missedTicks: anything, blockInterval: anything }))
  }, { requiredKeys: [] })
  fc.assert(
    fc.property(options, (given) => {
      const app = StreamingApp.make(given as any)
      const exit = Effect.runSyncExit(StreamingApp.validate(app))
      if (exit._tag === "Failure") assert.deepEqual(exit.cause.reasons.map(({ _tag }) => _tag), ["Fail"])
      resolve([app.settings], { batchMillis: app.batchMillis, executors: 1 })
    }),
    { numRuns: 300 }
  )
})
