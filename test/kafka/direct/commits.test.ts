/**
 * Commits for monitoring by themselves: what of batches is committed to a group, and when, also where the brokers do not take it at first.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as Commits from "../../../adapters/kafka/direct/Commits.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { brokers, modelWith } from "./run.ts"

const range = (from: number, until: number) => ({ topic: "t", partition: 0, from, until })

/** The commits of a stream, and what stands committed. */
const committing = Effect.gen(function* () {
  const kafka = yield* modelWith(1)
  const cluster = yield* kafka.connect({ brokers })
  const committed = Effect.andThen(
    Local.settled,
    Effect.map(
      cluster.committedOffsets("g", [{ topic: "t", partition: 0 }], { stable: false }),
      (found) => found.map(({ offset }) => offset)
    )
  )
  return { kafka, commits: Commits.make(cluster, "g"), committed }
})

it("offsets of a batch that is planned and not done are not committed", () =>
  Effect.gen(function* () {
    const { commits, committed } = yield* committing
    const { completed, planned } = yield* commits
    planned(1000, [range(0, 5)])
    planned(2000, [range(5, 9)])
    yield* completed(1000)
    assert.deepEqual(yield* committed, [5])
    yield* completed(2000)
    assert.deepEqual(yield* committed, [9])
  }))

it("what could not be committed is with the next batch, though that has nothing new", () =>
  Effect.gen(function* () {
    const { commits, committed, kafka } = yield* committing
    const { completed, planned } = yield* commits
    kafka.failNext("commitOffsets", "before")
    planned(1000, [range(0, 5)])
    yield* completed(1000)
    assert.deepEqual(yield* committed, [])
    yield* completed(2000)
    assert.deepEqual(yield* committed, [5])
  }))

it("what waits is committed when the stream ends", () =>
  Effect.gen(function* () {
    const { commits, committed, kafka } = yield* committing
    yield* Effect.scoped(Effect.gen(function* () {
      const { completed, planned } = yield* commits
      kafka.failNext("commitOffsets", "before")
      planned(1000, [range(0, 5)])
      yield* completed(1000)
      assert.deepEqual(yield* committed, [])
    }))
    assert.deepEqual(yield* committed, [5])
  }))
