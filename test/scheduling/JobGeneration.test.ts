import * as assert from "node:assert/strict"
import { Cause, Clock, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { InputInfoTracker, InvalidInputInfo } from "../../core/scheduling/InputInfoTracker.ts"
import * as Job from "../../core/scheduling/Job.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as JobGenerator from "../../runtime/driver/JobGenerator.ts"
import * as JobScheduler from "../../runtime/driver/JobScheduler.ts"
import { it } from "../kit.ts"

interface Options {
  readonly batchMillis?: number
  readonly concurrentJobs?: number
  readonly onBatchFailure?: "stop" | "skip"
  readonly missedTicks?: "replay" | "coalesce" | "skip"
  readonly hasDirectInputs?: boolean
  readonly runJob?: (job: Job.Job) => Effect.Effect<void, string>
  readonly outputs?: (time: number) => ReadonlyArray<string>
  readonly records?: number
  readonly stopReceivers?: Effect.Effect<void>
  readonly unallocated?: () => boolean
  readonly checkpointing?: JobGenerator.Checkpointing
}

/** A driver without executors: what happens is a list of time and name. */
const driver = Effect.fnUntraced(function* (options: Options = {}) {
  const clock = yield* Clock.Clock
  const log: Array<string> = []
  const events: Array<StreamingEvent> = []
  const causes: Array<Cause.Cause<unknown>> = []
  const note = (what: string) => void log.push(`${clock.currentTimeMillisUnsafe()} ${what}`)
  const fail = (cause: Cause.Cause<unknown>) => void causes.push(cause)
  const post = (event: StreamingEvent) => void events.push(event)
  const runJob = (job: Job.Job) =>
    Effect.andThen(Effect.sync(() => note(`run ${job.id}`)), options.runJob?.(job) ?? Effect.void)
  const onBatchFailure = options.onBatchFailure ?? "stop"
  const scheduler = yield* JobScheduler.make({
    settings: { concurrentJobs: options.concurrentJobs ?? 1, onBatchFailure },
    runJob,
    post,
    fail
  })
  const generator = yield* JobGenerator.make<string>({
    settings: {
      batchMillis: options.batchMillis ?? 1000,
      missedTicks: options.missedTicks ?? "replay",
      onBatchFailure,
      openBatchesMax: 100,
      hasDirectInputs: options.hasDirectInputs ?? false
    },
    scheduler,
    allocate: () => Effect.succeed([{ stream: "in", records: options.records ?? 1 }]),
    generateJobs: (time) =>
      Effect.sync(() => (options.outputs?.(time) ?? ["out"]).map((output) => Job.make(time, output))),
    clearMetadata: (time) => Effect.sync(() => note(`clear ${time}`)),
    checkpointing: options.checkpointing,
    receivers: {
      stopGracefully: options.stopReceivers ?? Effect.void,
      hasUnallocated: options.unallocated ?? (() => false)
    },
    post,
    fail
  })
  return { generator, scheduler, log, events, causes, note }
})

it("every tick becomes a batch at its time, and is cleared when it is done", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(500)
    const { generator, log, events } = yield* driver()
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(2000)
    assert.deepEqual(log, ["1000 run 1000/out", "1000 clear 1000", "2000 run 2000/out", "2000 clear 2000"])
    const told = events.filter((event) => event.kind === "BatchCompleted").map((
      { batch }
    ) => [batch.time, batch.records])
    assert.deepEqual(told, [[1000, 1], [2000, 1]])
  }))

/** Every tracker of inputs that is told something from now on, until the scope closes. */
const trackersInUse = Effect.gen(function* () {
  const seen = new Set<InputInfoTracker>()
  const { report } = InputInfoTracker.prototype
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      InputInfoTracker.prototype.report = function (...told) {
        seen.add(this)
        return report.apply(this, told)
      }
    }),
    () => Effect.sync(() => void (InputInfoTracker.prototype.report = report))
  )
  return seen
})

it("the inputs of batches are forgotten once they are cleared, and not before", () =>
  Effect.gen(function* () {
    const seen = yield* trackersInUse
    const { generator } = yield* driver({ runJob: (job) => Effect.sleep(job.time === 3000 ? 5000 : 0) })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(4000)
    const [tracker] = seen
    const records = () => [1000, 2000, 3000, 4000].map((time) => tracker!.get(time).length)
    assert.deepEqual(records(), [0, 0, 1, 1])
    yield* TestClock.adjust(4000)
    assert.deepEqual(records(), [0, 0, 0, 0])
    assert.equal(seen.size, 1)
  }))

it("slow jobs queue in order, two at a time, and their batches are cleared in order of time", () =>
  Effect.gen(function* () {
    const { generator, log } = yield* driver({
      concurrentJobs: 2,
      runJob: (job) => Effect.sleep(job.time === 1000 ? 5000 : 100)
    })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(6500)
    assert.deepEqual(log.filter((line) => line.includes("clear")), ["6000 clear 5000", "6100 clear 6000"])
    assert.equal(log[0], "1000 run 1000/out")
  }))

it("a batch without anything to do is not submitted, and is cleared at once", () =>
  Effect.gen(function* () {
    const { generator, log, events } = yield* driver({ outputs: (time) => time % 2000 === 0 ? ["out"] : [] })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(2000)
    assert.deepEqual(log, ["1000 clear 1000", "2000 run 2000/out", "2000 clear 2000"])
    assert.deepEqual(events.filter((event) => event.kind === "BatchSubmitted").map(({ batch }) => batch.time), [2000])
  }))

