/**
 * Fibers that are let die between any two operations.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit } from "effect"
import { begin } from "../../runtime/testing/SteppedFiber.ts"
import { it } from "../kit.ts"

const note = (log: Array<string>, what: string) => Effect.sync(() => void log.push(what))

const program = (log: Array<string>) =>
  Effect.gen(function* () {
    yield* note(log, "a")
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    yield* note(log, "b")
    yield* Effect.all([note(log, "c"), note(log, "c")], { concurrency: 2 })
    yield* note(log, "d")
  }).pipe(Effect.ensuring(note(log, "end")))

it("whatever the step at which it is killed, what happened is a beginning of the whole, and every beginning is met", () =>
  Effect.gen(function* () {
    const whole: Array<string> = []
    const all = yield* begin(program(whole))
    assert.ok(Exit.isExit(yield* all.settled))
    assert.deepEqual(whole, ["a", "b", "c", "c", "d", "end"])
    const met = new Set<number>()
    for (let at = 0; at < all.steps(); at++) {
      const log: Array<string> = []
      const fiber = yield* begin(program(log), at)
      assert.equal(yield* fiber.settled, "paused")
      assert.equal(fiber.steps(), at)
      fiber.kill()
      fiber.resume()
      yield* Effect.repeat(Effect.yieldNow, { times: 50 })
      assert.deepEqual(log, whole.slice(0, log.length))
      met.add(log.length)
    }
    assert.deepEqual([...met].sort(), [0, 1, 2, 3, 4, 5, 6].filter((length) => met.has(length)))
    assert.ok(met.size >= 6)
  }))

it("it goes on where it was paused, and is interrupted with its finalizers", () =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const fiber = yield* begin(program(log), 3)
    yield* fiber.settled
    fiber.resume(6)
    assert.equal(yield* fiber.settled, "paused")
    fiber.resume()
    assert.ok(Exit.isSuccess((yield* fiber.settled) as Exit.Exit<unknown>))
    assert.deepEqual(log, ["a", "b", "c", "c", "d", "end"])
    const other: Array<string> = []
    const interrupted = yield* begin(program(other), 8)
    yield* interrupted.settled
    yield* interrupted.interrupt
    assert.equal(other.at(-1), "end")
    assert.ok(other.length < 6)
  }))
