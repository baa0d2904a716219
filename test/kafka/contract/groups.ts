/**
 * The contract of consumer groups: offsets, members and their generations.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit, Fiber, Scope } from "effect"
import type { KafkaCluster, TopicPartition } from "../../../adapters/kafka/KafkaCluster.ts"
import type { Case } from "./reading.ts"
import { freshName, freshTopic, patiently, refusedAs } from "./World.ts"

const places = (partitions: ReadonlyArray<TopicPartition>) =>
  partitions.map(({ partition }) => partition).sort((a, b) => a - b)

const joining = (cluster: KafkaCluster, group: string, topic: string, rebalanceMillis = 10_000) =>
  // Heartbeats come three times a session: the time to give back what one has has to be longer than between two.
  patiently(cluster.join({ group, topics: [topic], sessionMillis: 6000, rebalanceMillis }))

export const groups: Readonly<Record<string, Case>> = {
  "offsets that are committed from outside are there with their texts, by partition": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 3)
      const group = freshName()
      const offsets = [0, 2].map((partition) => ({
        topic,
        partition,
        offset: 5 + partition,
        metadata: `p${partition}`
      }))
      const all = [0, 1, 2].map((partition) => ({ topic, partition }))
      const committed = patiently(cluster.committedOffsets(group, all, { stable: true }))
      assert.deepEqual(yield* committed, [])
      yield* patiently(cluster.commitOffsets(group, offsets))
      assert.deepEqual([...yield* committed].sort((a, b) => a.partition - b.partition), offsets)
      yield* patiently(cluster.commitOffsets(group, [{ ...offsets[0]!, offset: 3 }]))
      assert.deepEqual((yield* committed).map(({ offset }) => offset).sort(), [3, 7])
    }),

  "one member has all partitions, and commits": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 3)
      const group = freshName()
      const member = yield* joining(cluster, group, topic)
      assert.deepEqual(places(yield* member.assignment), [0, 1, 2])
      yield* patiently(member.commit([{ topic, partition: 1, offset: 4, metadata: "m" }]))
      const [committed] = yield* patiently(
        cluster.committedOffsets(group, [{ topic, partition: 1 }], { stable: true })
      )
      assert.deepEqual(committed, { topic, partition: 1, offset: 4, metadata: "m" })
      yield* refusedAs("Fenced", cluster.commitOffsets(group, [{ topic, partition: 1, offset: 9, metadata: "" }]))
    }),

  "two members share; when one leaves, the other is told and has all": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 4)
      const group = freshName()
      const one = yield* joining(cluster, group, topic)
      assert.deepEqual(places(yield* one.assignment), [0, 1, 2, 3])
      const scope = yield* Scope.make()
      const other = yield* Scope.provide(joining(yield* world.connect, group, topic), scope)
      const others = yield* Effect.forkScoped(other.assignment)
      yield* one.revoked
      const mine = places(yield* one.assignment)
      const theirs = places(yield* Fiber.join(others))
      assert.equal(mine.length, 2)
      assert.deepEqual([...mine, ...theirs].sort(), [0, 1, 2, 3])
      yield* Scope.close(scope, Exit.void)
      yield* one.revoked
      assert.deepEqual(places(yield* one.assignment), [0, 1, 2, 3])
    }),

  "who does not give back what it has in time is out, and what it commits then is refused": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 2)
      const group = freshName()
      const one = yield* joining(cluster, group, topic, 4000)
      assert.deepEqual(places(yield* one.assignment), [0, 1])
      const other = yield* joining(yield* world.connect, group, topic, 4000)
      assert.deepEqual(places(yield* other.assignment), [0, 1])
      yield* refusedAs("Fenced", one.commit([{ topic, partition: 0, offset: 1, metadata: "" }]))
      yield* patiently(other.commit([{ topic, partition: 0, offset: 2, metadata: "" }]))
      // It may come again.
      const again = yield* Effect.forkScoped(one.assignment)
      yield* other.revoked
      yield* other.assignment
      yield* Fiber.join(again)
      yield* patiently(one.commit([{ topic, partition: 0, offset: 3, metadata: "" }]))
    })
}