it("a failed job ends the context with its very error", () =>
  Effect.gen(function* () {
    const { generator, causes, scheduler } = yield* driver({ runJob: () => Effect.fail("disk full") })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(1000)
    assert.deepEqual(causes, [Cause.fail("disk full")])
    assert.deepEqual(scheduler.pendingTimes(), [1000])
  }))

it("a job that throws, and one that interrupts itself, are failed jobs too", () =>
  Effect.gen(function* () {
    const { generator, events } = yield* driver({
      onBatchFailure: "skip",
      outputs: () => ["throws", "interrupts"],
      runJob: (job) => {
        if (job.output === "interrupts") return Effect.interrupt
        throw new Error("not an error value")
      }
    })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(1000)
    const completed = events.find((event) => event.kind === "BatchCompleted")
    assert.deepEqual(completed?.batch.outputs.map((output) => output.failureReason), [
      "Error: not an error value",
      "interrupted"
    ])
  }))

it("an input that reports an impossible count fails the generation of its batch, by name", () =>
  Effect.gen(function* () {
    const { generator, causes, events } = yield* driver({ records: -1 })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(1000)
    assert.ok(Cause.squash(causes[0]!) instanceof InvalidInputInfo)
    assert.equal(events.filter((event) => event.kind === "GenerationFailed").length, 1)
  }))

it("a program that throws while its jobs are made ends the context with what it threw", () =>
  Effect.gen(function* () {
    const { generator, causes } = yield* driver({
      outputs: () => {
        throw new Error("error in transform")
      }
    })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(1000)
    assert.match(Cause.pretty(causes[0]!), /error in transform/)
  }))

it("a graceful stop waits for the receivers, batches until nothing is unallocated, and for failed batches too", () =>
  Effect.gen(function* () {
    let left = 3
    const { generator, scheduler, log, causes } = yield* driver({
      outputs: () => {
        left--
        return ["out"]
      },
      unallocated: () => left > 0,
      stopReceivers: Effect.sleep(1500),
      runJob: (job) => Effect.andThen(Effect.sleep(2000), job.time === 2000 ? Effect.fail("no") : Effect.void)
    })
    generator.start({ zeroTime: 0 })
    const stop = yield* Effect.forkScoped(generator.stop({ graceful: true }))
    yield* TestClock.adjust(6999)
    assert.deepEqual([stop.pollUnsafe(), generator.phase(), generator.openTimes()], [undefined, "Draining", [
      2000,
      3000
    ]])
    yield* TestClock.adjust(1)
    yield* Fiber.join(stop)
    assert.deepEqual(log.filter((line) => line.includes("run")), [
      "1000 run 1000/out",
      "3000 run 2000/out",
      "5000 run 3000/out"
    ])
    assert.deepEqual(causes, [])
    yield* scheduler.stop
    assert.deepEqual(causes, [Cause.fail("no")])
    yield* TestClock.adjust(5000)
    assert.equal(log.filter((line) => line.includes("run")).length, 3)
  }))

it("a stop at once interrupts the jobs that run, and waits for their ends", () =>
  Effect.gen(function* () {
    const ends: Array<string> = []
    const { generator, scheduler, causes } = yield* driver({
      runJob: (job) => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void ends.push(job.id)))
    })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(2000)
    yield* generator.stop({ graceful: false })
    yield* scheduler.stop
    assert.deepEqual([ends, causes, generator.phase()], [["1000/out"], [], "Stopped"])
    yield* scheduler.stop
  }))

it("the data of a checkpoint is cleared when the checkpoint after the batch is durable, and a drain waits for it", () =>
  Effect.gen(function* () {
    const written: Array<string> = []
    const { generator } = yield* driver({
      checkpointing: {
        checkpoint: (time, later) => Effect.as(Effect.sleep(300), time !== 1000 || !later),
        clearCheckpointData: (time) => Effect.sync(() => void written.push(`clear data ${time}`))
      }
    })
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(2200)
    assert.deepEqual(written, [])
    const stop = yield* Effect.forkScoped(generator.stop({ graceful: true }))
    yield* TestClock.adjust(50)
    assert.equal(stop.pollUnsafe(), undefined)
    yield* TestClock.adjust(50)
    assert.notEqual(stop.pollUnsafe(), undefined)
    assert.deepEqual(written, ["clear data 2000"])
  }))

it("ticks missed while the process slept are replayed or coalesced, and counted", () =>
  Effect.gen(function* () {
    for (const missedTicks of ["replay", "coalesce"] as const) {
      const { generator, events } = yield* driver({ missedTicks })
      const zeroTime = (yield* Clock.currentTimeMillis) - 10_000
      generator.start({ zeroTime })
      yield* TestClock.adjust(1000)
      yield* generator.stop({ graceful: false })
      const missed = events.flatMap((event) => event.kind === "TicksMissed" ? [event.count] : [])
      const batches = events.filter((event) => event.kind === "BatchCompleted").map(({ batch }) =>
        batch.time - zeroTime
      )
      assert.deepEqual(missed, [9])
      assert.equal(batches.length, missedTicks === "replay" ? 11 : 2)
      assert.deepEqual(batches, batches.toSorted((a, b) => a - b))
    }
  }))

it("when the scope closes everything ends, nothing fails, and nobody waits for ever", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { generator, causes, log } = yield* driver({ runJob: () => Effect.never }).pipe(Scope.provide(scope))
    generator.start({ zeroTime: 0 })
    yield* TestClock.adjust(1500)
    const stop = yield* Effect.forkScoped(generator.stop({ graceful: true }))
    yield* TestClock.adjust(500)
    yield* Scope.close(scope, Exit.void)
    yield* TestClock.adjust(5000)
    assert.notEqual(stop.pollUnsafe(), undefined)
    assert.deepEqual([causes, log.length], [[], 1])
  }))
