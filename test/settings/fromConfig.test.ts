/**
 * Settings as Effect's Config has them, and settings on their way to executors.
 */
import * as assert from "node:assert/strict"
import { ConfigProvider, Effect } from "effect"
import * as fc from "fast-check"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, Settings, StreamingApp } from "../../core/mod.ts"
import { fromSettings } from "../../core/receiving/ReceivingSettings.ts"
import { definitions, settingNames, variableOf } from "../../core/settings/definitions.ts"
import { invalidSettings } from "../../core/settings/invalidSettings.ts"
import { merge, resolve } from "../../core/settings/Settings.ts"
import { pidDefaults } from "../../core/rates/RateEstimator.ts"
import { it } from "../kit.ts"

const run = { batchMillis: 1000, executors: 3 }

it("texts of the environment become what each setting needs", () =>
  Effect.gen(function* () {
    const settings = yield* Settings.fromConfig.parse(ConfigProvider.fromEnvRecord({
      DSTREAMS_CONCURRENT_JOBS: " 2 ",
      DSTREAMS_BLOCK_INTERVAL: "100 millis",
      DSTREAMS_REMEMBER: "5000",
      DSTREAMS_BACKPRESSURE: "yes",
      DSTREAMS_CODE_GENERATION: "False",
      DSTREAMS_ON_BATCH_FAILURE: "skip",
      DSTREAMS_BACKPRESSURE_INTEGRAL: ".5",
      DSTREAMS_RECEIVER_MAX_RATE: "1e3",
      DSTREAMS_BACKPRESSURE_INITIAL_RATE: "10,000",
      OTHER: "x"
    }))
    assert.deepEqual(settings, {
      concurrentJobs: 2,
      blockInterval: "100 millis",
      remember: 5000,
      backpressure: true,
      codeGeneration: false,
      onBatchFailure: "skip",
      backpressureIntegral: 0.5,
      receiverMaxRate: 1000,
      backpressureInitialRate: 10_000
    })
    assert.deepEqual(invalidSettings(settings), [])
    assert.equal(resolve([settings], run).blockIntervalMillis, 100)
  }))

it("a text that cannot be what a setting needs is told when the app is validated, with all other mistakes", () =>
  Effect.gen(function* () {
    const provider = ConfigProvider.fromEnvRecord({
      DSTREAMS_CONCURRENT_JOBS: "many",
      DSTREAMS_BLOCK_INTERVAL: "soon",
      DSTREAMS_BACKPRESSURE: "perhaps"
    })
    const settings = yield* Settings.fromConfig.parse(provider)
    const app = StreamingApp.make({
      name: "",
      batchDuration: 1000,
      outputs: [Memory.batches([[1]]).pipe(DStream.print())],
      settings,
      rateEstimator: "pid" as never
    })
    const { mistakes } = yield* Effect.flip(StreamingApp.validate(app))
    assert.deepEqual(
      mistakes.map(({ where }) => where).sort(),
      ["backpressure", "blockInterval", "concurrentJobs", "name", "rateEstimator"]
    )
  }))

it("whatever is written into a variable, reading it fails nothing, and what validation lets pass resolves", () =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...settingNames), fc.string(), (name, text) =>
        Effect.runPromise(Effect.gen(function* () {
          const provider = ConfigProvider.fromEnvRecord({ [variableOf(name)]: text })
          const settings = yield* Settings.fromConfig.parse(provider)
          if (invalidSettings(settings).length > 0) {
            return
          }
          for (const value of Object.values(resolve([settings], run))) {
            assert.ok(!Number.isNaN(value))
          }
        })))
    )
  ))

it("every default is one that its own rule allows, and variables are told apart", () =>
  Effect.sync(() => {
    for (const name of settingNames) {
      const { fallback, fallbackText, need } = definitions[name]
      assert.ok(fallback === undefined ? fallbackText !== undefined : need.holds(fallback), name)
    }
    assert.equal(new Set(settingNames.map(variableOf)).size, settingNames.length)
    const { backpressureDerivative, backpressureIntegral, backpressureMinRate, backpressureProportional } = resolve(
      [],
      run
    )
    assert.deepEqual(pidDefaults, {
      proportional: backpressureProportional,
      integral: backpressureIntegral,
      derivative: backpressureDerivative,
      minRate: backpressureMinRate
    })
  }))

it("the stronger input counts, and what it leaves out does not", () =>
  Effect.sync(() => {
    assert.deepEqual(merge([{ taskSlots: 2, remember: undefined }, { taskSlots: 3, remember: 5 }]), {
      taskSlots: 2,
      remember: 5
    })
    assert.equal(resolve([{ taskSlots: 2 }, { taskSlots: 3 }], run).taskSlots, 2)
    assert.equal(resolve([], run).defaultParallelism, 3)
    assert.equal(resolve([], run).gracefulStopTimeoutMillis, 10_000)
    assert.equal(resolve([], { ...run, batchMillis: 5000 }).gracefulStopTimeoutMillis, 50_000)
  }))

it("receivers are told what was set, and an initial rate only under backpressure, where there always is one", () =>
  Effect.sync(() => {
    const set = { blockQueueSize: 3, blockInterval: 50, receiverMaxRate: 7 }
    const plain = fromSettings(resolve([set], run))
    assert.deepEqual(
      [plain.blockQueueSize, plain.blockIntervalMillis, plain.maxRate, plain.initialRate],
      [3, 50, 7, undefined]
    )
    assert.equal(fromSettings(resolve([{ backpressure: true }], run)).initialRate, 10_000)
  }))
