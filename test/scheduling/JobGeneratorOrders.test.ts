import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { Config, Step, World } from "./generatorWorld.ts"
import { batchMillis, checkpointed, complete, generate, receiversStopped } from "./generatorWorld.ts"
import { send, setBack, settings, started, tick, world } from "./generatorWorld.ts"

/** Every step that the outside may take next. */
const moves = (config: Config, from: World): ReadonlyArray<Step> => {
  const { state } = from
  const steps: Array<Step> = []
  if (state.phase === "Initialized") return [send(config, from, { kind: "Started", zeroTime: 0 })]
  if (state.phase === "Stopped") return []
  if (from.ticking && from.now < 3 * batchMillis) steps.push(tick(config, from), tick(config, from, 2))
  if (from.ticking && state.due <= from.now) steps.push(setBack(config, from))
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
      assert.ok(
        command.time > Math.max(before.state.cursor, ...before.state.open.map(({ time }) => time)),
        "times grow"
      )
      const behind = before.state.clockBehind || commands.some(({ kind }) => kind === "ReportClockSetBack")
      assert.ok(
        command.time <= after.now || (behind && after.state.drain.receiversStopped),
        "ahead of the clock only at the end of a drain, after it was set back"
      )
      if (config.missedTicks === "replay") {
        assert.equal(command.time, before.state.cursor + batchMillis, "by one interval")
      }
      const { due, last } = before.state
      const slides = (config.longSlides ?? []).map((slide) => Math.ceil(last / slide) * slide).filter((next) =>
        next > last
      )
      assert.ok(slides.every((next) => command.time <= next), "what a batch had is in no slide")
      if (config.missedTicks === "skip") {
        assert.ok(due < command.time || slides.includes(command.time), "late, and nothing slides there")
      }
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

/**
 * A fair outside: everything asked for is done, and in the end nothing is unallocated. Nothing then waits for a clock that was
 * set back.
 */
const settle = (config: Config, from: World): World => {
  let current = from
  for (let steps = 0; current.state.phase === "Draining"; steps++) {
    assert.ok(steps < 100, `the drain does not end: ${JSON.stringify(current)}`)
    if (current.stoppingReceivers) current = receiversStopped(config, current, true)[0]
    else if (current.generating.length > 0) current = generate(config, current, 1, false)[0]
    else if (current.submitted.length > 0) current = complete(config, current, 0, "failed")[0]
    else if (current.checkpoints.length > 0) current = checkpointed(config, current, 0)[0]
    else {
      assert.ok(!current.state.clockBehind, "the drain waits for a clock that was set back")
      current = tick(config, current)[0]
    }
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
    openBatchesMax: fc.integer({ min: 1, max: 5 }),
    hasDirectInputs: fc.boolean(),
    longSlides: fc.subarray([2 * batchMillis, 3 * batchMillis, 7 * batchMillis])
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
