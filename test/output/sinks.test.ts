/**
 * Sinks in a running engine: what they are given, in which order batches are committed, what fails and how it is told.
 */
import * as assert from "node:assert/strict"
import { Context, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, type JobFailed, type Output, Sink, StreamingApp } from "../../core/mod.ts"
import type { SettingsInput } from "../../core/mod.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"

const batches = Memory.batches([["a", "b", "c"], [], ["d"], ["e", "f"]], 2)

/** Runs all batches; how it ended. */
const run = (
  outputs: ReadonlyArray<Output.Output<any, any>>,
  settings: SettingsInput = {},
  options: Local.LocalOptions = {},
  layer: Layer.Layer<any> = Layer.empty as Layer.Layer<any>
) =>
  Effect.gen(function* () {
    const app = StreamingApp.make({ name: "sinking", batchDuration: "1 second", outputs, settings, layer })
    const running = yield* Local.run(app as StreamingApp.StreamingApp<unknown>, { batches: 4, coded: true, ...options })
    for (let second = 0; second < 30 && running.pollUnsafe() === undefined; second++) {
      yield* TestClock.adjust("1 second")
      yield* Local.settled
    }
    return yield* Fiber.await(running)
  })

/** Notes what it is given. */
const noting = (log: Array<unknown>, commitMillis: (time: number) => number = () => 0, prepareMillis = commitMillis) =>
  Sink.idempotent({
    name: "noting",
    fence: ({ line: _, ...output }) => Effect.sync(() => log.push(["fence", output])),
    prepare: (records: ReadonlyArray<string>, { partition, time }) =>
      Effect.as(Effect.sleep(prepareMillis(time)), `${partition}:${records.join("")}`),
    commit: ({ time }, prepared) =>
      Effect.andThen(Effect.sleep(commitMillis(time)), Effect.sync(() => log.push([time, ...prepared])))
  })

it("partitions are prepared with their place and committed in their order, under the commit id of their batch", () =>
  Effect.gen(function* () {
    const contexts: Array<Sink.PartitionContext> = []
    const commits: Array<unknown> = []
    const lines = new Set<string | undefined>()
    const sink = Sink.idempotent({
      name: "contexts",
      prepare: (records: ReadonlyArray<string>, { inputs: _, line, ...context }) => {
        lines.add(line)
        contexts.push(context)
        return Effect.succeed({ records, bytes: Uint8Array.of(context.partition) })
      },
      commit: ({ line, ...batch }, prepared) =>
        Effect.sync(() => {
          lines.add(line)
          commits.push({ batch, prepared })
        })
    })
    assert.ok(Exit.isSuccess(yield* run([batches.pipe(DStream.toSink(sink, { name: "out" }))])))
    const batch = {
      app: "sinking",
      output: "out",
      time: 1000,
      epoch: 1,
      numPartitions: 2,
      commitId: "sinking/out/1000"
    }
    const first = contexts.filter(({ time }) => time === 1000).sort((a, b) => a.partition - b.partition)
    assert.deepEqual(first, [{ ...batch, partition: 0, attempt: 0 }, { ...batch, partition: 1, attempt: 0 }])
    assert.deepEqual(commits[0], {
      batch,
      prepared: [{ records: ["a"], bytes: Uint8Array.of(0) }, { records: ["b", "c"], bytes: Uint8Array.of(1) }]
    })
    assert.equal(commits.length, 4)
    assert.equal(lines.size, 1)
    assert.match([...lines][0]!, /^\d{15}-[0-9a-f]{12}$/)
  }))

it("an output is fenced once, before anything else", () =>
  Effect.gen(function* () {
    const log: Array<any> = []
    assert.ok(Exit.isSuccess(yield* run([batches.pipe(DStream.toSink(noting(log), { name: "out" }))])))
    assert.deepEqual(log, [
      ["fence", { app: "sinking", output: "out", epoch: 1 }],
      [1000, "0:a", "1:bc"],
      [2000, "0:", "1:"],
      [3000, "0:", "1:d"],
      [4000, "0:e", "1:f"]
    ])
  }))

