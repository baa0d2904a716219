import * as assert from "node:assert/strict"
import { test } from "node:test"
import type { Command, Config, Step, World } from "./generatorWorld.ts"
import {
  checkpointed,
  complete,
  generate,
  receiversStopped,
  send,
  setBack,
  settings,
  started
} from "./generatorWorld.ts"
import { tick, world } from "./generatorWorld.ts"

/** A run by hand: applies steps and keeps the commands. */
const run = (config: Config, steps: ReadonlyArray<(config: Config, world: World) => Step>, from = started(config)) => {
  let current = from
  const log: Array<Command> = []
  for (const step of steps) {
    const [next, commands] = step(config, current)
    current = next
    log.push(...commands)
  }
  return {
    world: current,
    log,
    shape: log.map((command) => "time" in command ? `${command.kind} ${command.time}` : command.kind)
  }
}

test("a batch is generated, submitted and checkpointed; when it is done, cleared, checkpointed, and then its data", () => {
  const { shape } = run(settings(), [
    tick,
    (config, world) => generate(config, world, 1, false),
    (config, world) => checkpointed(config, world, 0),
    (config, world) => complete(config, world, 0, "processed"),
    (config, world) => checkpointed(config, world, 0)
  ])
  assert.deepEqual(shape, [
    "GenerateJobs 10",
    "SubmitJobSet 10",
    "DoCheckpoint 10",
    "ClearMetadata 10",
    "DoCheckpoint 10",
    "ClearCheckpointData 10"
  ])
})

test("batches that complete out of order clear only up to the oldest that is open", () => {
  const three = Array.from(
    { length: 3 },
    () => [tick, (config: Config, world: World) => generate(config, world, 1, false)]
  ).flat()
  const { log } = run(settings(), [
    ...three,
    (config, world) => complete(config, world, 2, "processed"),
    (config, world) => complete(config, world, 0, "processed"),
    (config, world) => complete(config, world, 0, "processed")
  ])
  assert.deepEqual(log.flatMap((command) => command.kind === "ClearMetadata" ? [command.time] : []), [10, 30])
})

test("a batch that never finishes keeps everything from it on, however many come after", () => {
  const config = settings("replay", "stop", 100)
  const steps = Array.from({ length: 10 }, () => [
    tick,
    (config: Config, world: World) => generate(config, world, 1, false),
    (config: Config, world: World) => {
      const index = world.submitted.findIndex((time) => time !== 30)
      return index < 0 ? [world, []] as Step : complete(config, world, index, "processed")
    }
  ]).flat()
  const { log } = run(config, steps)
  assert.deepEqual(log.flatMap((command) => command.kind === "ClearMetadata" ? [command.time] : []), [10, 20])
})

test("replay: ticks that come while batches are open wait in a range and become batches one by one", () => {
  const config = settings("replay", "stop", 1)
  const { shape, world } = run(config, [
    (config, world) => tick(config, world, 3),
    (config, world) => generate(config, world, 1, false),
    (config, world) => complete(config, world, 0, "processed"),
    (config, world) => generate(config, world, 0, false)
  ])
  assert.deepEqual(shape.filter((name) => /Generate|Report/.test(name)), [
    "ReportMissed",
    "GenerateJobs 10",
    "GenerateJobs 20",
    "GenerateJobs 30"
  ])
  assert.equal(world.state.due, 30)
})

test("coalesce: of the ticks that wait the last becomes a batch, and the others are counted", () => {
  const { log, shape } = run(settings("coalesce", "stop", 1), [
    tick,
    (config, world) => tick(config, world, 4),
    (config, world) => generate(config, world, 1, false),
    (config, world) => complete(config, world, 0, "processed")
  ])
  assert.deepEqual(shape.filter((name) => /Generate/.test(name)), ["GenerateJobs 10", "GenerateJobs 50"])
  assert.deepEqual(log.flatMap((command) => command.kind === "ReportMissed" ? [command.missed] : []), [
    { first: 20, last: 40, count: 3 }
  ])
})

