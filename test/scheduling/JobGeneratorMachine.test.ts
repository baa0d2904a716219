import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Cause } from "effect"
import fc from "fast-check"
import * as Job from "../../core/scheduling/Job.ts"
import * as JobGenerator from "../../core/scheduling/JobGenerator.ts"
import type { BatchResult } from "../../core/scheduling/JobScheduler.ts"

type Command = JobGenerator.JobGeneratorCommand<string>
type State = JobGenerator.JobGeneratorState<string>

const batchMillis = 10
const settings = (
  missedTicks: "replay" | "coalesce" | "skip" = "replay",
  onBatchFailure: "stop" | "skip" = "stop",
  openBatchesMax = 3
): JobGenerator.JobGeneratorSettings => ({ batchMillis, missedTicks, onBatchFailure, openBatchesMax })

/** What the machine has asked for and not yet heard of: plain data, so that worlds can be compared. */
interface World {
  readonly state: State
  readonly generating: ReadonlyArray<number>
  readonly submitted: ReadonlyArray<number>
  readonly checkpoints: ReadonlyArray<readonly [time: number, later: boolean]>
  readonly stoppingReceivers: boolean
  readonly ticking: boolean
  readonly now: number
}

const world: World = {
  state: JobGenerator.initial(),
  generating: [],
  submitted: [],
  checkpoints: [],
  stoppingReceivers: false,
  ticking: false,
  now: 0
}

type Step = readonly [World, ReadonlyArray<Command>]

const send = (config: JobGenerator.JobGeneratorSettings, from: World, event: JobGenerator.JobGeneratorEvent<string>): Step => {
  const [state, commands] = JobGenerator.step(config)(from.state, event)
  const performed = commands.reduce((world, command): World => {
    switch (command.kind) {
      case "GenerateJobs":
        return { ...world, generating: [...world.generating, command.time] }
      case "SubmitJobSet":
        return { ...world, submitted: [...world.submitted, command.time] }
      case "DoCheckpoint":
        return { ...world, checkpoints: [...world.checkpoints, [command.time, command.clearCheckpointDataLater]] }
      case "StopReceivers":
        return { ...world, stoppingReceivers: true }
      case "StartTimer":
        return { ...world, ticking: true }
      case "StopTimer":
        return { ...world, ticking: false }
      default:
        return world
    }
  }, { ...from, state })
  return [performed, commands]
}

type Config = JobGenerator.JobGeneratorSettings

const tick = (config: Config, from: World, ticks = 1): Step => {
  const now = from.now + ticks * batchMillis
  return from.ticking
    ? send(config, { ...from, now }, { kind: "TimerTicked", time: now })
    : [{ ...from, now }, []]
}

/** The batch that is being generated gets jobs, none, or fails. */
const generate = (config: Config, from: World, jobs: number | "failed", unallocated: boolean): Step => {
  const [time, ...rest] = from.generating
  const to = { ...from, generating: rest }
  if (jobs === "failed") return send(config, to, { kind: "GenerationFailed", time: time!, cause: Cause.fail("boom") })
  const outputs = Array.from({ length: jobs }, (_, index) => Job.make(time!, `out-${index}`))
  return send(config, to, { kind: "BatchGenerated", time: time!, jobs: outputs, inputs: [], unallocated })
}

const complete = (config: Config, from: World, index: number, result: BatchResult): Step => {
  const time = from.submitted[index]!
  const submitted = from.submitted.filter((other) => other !== time)
  return send(config, { ...from, submitted }, { kind: "BatchCompleted", time, result })
}

const checkpointed = (config: Config, from: World, index: number): Step => {
  const [time, clearCheckpointDataLater] = from.checkpoints[index]!
  const checkpoints = from.checkpoints.filter((_, other) => other !== index)
  return send(config, { ...from, checkpoints }, { kind: "CheckpointCompleted", time, clearCheckpointDataLater, written: true })
}

const receiversStopped = (config: Config, from: World, unallocated: boolean): Step =>
  send(config, { ...from, stoppingReceivers: false }, { kind: "ReceiversStopped", unallocated })

const started = (config: Config): World => send(config, world, { kind: "Started", zeroTime: 0 })[0]