it("batches that run at once are committed in order, though later ones are prepared first", () =>
  Effect.gen(function* () {
    const log: Array<any> = []
    // Executors run one task at a time: commits, which are the driver's, take the time.
    const slowFirst = (time: number) => time === 1000 ? 3500 : 0
    const output = batches.pipe(DStream.toSink(noting(log, slowFirst, () => 0), { name: "out" }))
    assert.ok(Exit.isSuccess(yield* run([output], { concurrentJobs: 4 })))
    assert.deepEqual(log.slice(1).map(([time]) => time), [1000, 2000, 3000, 4000])
  }))

/** A sink whose second batch fails, after a while. */
const failingSecond = (committed: Array<number>) =>
  Sink.atLeastOnce({
    name: "failing",
    prepare: (records: ReadonlyArray<string>) => Effect.succeed(records.length),
    commit: ({ time }) =>
      time === 2000
        ? Effect.andThen(Effect.sleep(2500), Effect.fail("no table"))
        : Effect.sync(() => committed.push(time))
  })

it("under policy stop nothing later is committed after a batch that failed, also while a stop works off the others", () =>
  Effect.gen(function* () {
    const committed: Array<number> = []
    const sink = failingSecond(committed)
    const exit = yield* run([batches.pipe(DStream.toSink(sink))], { concurrentJobs: 3 })
    assert.match(String(exit), /no table/)
    assert.deepEqual(committed, [1000])
  }))

it("under policy skip a failed batch is left out and the ones after it are committed in order", () =>
  Effect.gen(function* () {
    const committed: Array<number> = []
    const sink = failingSecond(committed)
    const exit = yield* run([batches.pipe(DStream.toSink(sink))], { concurrentJobs: 3, onBatchFailure: "skip" })
    assert.ok(Exit.isSuccess(exit))
    assert.deepEqual(committed, [1000, 3000, 4000])
  }))

it("a driver that is fenced ends, under policy skip too, with who has taken over", () =>
  Effect.gen(function* () {
    const sink = Sink.transactional({
      name: "fenced",
      prepare: () => Effect.void,
      fence: () => Effect.void,
      commit: (batch) => batch.time > 1000 ? Effect.fail(Sink.Fenced.of(batch, 7)) : Effect.void
    })
    const exit = yield* run([batches.pipe(DStream.toSink(sink, { name: "out" }))], { onBatchFailure: "skip" })
    assert.ok(Exit.isFailure(exit))
    assert.match(String(exit), /Fenced.*output "out" belongs to a driver of epoch 7, and this one is of epoch 1/s)
  }))

it("a driver whose executors are fenced ends, under policy skip too, at the first attempt", () =>
  Effect.gen(function* () {
    let current = 1
    let writes = 0
    const sink = Sink.perPartition({
      name: "fenced",
      guarantee: "transactional",
      fence: (output) => current > output.epoch ? Effect.fail(Sink.Fenced.of(output, current)) : Effect.void,
      write: (_, context) =>
        Effect.suspend(() => {
          if (context.time > 1000) {
            current = 7
            writes++
          }
          return current > context.epoch ? Effect.fail(Sink.Fenced.of(context, current)) : Effect.void
        })
    })
    const one = Memory.batches([["a"], ["b"], ["c"], ["d"]])
    const exit = yield* run([one.pipe(DStream.toSink(sink, { name: "out" }))], { onBatchFailure: "skip" })
    assert.ok(Exit.isFailure(exit))
    assert.match(String(exit), /Fenced.*output "out" belongs to a driver of epoch 7, and this one is of epoch 1/s)
    assert.equal(writes, 1)
  }))

it("a sink that commits partitions writes them on executors, in the order of batches, under ids of their own", () =>
  Effect.gen(function* () {
    const written: Array<string> = []
    const sink = Sink.perPartition({
      name: "parts",
      guarantee: "idempotent",
      write: (records: ReadonlyArray<string>, { commitId, time }) =>
        Effect.andThen(
          Effect.sleep(time === 1000 ? 1500 : 0),
          Effect.sync(() => written.push(`${commitId} ${records.join("")}`))
        )
    })
    const output = batches.pipe(DStream.toSink(sink, { name: "out" }))
    assert.ok(Exit.isSuccess(yield* run([output], { concurrentJobs: 4 }, { executors: 2 })))
    assert.deepEqual(written.slice(0, 2).sort(), ["sinking/out/1000/0 a", "sinking/out/1000/1 bc"])
    const times = written.map((line) => Number(line.split("/")[2]))
    assert.deepEqual(times, times.toSorted((a, b) => a - b))
    assert.equal(written.length, 8)
  }))