test("skip: a tick that finds the generator busy is passed over, and counted", () => {
  const { log, shape } = run(settings("skip", "stop", 1), [
    (config, world) => tick(config, world, 2),
    tick,
    (config, world) => generate(config, world, 1, false),
    (config, world) => complete(config, world, 0, "processed"),
    tick
  ])
  assert.deepEqual(shape.filter((name) => /Generate/.test(name)), ["GenerateJobs 20", "GenerateJobs 40"])
  assert.deepEqual(log.flatMap((command) => command.kind === "ReportMissed" ? [command.missed] : []), [
    { first: 10, last: 10, count: 1 },
    { first: 30, last: 30, count: 1 }
  ])
})

test("a tick that was told already, or lies in the past, makes no batch", () => {
  const config = settings()
  const { shape } = run(config, [
    tick,
    (config, world) => send(config, world, { kind: "TimerTicked", time: 10 }),
    (config, world) => send(config, world, { kind: "TimerTicked", time: -50 }),
    (config, world) => generate(config, world, 1, false)
  ])
  assert.deepEqual(shape.filter((name) => /Generate|Report/.test(name)), ["GenerateJobs 10"])
})

test("coalesce and skip: a tick at which something slides that has not had the last batch is not passed over", () => {
  const shapeUnder = (missedTicks: "coalesce" | "skip") =>
    run({ ...settings(missedTicks, "stop", 1), longSlides: [30] }, [
      tick,
      (config, world) => generate(config, world, 1, false),
      (config, world) => tick(config, world, 6),
      (config, world) => complete(config, world, 0, "processed"),
      (config, world) => generate(config, world, 1, false),
      tick,
      (config, world) => complete(config, world, 0, "processed"),
      (config, world) => generate(config, world, 1, false),
      (config, world) => complete(config, world, 0, "processed"),
      (config, world) => tick(config, world),
      (config, world) => generate(config, world, 1, false)
    ]).shape.filter((name) => name.startsWith("Generate"))
  assert.deepEqual(shapeUnder("coalesce"), ["GenerateJobs 10", "GenerateJobs 30", "GenerateJobs 80", "GenerateJobs 90"])
  assert.deepEqual(shapeUnder("skip"), ["GenerateJobs 10", "GenerateJobs 30", "GenerateJobs 90"])
})

test("a batch that cannot be generated ends the context under stop, and is passed over under skip", () => {
  const fails = [tick, (config: Config, world: World) => generate(config, world, "failed", true), tick]
  assert.deepEqual(run(settings("replay", "stop"), fails).shape, [
    "GenerateJobs 10",
    "ReportFailed 10",
    "StopTimer",
    "Fail",
    "Stopped"
  ])
  assert.deepEqual(run(settings("replay", "skip"), fails).shape, [
    "GenerateJobs 10",
    "ReportFailed 10",
    "ClearMetadata 10",
    "DoCheckpoint 10",
    "GenerateJobs 20"
  ])
})

test("a graceful stop generates until nothing is unallocated, then stops the timer, then waits for the batches", () => {
  const { shape } = run(settings(), [
    (config, world) => send(config, world, { kind: "StopRequested", graceful: true }),
    tick,
    (config, world) => generate(config, world, 1, true),
    (config, world) => receiversStopped(config, world, true),
    tick,
    (config, world) => generate(config, world, 1, false),
    tick,
    (config, world) => complete(config, world, 1, "failed"),
    (config, world) => complete(config, world, 0, "processed"),
    (config, world) => checkpointed(config, world, 0),
    (config, world) => checkpointed(config, world, 0),
    (config, world) => checkpointed(config, world, 0)
  ])
  assert.deepEqual(shape, [
    "StopReceivers",
    "GenerateJobs 10",
    "SubmitJobSet 10",
    "DoCheckpoint 10",
    "GenerateJobs 20",
    "SubmitJobSet 20",
    "DoCheckpoint 20",
    "StopTimer",
    "ClearMetadata 10",
    "DoCheckpoint 10",
    "ClearCheckpointData 10",
    "Stopped"
  ])
})

