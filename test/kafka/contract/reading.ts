/**
 * The contract of what is read and produced without transactions.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber, type Scope } from "effect"
import { compressions, headerAt } from "../../../adapters/kafka/records/RecordBatch.ts"
import type { KafkaCluster } from "../../../adapters/kafka/KafkaCluster.ts"
import {
  batchOf,
  eventually,
  freshName,
  freshTopic,
  patiently,
  produce,
  refusedAs,
  valuesOf,
  type World
} from "./World.ts"

export type Case = (world: World, cluster: KafkaCluster) => Effect.Effect<void, unknown, Scope.Scope>

const fetchOf = (
  topic: string,
  offset: number,
  more: { readonly maxBytes?: number; readonly waitMillis?: number } = {}
) => ({
  topic,
  partition: 0,
  offset,
  maxBytes: more.maxBytes ?? 1 << 20,
  waitMillis: more.waitMillis ?? 0,
  isolation: "committed" as const
})

export const reading: Readonly<Record<string, Case>> = {
  "a topic has its partitions in order, and one that is not there is missing in the answer": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 3)
      const named = yield* eventually(
        cluster.topics([topic, freshName()]),
        (topics) => topics[0]?.partitions.every(({ leader }) => leader !== undefined) === true
      )
      assert.deepEqual(named.map(({ partitions, topic }) => [topic, partitions.map(({ partition }) => partition)]), [
        [topic, [0, 1, 2]]
      ])
      const all = yield* cluster.topics(undefined)
      assert.ok(all.some((other) => other.topic === topic))
    }),

  "partitions that are added are there": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 1)
      yield* produce(cluster, topic, ["a"])
      yield* world.addPartitions(topic, 3)
      yield* eventually(cluster.topics([topic]), ([info]) => info?.partitions.length === 3)
      assert.equal(yield* produce(cluster, topic, ["b"], { partition: 2 }), 0)
      assert.deepEqual(yield* valuesOf(cluster, topic, { partition: 2 }), ["b"])
    }),

  "a topic that was created again is another one, and a fetch that names the one before is refused": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      yield* produce(cluster, topic, ["old"])
      const [before] = yield* cluster.topics([topic])
      yield* patiently(cluster.fetch({ ...fetchOf(topic, 0), id: before!.id }))
      yield* world.deleteTopic(topic)
      yield* eventually(cluster.topics([topic]), ({ length }) => length === 0)
      yield* world.createTopic(topic, 1)
      yield* produce(cluster, topic, ["new"])
      const [after] = yield* cluster.topics([topic])
      assert.notEqual(after!.id, before!.id)
      yield* refusedAs("TopicReplaced", cluster.fetch({ ...fetchOf(topic, 0), id: before!.id }))
      assert.deepEqual(yield* valuesOf(cluster, topic), ["new"])
    }),

  "offsets: the earliest, the latest, and none of what is not there": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 2)
      yield* produce(cluster, topic, ["a", "b", "c"])
      const where = [0, 1].map((partition) => ({ topic, partition }))
      const unknown = { topic: freshName(), partition: 0 }
      const offsetsAt = (at: "earliest" | "latest") =>
        Effect.map(
          patiently(cluster.offsets([...where, unknown], at, "committed")),
          (offsets) => [...offsets].sort((a, b) => a.partition - b.partition).map(({ offset }) => offset)
        )
      assert.deepEqual(yield* offsetsAt("earliest"), [0, 0])
      assert.deepEqual(yield* offsetsAt("latest"), [3, 0])
      yield* world.removeBefore(topic, 0, 2)
      assert.deepEqual(yield* offsetsAt("earliest"), [2, 0])
    }),

  "each leader has an epoch, and what was written in it has an end; of what is not there it has none": (
    world,
    cluster
  ) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 2)
      const where = { topic, partition: 0 }
      const unknown = { topic: freshName(), partition: 0 }
      const epoch = Effect.map(patiently(cluster.offsets([where], "latest", "committed")), ([end]) => end!.leaderEpoch!)
      const endsOf = (...epochs: ReadonlyArray<number>) =>
        Effect.forEach(epochs, (leaderEpoch) =>
          Effect.map(
            patiently(cluster.epochEnds([{ ...where, leaderEpoch }, { ...unknown, leaderEpoch }])),
            (ends) => ends.map(({ offset }) => offset)
          ))
      yield* produce(cluster, topic, ["a", "b"])
      const first = yield* epoch
      assert.deepEqual(yield* endsOf(first), [[2]])
      yield* world.changeLeaders(topic)
      const second = yield* Effect.repeat(epoch, { until: (epoch) => epoch > first })
      assert.deepEqual(yield* endsOf(first, second), [[2], [2]])
      yield* produce(cluster, topic, ["c"])
      yield* produce(cluster, topic, ["of the other partition"], { partition: 1 })
      assert.deepEqual(yield* endsOf(first, second), [[2], [3]])
      const both = [0, 1].map((partition) => ({ topic, partition, leaderEpoch: first }))
      const ends = yield* patiently(cluster.epochEnds(both))
      assert.deepEqual(ends.map(({ offset, partition }) => `${partition}: ${offset}`).sort(), ["0: 2", "1: 0"])
      yield* world.removeBefore(topic, 0, 3)
      assert.deepEqual(yield* endsOf(first, second), [[3], [3]])
      assert.deepEqual(yield* endsOf(second + 1), [[0]])
      const named = yield* eventually(cluster.topics([topic]), ([info]) => info?.partitions[0]?.leader !== undefined)
      assert.equal(named[0]!.partitions[0]!.leaderEpoch, second)
      assert.deepEqual(yield* patiently(cluster.offsets([where], "earliest", "committed")), [{ ...where, offset: 3 }])
    }),

  "offsets by timestamp: the first record that is not older, and the end behind the last": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      yield* produce(cluster, topic, [{ timestamp: 1000, value: "a" }, { timestamp: 3000, value: "b" }])
      yield* produce(cluster, topic, [{ timestamp: 2000, value: "c" }, { timestamp: 4000, value: "d" }])
      const offsetAt = (timestamp: number) =>
        Effect.map(
          patiently(cluster.offsets([{ topic, partition: 0 }], { timestamp }, "committed")),
          ([first]) => first?.offset
        )
      assert.equal(yield* offsetAt(0), 0)
      assert.equal(yield* offsetAt(1000), 0)
      assert.equal(yield* offsetAt(1001), 1)
      assert.equal(yield* offsetAt(3500), 3)
      assert.equal(yield* offsetAt(4001), 4)
    }),

  "what was produced comes back, in every compression": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      for (const compression of compressions) {
        yield* produce(cluster, topic, [`${compression} 1`, `${compression} 2`], { compression })
      }
      const values = compressions.flatMap((compression) => [`${compression} 1`, `${compression} 2`])
      assert.deepEqual(yield* valuesOf(cluster, topic), values)
      assert.deepEqual(yield* valuesOf(cluster, topic, { from: 3 }), values.slice(3))
    }),

  "a fetch inside of a batch begins with the batch, and has at least one, whatever its size": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      yield* produce(cluster, topic, ["a", "b", "c"])
      yield* produce(cluster, topic, ["d".repeat(5000)])
      const inside = yield* patiently(cluster.fetch(fetchOf(topic, 1)))
      assert.equal(headerAt(inside.bytes, 0)?.baseOffset, 0)
      const large = yield* patiently(cluster.fetch(fetchOf(topic, 3, { maxBytes: 10 })))
      assert.deepEqual([headerAt(large.bytes, 0)?.baseOffset, headerAt(large.bytes, 0)?.lastOffset], [3, 3])
      assert.equal(headerAt(large.bytes, 0)?.end, large.bytes.length)
      assert.deepEqual([large.logStart, large.highWatermark, large.lastStable], [0, 4, 4])
    }),

  "at the end there is nothing; behind it, and before the first that is there, is out of range": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      yield* produce(cluster, topic, ["a", "b"])
      yield* produce(cluster, topic, ["c", "d"])
      assert.equal((yield* patiently(cluster.fetch(fetchOf(topic, 4)))).bytes.length, 0)
      yield* refusedAs("OffsetOutOfRange", cluster.fetch(fetchOf(topic, 5)))
      yield* world.removeBefore(topic, 0, 3)
      const refused = yield* refusedAs("OffsetOutOfRange", cluster.fetch(fetchOf(topic, 0)))
      assert.equal(refused.topic, topic)
      const rest = yield* patiently(cluster.fetch(fetchOf(topic, 3)))
      assert.equal(rest.logStart, 3)
      assert.deepEqual(yield* valuesOf(cluster, topic, { from: 3 }), ["d"])
    }),

  "a fetch at the end waits for records, as long as it may": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      yield* produce(cluster, topic, ["a"])
      const waiting = yield* Effect.forkScoped(patiently(cluster.fetch(fetchOf(topic, 1, { waitMillis: 20_000 }))))
      yield* Effect.sleep("50 millis")
      yield* produce(cluster, topic, ["b"])
      const { bytes } = yield* Fiber.join(waiting)
      assert.equal(headerAt(bytes, 0)?.baseOffset, 1)
    }),

  "a topic or partition that is not there is unknown": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      yield* produce(cluster, topic, ["a"])
      const none = freshName()
      yield* refusedAs("UnknownTopic", cluster.fetch(fetchOf(none, 0)))
      yield* refusedAs("UnknownTopic", cluster.fetch({ ...fetchOf(topic, 0), partition: 7 }))
      yield* refusedAs("UnknownTopic", cluster.produce({ topic: none, partition: 0, batch: batchOf(["a"]) }))
      yield* refusedAs("UnknownTopic", cluster.produce({ topic, partition: 7, batch: batchOf(["a"]) }))
    }),

  "an idempotent producer's batch that comes again is there once": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const identity = yield* patiently(cluster.initProducer({}))
      const send = (value: string, sequence: number) =>
        produce(cluster, topic, [value, value], { producer: { ...identity, sequence } })
      assert.equal(yield* send("a", 0), 0)
      assert.equal(yield* send("b", 2), 2)
      assert.equal(yield* send("a", 0), 0)
      assert.equal(yield* send("b", 2), 2)
      assert.deepEqual(yield* valuesOf(cluster, topic), ["a", "a", "b", "b"])
      yield* refusedAs("Other", send("d", 6))
      assert.equal(yield* send("c", 4), 4)
    }),

  "a batch that comes again long after, or too late, is not there again": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const identity = yield* patiently(cluster.initProducer({}))
      const send = (sequence: number) =>
        produce(cluster, topic, [`${sequence}`], { producer: { ...identity, sequence } })
      for (let sequence = 0; sequence < 8; sequence++) yield* send(sequence)
      yield* Effect.exit(send(0))
      assert.deepEqual(yield* valuesOf(cluster, topic), ["0", "1", "2", "3", "4", "5", "6", "7"])
    }),

  "two producers have different ids": (_, cluster) =>
    Effect.gen(function* () {
      const one = yield* patiently(cluster.initProducer({}))
      const other = yield* patiently(cluster.initProducer({}))
      assert.notEqual(one.id, other.id)
    }),

  "what is too large is refused, and what is damaged": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      yield* produce(cluster, topic, ["a"])
      yield* refusedAs("TooLarge", cluster.produce({ topic, partition: 0, batch: batchOf(["x".repeat(9_000_000)]) }))
      const damaged = batchOf(["abc"])
      damaged[damaged.length - 2]! ^= 1
      yield* refusedAs("Damaged", cluster.produce({ topic, partition: 0, batch: damaged }))
      assert.deepEqual(yield* valuesOf(cluster, topic), ["a"])
    })
}
