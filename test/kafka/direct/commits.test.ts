/**
 * Commits for monitoring by themselves: what of batches is committed to a group, and when, also where the brokers do not take it at first.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Commits from "../../../adapters/kafka/direct/Commits.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { brokers, modelWith } from "./run.ts"

/** Where a batch leaves the one partition. */
const at = (offset: number) => () => [{ topic: "t", partition: 0, offset }]

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
    yield* planned(1000, [range(0, 5)], at(5))
    yield* planned(2000, [range(5, 9)], at(9))
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
    yield* planned(1000, [range(0, 5)], at(5))
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
      yield* planned(1000, [range(0, 5)], at(5))
      yield* completed(1000)
      assert.deepEqual(yield* committed, [])
    }))
    assert.deepEqual(yield* committed, [5])
  }))

it("with the first batch and once an hour all partitions are committed, in between those that moved", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const cluster = yield* kafka.connect({ brokers })
    const asked: Array<ReadonlyArray<number>> = []
    const { completed, planned } = yield* Commits.make({
      ...cluster,
      commitOffsets: (group, offsets) =>
        Effect.andThen(
          Effect.sync(() => asked.push(offsets.map(({ offset }) => offset))),
          cluster.commitOffsets(group, offsets)
        )
    }, "g")
    const batch = Effect.fnUntraced(function* (time: number, until: number) {
      yield* planned(time, [range(until - 1, until)], () => [
        { topic: "t", partition: 0, offset: until },
        { topic: "t", partition: 1, offset: 7 }
      ])
      yield* completed(time)
      yield* Local.settled
    })
    yield* batch(1000, 5)
    yield* TestClock.adjust("59 minutes")
    yield* batch(2000, 6)
    yield* TestClock.adjust("1 minute")
    yield* batch(3000, 8)
    yield* batch(4000, 9)
    assert.deepEqual(asked, [[5, 7], [6], [8, 7], [9]])
  }))

it("a commit that is under way when the stream ends is made again", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const cluster = yield* kafka.connect({ brokers })
    const place = { topic: "t", partition: 0 }
    let hangs = true
    yield* Effect.scoped(Effect.gen(function* () {
      const { completed, planned } = yield* Commits.make({
        ...cluster,
        commitOffsets: (...request) => hangs ? Effect.never : cluster.commitOffsets(...request)
      }, "g")
      yield* planned(1000, [range(0, 5)], at(5))
      yield* completed(1000)
      yield* Local.settled
      hangs = false
    }))
    const committed = yield* cluster.committedOffsets("g", [place], { stable: false })
    assert.deepEqual(committed.map(({ offset }) => offset), [5])
  }))