test("skip: a graceful stop still takes what direct inputs have when the tick that it waited for was passed over", () => {
  const { shape } = run(settings("skip", "stop", 1, true), [
    tick,
    (config, world) => send(config, world, { kind: "StopRequested", graceful: true }),
    tick,
    (config, world) => generate(config, world, 1, false),
    (config, world) => receiversStopped(config, world, false),
    (config, world) => complete(config, world, 0, "processed"),
    tick
  ])
  assert.deepEqual(shape.filter((name) => /Generate|StopTimer/.test(name)), ["GenerateJobs 10", "GenerateJobs 30"])
})

test("a generation that fails during a drain ends it early, and is told at the end under either policy", () => {
  for (const onBatchFailure of ["stop", "skip"] as const) {
    const { shape } = run(settings("replay", onBatchFailure), [
      (config, world) => send(config, world, { kind: "StopRequested", graceful: true }),
      (config, world) => receiversStopped(config, world, true),
      (config, world) => tick(config, world, 2),
      (config, world) => generate(config, world, "failed", true),
      (config, world) => world.checkpoints.length > 0 ? checkpointed(config, world, 0) : [world, []]
    ])
    assert.deepEqual(shape.filter((name) => !/Checkpoint|Clear|Missed/.test(name)), [
      "StopReceivers",
      "GenerateJobs 10",
      "ReportFailed 10",
      "StopTimer",
      "Fail",
      "Stopped"
    ])
  }
})

test("a clock that is set back is told with the last tick, and ticks go on when it is past that", () => {
  const { log, world } = run(settings(), [
    (config, world) => tick(config, world, 3),
    setBack,
    (config, world) => send(config, world, { kind: "TimerTicked", time: 30 })
  ])
  assert.deepEqual(log.at(-1), { kind: "ReportClockSetBack", now: 10, lastTick: 30 })
  assert.deepEqual([world.state.due, world.state.clockBehind], [30, true])
  assert.equal(tick(settings(), world)[0].state.clockBehind, false)
})

test("what is unallocated when the receivers have stopped gets one more batch although the clock was set back", () => {
  for (const missedTicks of ["replay", "coalesce", "skip"] as const) {
    const stop = (config: Config, from: World) => send(config, from, { kind: "StopRequested", graceful: true })
    const { shape } = run(settings(missedTicks), [
      tick,
      (config, world) => generate(config, world, 1, true),
      ...missedTicks === "skip" ? [setBack, stop] : [stop, setBack],
      (config, world) => receiversStopped(config, world, true),
      (config, world) => generate(config, world, 1, false),
      // The clock has caught up with the batch that was ahead of it.
      tick
    ])
    assert.deepEqual(shape.filter((name) => /Generate|Timer|Missed/.test(name)), [
      "GenerateJobs 10",
      "GenerateJobs 20",
      "StopTimer"
    ])
  }
})

test("a stop at once cuts a graceful one short, and a stop before the start is no error", () => {
  const stop = (graceful: boolean) => (config: Config, from: World) =>
    send(config, from, { kind: "StopRequested", graceful })
  assert.deepEqual(run(settings(), [tick, stop(true), stop(true), stop(false), tick]).shape, [
    "GenerateJobs 10",
    "StopReceivers",
    "StopTimer",
    "Stopped"
  ])
  assert.deepEqual(run(settings(), [stop(true)], world).shape, ["Stopped"])
})

test("after a recovery the pending batches come first, then the ticks of the down-time", () => {
  const config = settings()
  const [recovered] = send(config, { ...world, now: 50 }, { kind: "Started", zeroTime: 0, after: 50, again: [30, 50] })
  const finish = (config: Config, from: World) => complete(config, generate(config, from, 1, false)[0], 0, "processed")
  const generated = [recovered.state.generating]
  let current = tick(config, recovered, 2)[0]
  while (current.state.generating !== undefined) {
    current = finish(config, current)[0]
    generated.push(current.state.generating)
  }
  assert.deepEqual(generated, [30, 50, 60, 70, undefined])
  assert.equal(current.state.cleared, 70)
  assert.throws(() => send(config, world, { kind: "Started", zeroTime: 0, after: 50, again: [50, 30] }), /have to grow/)
})
