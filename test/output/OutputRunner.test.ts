/**
 * What the driver's log is told of outputs, and what a recovery does not run again.
 */
import * as assert from "node:assert/strict"
import { Cause, Context, Effect, Exit } from "effect"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, JobFailed, type Output, Sink } from "../../core/mod.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import * as Job from "../../core/scheduling/Job.ts"
import { ConsoleFailed, ConsoleWritten } from "../../runtime/driver/outputs/ConsoleWritten.ts"
import * as OutputRunner from "../../runtime/driver/outputs/OutputRunner.ts"
import * as SinkRunner from "../../runtime/driver/outputs/SinkRunner.ts"
import { it } from "../kit.ts"

const numbers = Memory.batches([[1, 2]])

/** Outputs over a state, with tasks that do nothing but are noted. */
const world = (
  outputs: Record<string, Output.AnyOutput>,
  { finished = [], policy = "stop", fails = () => false }: {
    readonly finished?: ReadonlyArray<string>
    readonly policy?: "stop" | "skip"
    readonly fails?: (output: string) => boolean
  } = {}
) => {
  const log: Array<string> = []
  const ended: Array<Cause.Cause<unknown>> = []
  const graph = {
    manifest: { app: "app" },
    outputs: Object.entries(outputs).map(([id, output]) => ({ id, output, stream: "counts" })),
    node: (id: string) =>
      id === "counts" ? { parents: ["in"], checkpointMillis: 1000 } : { parents: [], checkpointMillis: undefined }
  }
  const run = OutputRunner.make({
    graph: graph as any,
    memo: {
      getOrCompute: (_: string, time: number) => ({ numPartitions: 1, identity: { id: `counts@${time}:0`, time } })
    } as any,
    tasks: {
      isComplete: () => false,
      runJob: ({ action, output }: any) =>
        Effect.suspend(() => {
          if (fails(output)) {
            return Effect.fail(new JobFailed({ time: 0, output, operator: output, partition: 0, message: "poison" }))
          }
          log.push(`${action.kind} ${output}`)
          return Effect.succeed([{ kind: "value", value: "prepared" }])
        })
    } as any,
    border: Border.local,
    context: Context.empty() as Context.Context<any>,
    epoch: 3,
    line: "",
    settings: { onBatchFailure: policy },
    log: {
      isFinished: (time, output) => finished.includes(`${output} ${time}`),
      outputFinished: (time, output) => void log.push(`finished ${output} ${time}`),
      recordSkipped: (time, output) => Effect.sync(() => void log.push(`skipped ${output} ${time}`))
    },
    fail: (cause) => void ended.push(cause)
  })
  return { log, ended, run: (output: string, time = 1000) => Effect.exit(run(Job.make(time, output))) }
}

const sink = (log?: Array<string>) =>
  Sink.idempotent({
    name: "out",
    prepare: () => Effect.succeed("prepared"),
    fence: ({ epoch, output }) => Effect.sync(() => log?.push(`fence ${output} ${epoch}`)),
    commit: ({ commitId }, prepared) => Effect.sync(() => log?.push(`commit ${commitId} ${prepared}`))
  })

it("what reads a batch is told the commit id that a sink would get", () =>
  Effect.gen(function* () {
    const told: Array<string> = []
    const { run } = world({
      "a/b": numbers.pipe(DStream.foreachBatch(({ commitId }) => Effect.sync(() => told.push(commitId))))
    })
    for (const time of [1000, 1000, 2000]) yield* run("a/b", time)
    assert.deepEqual(told, ["app/a%2Fb/1000", "app/a%2Fb/1000", "app/a%2Fb/2000"])
  }))

it("an output is told to be finished when it is done, before its states take their step", () =>
  Effect.gen(function* () {
    const said: Array<string> = []
    const { log, run } = world({
      sunk: numbers.pipe(DStream.toSink(sink(said))),
      each: numbers.pipe(DStream.foreachPartition(() => Effect.void)),
      read: numbers.pipe(DStream.foreachBatch(() => Effect.sync(() => log.push("read"))))
    })
    for (const output of ["sunk", "each", "read"]) assert.ok(Exit.isSuccess(yield* run(output)), output)
    assert.deepEqual(log, [
      ...["foreachPartition sunk", "finished sunk 1000", "take sunk"],
      ...["foreachPartition each", "finished each 1000", "take each"],
      ...["read", "finished read 1000", "take read"]
    ])
    assert.deepEqual(said, ["fence sunk 3", "commit app/sunk/1000 prepared"])
  }))