/** A run by hand: applies steps and keeps the commands. */
const run = (config: Config, steps: ReadonlyArray<(config: Config, world: World) => Step>, from = started(config)) => {
  let current = from
  const log: Array<Command> = []
  for (const step of steps) {
    const [next, commands] = step(config, current)
    current = next
    log.push(...commands)
  }
  return { world: current, log, shape: log.map((command) => "time" in command ? `${command.kind} ${command.time}` : command.kind) }
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
  const three = Array.from({ length: 3 }, () => [tick, (config: Config, world: World) => generate(config, world, 1, false)]).flat()
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

test("a stop at once cuts a graceful one short, and a stop before the start is no error", () => {
  const stop = (graceful: boolean) => (config: Config, from: World) => send(config, from, { kind: "StopRequested", graceful })
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

/** Every step that the outside may take next. */
const moves = (config: Config, from: World): ReadonlyArray<Step> => {
  const { state } = from
  const steps: Array<Step> = []
  if (state.phase === "Initialized") return [send(config, from, { kind: "Started", zeroTime: 0 })]
  if (state.phase === "Stopped") return []
  if (from.ticking && from.now < 3 * batchMillis) steps.push(tick(config, from), tick(config, from, 2))
  if (from.generating.length > 0) {
    const unallocated = state.phase === "Draining" ? [true, false] : [true]
    for (const left of unallocated) steps.push(generate(config, from, 1, left))
    steps.push(generate(config, from, 0, false), generate(config, from, "failed", true))
  }
  from.submitted.forEach((_, index) => {
    steps.push(complete(config, from, index, "processed"), complete(config, from, index, "failed"))
  })
  if (from.checkpoints.length > 0) steps.push(checkpointed(config, from, 0))
  if (from.stoppingReceivers) steps.push(receiversStopped(config, from, true), receiversStopped(config, from, false))
  if (state.phase === "Running") steps.push(send(config, from, { kind: "StopRequested", graceful: true }))
  return steps
}

/** What must hold in every world, and of every step. */
const check = (config: Config, before: World, [after, commands]: Step) => {
  assert.ok(after.generating.length <= 1, "one batch is generated at a time")
  const open = after.state.open.filter(({ pending }) => !pending).length
  assert.ok(open + after.generating.length <= config.openBatchesMax, "more batches are open than may")
  for (const command of commands) {
    if (command.kind === "GenerateJobs") {
      assert.ok(command.time > Math.max(before.state.cursor, ...before.state.open.map(({ time }) => time)), "times grow")
      if (config.missedTicks === "replay") assert.equal(command.time, before.state.cursor + batchMillis, "by one interval")
    }
    if (command.kind === "ClearMetadata") {
      const oldest = Math.min(...after.submitted, ...after.generating, ...after.state.open.map(({ time }) => time))
      assert.ok(command.time < oldest && command.time > before.state.cleared, "nothing open is cleared")
    }
    if (command.kind === "Stopped" && before.state.phase === "Draining" && after.state.phase === "Stopped") {
      assert.deepEqual([after.submitted, after.generating, after.checkpoints, after.ticking], [[], [], [], false])
    }
  }
}

/** A fair outside: everything asked for is done, and in the end nothing is unallocated. */
const settle = (config: Config, from: World): World => {
  let current = from
  for (let steps = 0; current.state.phase === "Draining"; steps++) {
    assert.ok(steps < 100, `the drain does not end: ${JSON.stringify(current)}`)
    if (current.stoppingReceivers) current = receiversStopped(config, current, true)[0]
    else if (current.generating.length > 0) current = generate(config, current, 1, false)[0]
    else if (current.submitted.length > 0) current = complete(config, current, 0, "failed")[0]
    else if (current.checkpoints.length > 0) current = checkpointed(config, current, 0)[0]
    else current = tick(config, current)[0]
  }
  return current
}

for (const missedTicks of ["replay", "coalesce", "skip"] as const) {
  for (const onBatchFailure of ["stop", "skip"] as const) {
    test(`every order of events over three ticks keeps the invariants, and every drain ends (${missedTicks}, ${onBatchFailure})`, () => {
      const config = settings(missedTicks, onBatchFailure, 2)
      const seen = new Set<string>()
      const queue: Array<World> = [world]
      for (let current = queue.pop(); current !== undefined; current = queue.pop()) {
        for (const step of moves(config, current)) {
          check(config, current, step)
          const key = JSON.stringify(step[0])
          if (seen.has(key)) continue
          seen.add(key)
          queue.push(step[0])
          if (step[0].state.phase === "Draining") assert.equal(settle(config, step[0]).state.phase, "Stopped")
        }
      }
      assert.ok(seen.size > 1000, `only ${seen.size} worlds were reached`)
    })
  }
}

test("long random runs keep the invariants under every policy", () => {
  const config = fc.record({
    batchMillis: fc.constant(batchMillis),
    missedTicks: fc.constantFrom("replay" as const, "coalesce" as const, "skip" as const),
    onBatchFailure: fc.constantFrom("stop" as const, "skip" as const),
    openBatchesMax: fc.integer({ min: 1, max: 5 })
  })
  fc.assert(fc.property(config, fc.array(fc.nat(1000), { maxLength: 200 }), (config, choices) => {
    let current = started(config)
    for (const choice of choices) {
      const options = moves(config, current)
      // `moves` stops the clock to stay finite; here it goes on.
      const ticks = choice % 3 === 0 || options.length === 0
      const step = ticks ? tick(config, current, 1 + choice % 4) : options[choice % options.length]!
      check(config, current, step)
      current = step[0]
    }
    if (current.state.phase === "Stopped") return
    const [draining] = send(config, current, { kind: "StopRequested", graceful: true })
    assert.equal(settle(config, draining).state.phase, "Stopped")
  }))
})