it("what is prepared has to be small, and plain data: else the job fails at once with what to do", () =>
  Effect.gen(function* () {
    const prepared = (value: unknown, preparedBytesMax?: number) =>
      batches.pipe(DStream.toSink(
        Sink.idempotent({
          name: "big",
          prepare: () => Effect.succeed(value),
          commit: () => Effect.void,
          preparedBytesMax
        }),
        { name: "out" }
      ))
    const large = "x".repeat((1 << 20) + 1)
    for (const coded of [true, false]) {
      const exit = yield* run([prepared(large)], {}, { coded })
      assert.match(
        String(exit),
        /prepare of the sink "big" gave \d+ bytes, and may give 1048576 \(preparedBytesMax\): leave the records/
      )
      assert.doesNotMatch(String(exit), /failed 4 times/)
      assert.ok(Exit.isSuccess(yield* run([prepared(large, 1 << 23)], {}, { coded })))
    }
    const exit = yield* run([prepared({ close: () => {} })])
    assert.match(String(exit), /what prepare of the sink "big" gave cannot leave its executor/)
  }))

class Store extends Context.Service<Store, { readonly where: string }>()("test/Store") {}

it("each step has the app's layer, and what it fails with is told; no Effect and a missing service are told with what to do", () =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const need = Effect.map(Store, ({ where }) => void seen.push(where))
    const sink = (steps: Partial<Parameters<typeof Sink.transactional>[0]> = {}) =>
      batches.pipe(DStream.toSink(
        Sink.transactional<string, unknown, any, any, any, any, any, any>({
          name: "stores",
          prepare: () => need,
          commit: () => need,
          fence: () => need,
          ...steps
        }),
        { name: "out" }
      ))
    const layer = Layer.succeed(Store, { where: "here" })
    assert.ok(Exit.isSuccess(yield* run([sink()], {}, {}, layer)))
    assert.equal(seen.length, 1 + 4 * 3)
    for (const step of ["prepare", "commit", "fence"] as const) {
      const failed = String(yield* run([sink({ [step]: () => Effect.fail(new Error("no disk")) })], {}, {}, layer))
      assert.match(failed, /no disk/, step)
      const promise = String(yield* run([sink({ [step]: () => Promise.resolve(1) as any })], {}, {}, layer))
      assert.match(
        promise,
        new RegExp(`${step} has to return an Effect, and returned a Promise; use Effect.promise`),
        step
      )
      const thrown = String(
        yield* run(
          [sink({
            [step]: () => {
              throw new Error("at once")
            }
          })],
          {},
          {},
          layer
        )
      )
      assert.match(thrown, /at once/, step)
    }
    const missing = String(yield* run([sink()]))
    assert.match(missing, /Service not found: test\/Store; give it in StreamingApp\.make\(\{ layer \}\)/)
  }))

it("a partition that fails is prepared again, with its number of attempts", () =>
  Effect.gen(function* () {
    const attempts: Array<number> = []
    const sink = Sink.idempotent({
      name: "again",
      prepare: (_: ReadonlyArray<string>, { attempt, partition, time }) => {
        if (time === 1000 && partition === 1) attempts.push(attempt)
        return time === 1000 && partition === 1 && attempt < 2 ? Effect.fail("not yet") : Effect.succeed(attempt)
      },
      commit: ({ time }, prepared) =>
        time === 1000 ? Effect.sync(() => assert.deepEqual(prepared, [0, 2])) : Effect.void
    })
    const exit: Exit.Exit<void, unknown | JobFailed> = yield* run([batches.pipe(DStream.toSink(sink))])
    assert.ok(Exit.isSuccess(exit), String(exit))
    assert.deepEqual(attempts, [0, 1, 2])
  }))
