/**
 * Batches of an output that are at work at once: preparing overlaps, committing is in turn, whatever becomes of those before.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as CommitTurns from "../../runtime/driver/outputs/CommitTurns.ts"
import { it } from "../kit.ts"

const world = (
  policy: "stop" | "skip",
  recordSkipped: (time: number) => Effect.Effect<void, string> = () => Effect.void
) => {
  const log: Array<string> = []
  const turns = CommitTurns.make({
    policy,
    recordSkipped: (time, output) =>
      Effect.andThen(recordSkipped(time), Effect.sync(() => log.push(`skipped ${output} ${time}`)))
  })
  /** Prepares and commits for so long; forks. */
  const batch = (
    time: number,
    prepare: Effect.Effect<unknown, string>,
    commit: Effect.Effect<unknown, string>,
    output = "out"
  ) => {
    const turn = turns.open(output, time)
    const work = turn.run(
      Effect.tap(prepare, () => Effect.sync(() => log.push(`prepared ${output} ${time}`))),
      () => Effect.andThen(commit, Effect.sync(() => void log.push(`committed ${output} ${time}`)))
    )
    return Effect.forkChild(work, { startImmediately: true })
  }
  return { log, batch }
}

it("a batch that is prepared first waits for the ones before it, of its own output only", () =>
  Effect.gen(function* () {
    const { batch, log } = world("stop")
    const fibers = [
      yield* batch(1, Effect.sleep(300), Effect.sleep(100)),
      yield* batch(2, Effect.sleep(100), Effect.void),
      yield* batch(3, Effect.sleep(200), Effect.void),
      yield* batch(2, Effect.sleep(50), Effect.void, "other")
    ]
    yield* TestClock.adjust("1 second")
    for (const fiber of fibers) yield* Fiber.join(fiber)
    assert.deepEqual(log, [
      "prepared other 2",
      "committed other 2",
      "prepared out 2",
      "prepared out 3",
      "prepared out 1",
      "committed out 1",
      "committed out 2",
      "committed out 3"
    ])
  }))

it("under policy stop a batch that fails refuses later ones, which say so, at once and for good", () =>
  Effect.gen(function* () {
    const { batch, log } = world("stop")
    const first = yield* batch(1, Effect.sleep(100), Effect.fail("disk full"))
    const second = yield* batch(2, Effect.void, Effect.void)
    yield* TestClock.adjust("1 second")
    assert.equal(yield* Effect.flip(Fiber.join(first)), "disk full")
    const refused = yield* Effect.flip(Fiber.join(second))
    assert.ok(refused instanceof CommitTurns.CommitRefused)
    assert.deepEqual([refused.time, refused.failed], [2, 1])
    assert.match(refused.message, /the batch of 2 ms is not committed to output "out", for the batch of 1 ms was not/)
    const third = yield* batch(3, Effect.void, Effect.void)
    assert.ok((yield* Effect.flip(Fiber.join(third))) instanceof CommitTurns.CommitRefused)
    assert.deepEqual(log, ["prepared out 2", "prepared out 1"])
  }))

it("under policy skip later batches commit when the skip is recorded, and not before", () =>
  Effect.gen(function* () {
    const recorded = yield* Deferred.make<void>()
    const { batch, log } = world("skip", () => Deferred.await(recorded))
    const first = yield* batch(1, Effect.fail("poison"), Effect.void)
    const second = yield* batch(2, Effect.void, Effect.void)
    yield* TestClock.adjust("1 second")
    assert.deepEqual(log, ["prepared out 2"])
    yield* Deferred.succeed(recorded, undefined)
    assert.equal(yield* Effect.flip(Fiber.join(first)), "poison")
    yield* Fiber.join(second)
    assert.deepEqual(log, ["prepared out 2", "skipped out 1", "committed out 2"])
  }))

it("a skip that cannot be recorded is the batch's error, and holds later ones back", () =>
  Effect.gen(function* () {
    const { batch } = world("skip", () => Effect.fail("no log"))
    const first = yield* batch(1, Effect.fail("poison"), Effect.void)
    const second = yield* batch(2, Effect.void, Effect.void)
    assert.equal(yield* Effect.flip(Fiber.join(first)), "no log")
    assert.ok((yield* Effect.flip(Fiber.join(second))) instanceof CommitTurns.CommitRefused)
  }))

it("a batch that is interrupted while it prepares, waits or commits holds later ones back", () =>
  Effect.gen(function* () {
    for (
      const [prepare, commit, before] of [
        [Effect.never, Effect.void, 0],
        [Effect.void, Effect.void, 1],
        [Effect.void, Effect.never, 0]
      ] as const
    ) {
      const { batch, log } = world("skip")
      // One before it lets it wait.
      const earlier = before === 1 ? yield* batch(1, Effect.never, Effect.void) : undefined
      const first = yield* batch(2, prepare, commit)
      const second = yield* batch(3, Effect.void, Effect.void)
      yield* TestClock.adjust(10)
      yield* Fiber.interrupt(first)
      const exit = yield* Fiber.await(second)
      assert.ok(Exit.isFailure(exit))
      assert.match(String(exit), /CommitRefused/)
      assert.deepEqual(log.filter((line) => line.startsWith("committed")), [])
      if (earlier !== undefined) yield* Fiber.interrupt(earlier)
    }
  }))

it("a batch that interrupts itself, or dies, is a failed batch", () =>
  Effect.gen(function* () {
    for (const commit of [Effect.interrupt, Effect.die("a defect")]) {
      const { batch, log } = world("skip")
      const first = yield* batch(1, Effect.void, commit)
      const second = yield* batch(2, Effect.void, Effect.void)
      assert.ok(Exit.isFailure(yield* Fiber.await(first)))
      yield* Fiber.join(second)
      assert.deepEqual(log.filter((line) => !line.startsWith("prepared")), ["skipped out 1", "committed out 2"])
    }
  }))