it("an output whose words could not be written has failed, and is not told to be finished", () =>
  Effect.gen(function* () {
    const { log, run } = world({ print: numbers.pipe(DStream.foreachPartition(() => Effect.void)) })
    const full = Effect.fail(new ConsoleFailed({ code: "ENOSPC", message: "the disk is full" }))
    const exit = yield* run("print").pipe(Effect.provideService(ConsoleWritten, full))
    assert.ok(Exit.isFailure(exit))
    assert.deepEqual(log, ["foreachPartition print"])
  }))

it("an output that was finished before is not run again, and holds nobody up", () =>
  Effect.gen(function* () {
    const { log, run } = world({ sunk: numbers.pipe(DStream.toSink(sink())) }, { finished: ["sunk 1000", "sunk 3000"] })
    for (const time of [1000, 2000, 3000, 4000]) assert.ok(Exit.isSuccess(yield* run("sunk", time)))
    assert.deepEqual(log, [
      ...["foreachPartition sunk", "finished sunk 2000", "take sunk"],
      ...["foreachPartition sunk", "finished sunk 4000", "take sunk"]
    ])
  }))

it("under policy skip the skip of a failed output is recorded before its job ends, whatever its kind; under stop there is none", () =>
  Effect.gen(function* () {
    const outputs = {
      sunk: numbers.pipe(DStream.toSink(sink())),
      each: numbers.pipe(DStream.foreachPartition(() => Effect.void)),
      read: numbers.pipe(DStream.foreachBatch((batch) => batch.count))
    }
    for (const policy of ["stop", "skip"] as const) {
      const { log, run } = world(outputs, { policy, fails: () => true })
      for (const output of Object.keys(outputs)) {
        const exit = yield* run(output)
        assert.ok(Exit.isFailure(exit) && /poison/.test(String(exit)))
      }
      assert.deepEqual(log, policy === "stop" ? [] : ["skipped sunk 1000", "skipped each 1000", "skipped read 1000"])
    }
  }))

it("a driver whose output belongs to another ends at once, under policy skip too", () =>
  Effect.gen(function* () {
    const fenced = Sink.transactional({
      name: "out",
      prepare: () => Effect.void,
      fence: (output) => Effect.fail(Sink.Fenced.of(output, 4)),
      commit: () => Effect.void
    })
    const { ended, run } = world({ sunk: numbers.pipe(DStream.toSink(fenced)) }, { policy: "skip" })
    assert.ok(Exit.isFailure(yield* run("sunk")))
    assert.equal(ended.length, 1)
    assert.ok(Cause.squash(ended[0]!) instanceof Sink.Fenced)
  }))

it("a driver that takes over fences all sinks, and fails where one belongs to a later driver", () =>
  Effect.gen(function* () {
    const said: Array<string> = []
    const graphOf = (outputs: Record<string, Output.AnyOutput>): any => ({
      manifest: { app: "app" },
      outputs: Object.entries(outputs).map(([id, output]) => ({ id, output, stream: "counts" }))
    })
    const context = Context.empty() as Context.Context<any>
    const good = {
      a: numbers.pipe(DStream.toSink(sink(said))),
      b: numbers.pipe(DStream.toSink(sink(said))),
      c: numbers.pipe(DStream.print())
    }
    yield* SinkRunner.fenceOutputs(graphOf(good), { epoch: 5 }, context)
    assert.deepEqual(said, ["fence a 5", "fence b 5"])
    const fenced = Sink.transactional({
      name: "out",
      prepare: () => Effect.void,
      fence: (output) => Effect.fail(Sink.Fenced.of(output, 9)),
      commit: () => Effect.void
    })
    const error: unknown = yield* Effect.flip(
      SinkRunner.fenceOutputs(graphOf({ a: numbers.pipe(DStream.toSink(fenced)) }), { epoch: 5 }, context)
    )
    assert.ok(error instanceof Sink.Fenced && error.current === 9)
  }))
