/**
 * Ticks, batches that get jobs, none, or fail, their ends, checkpoints and a stop, in every order, from the first start and after a
 * recovery with batches that are made again.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import {
  batchMillis,
  checkpointed,
  complete,
  type Config,
  generate,
  receiversStopped,
  send,
  settings,
  started,
  type Step,
  tick,
  type World,
  world
} from "../scheduling/generatorWorld.ts"
import { enumerate, keyOf, type Surrounded } from "./enumerate.ts"

type Move = readonly [name: string, take: (from: World) => Step]

const moves = (config: Config, from: World): ReadonlyArray<Move> => {
  const { generating, state, submitted } = from
  if (state.phase === "Stopped") return []
  const all: Array<Move> = []
  if (from.ticking) all.push(["tick", (it) => tick(config, it)], ["two ticks", (it) => tick(config, it, 2)])
  if (generating.length > 0) {
    all.push(["jobs", (it) => generate(config, it, 1, false)], ["no jobs", (it) => generate(config, it, 0, false)])
    all.push(["generation fails", (it) => generate(config, it, "failed", false)])
  }
  submitted.forEach((time, index) => {
    all.push([`${time} ends`, (it) => complete(config, it, index, "processed")])
    all.push([`${time} fails`, (it) => complete(config, it, index, "failed")])
  })
  if (from.checkpoints.length > 0) all.push(["checkpoint", (it) => checkpointed(config, it, 0)])
  if (from.stoppingReceivers) all.push(["receivers stop", (it) => receiversStopped(config, it, false)])
  if (state.phase === "Running") all.push(["stop", (it) => send(config, it, { kind: "StopRequested", graceful: true })])
  return all
}

const surrounded = (config: Config, first: World) => (): Surrounded<Move> => {
  let current = first
  let generated = 0
  let cleared = -Infinity
  const done = new Set<number>()
  return {
    moves: () => moves(config, current),
    take: ([, take]) => {
      const before = current
      const [next, commands] = take(current)
      current = next
      for (const time of before.submitted) if (!next.submitted.includes(time)) done.add(time)
      assert.ok(next.generating.length <= 1, "one batch is generated at a time")
      for (const command of commands) {
        if (command.kind === "GenerateJobs") {
          assert.ok(command.time > generated, "batch times grow")
          generated = command.time
        }
        if (command.kind === "ClearMetadata") {
          const open = [
            ...next.submitted,
            ...next.generating,
            ...next.state.open.map(({ time }) => time),
            ...next.state.again
          ]
          assert.ok(open.every((time) => time > command.time), "nothing that is open is cleared")
          assert.ok(command.time > cleared, "clearing goes forward")
          cleared = command.time
        }
        if (command.kind === "Stopped" && before.state.phase === "Draining") {
          assert.deepEqual([next.generating, next.submitted, next.checkpoints, next.ticking], [[], [], [], false])
          const hasFailed = next.state.failure !== undefined
          assert.ok(
            hasFailed || next.state.again.length === 0,
            "a drain makes all batches again that a recovery asked for"
          )
        }
      }
    },
    key: () => keyOf([current, generated, cleared])
  }
}

const recovered = (config: Config): World => {
  const after = 4 * batchMillis
  const again = [2 * batchMillis, 3 * batchMillis]
  return send(config, { ...world, now: after }, { kind: "Started", zeroTime: 0, after, again })[0]
}

for (const missedTicks of ["replay", "coalesce", "skip"] as const) {
  test(`every sequence of events of the JobGenerator keeps its invariants (${missedTicks})`, () => {
    const config = settings(missedTicks, "skip", 2)
    const { sequences } = enumerate(surrounded(config, started(config)))
    assert.ok(sequences > 3000, `only ${sequences} sequences`)
  })

  test(`every sequence of events of the JobGenerator after a recovery keeps its invariants (${missedTicks})`, () => {
    const config = settings(missedTicks, "skip", 2)
    const { sequences } = enumerate(surrounded(config, recovered(config)))
    assert.ok(sequences > 3000, `only ${sequences} sequences`)
  })
}
