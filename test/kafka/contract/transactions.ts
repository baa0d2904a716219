/**
 * The contract of transactions: what is seen of them, who is fenced, and what becomes of what was left open.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import type { KafkaCluster, TransactionalProducer } from "../../../adapters/kafka/KafkaCluster.ts"
import type { Case } from "./reading.ts"
import {
  eventually,
  freshName,
  freshTopic,
  patiently,
  produce,
  produceIn,
  producerOf,
  refusedAs,
  valuesOf
} from "./World.ts"

const at = (topic: string, partition = 0) => ({ topic, partition })

const begin = (cluster: KafkaCluster, producer: TransactionalProducer, topic: string, partitions = [0]) =>
  patiently(cluster.addPartitions(producer, partitions.map((partition) => at(topic, partition))))

const end = (cluster: KafkaCluster, producer: TransactionalProducer, outcome: "commit" | "abort") =>
  patiently(cluster.endTransaction(producer, outcome))

/** Markers are written a moment after a transaction is decided. */
const settled = (cluster: KafkaCluster, topic: string, offset: number, partition = 0) =>
  eventually(
    patiently(cluster.offsets([at(topic, partition)], "latest", "committed")),
    ([end]) => end?.offset === offset
  )

export const transactions: Readonly<Record<string, Case>> = {
  "what a transaction wrote is seen when it is committed, in all its partitions, and its marker has an offset": (
    world,
    cluster
  ) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 2)
      const producer = yield* producerOf(cluster, freshName())
      yield* begin(cluster, producer, topic, [0, 1])
      yield* produceIn(cluster, producer, topic, ["a", "b"])
      yield* produceIn(cluster, producer, topic, ["c"], 0, 1)
      yield* produce(cluster, topic, ["plain"])
      assert.deepEqual(yield* valuesOf(cluster, topic), [])
      assert.deepEqual(yield* valuesOf(cluster, topic, { isolation: "uncommitted" }), ["a", "b", "plain"])
      const { aborted, bytes, highWatermark, lastStable } = yield* patiently(
        cluster.fetch({ ...at(topic), offset: 0, maxBytes: 1 << 20, waitMillis: 0, isolation: "committed" })
      )
      assert.deepEqual([aborted, bytes.length, highWatermark, lastStable], [[], 0, 3, 0])
      yield* end(cluster, producer, "commit")
      yield* settled(cluster, topic, 4)
      yield* settled(cluster, topic, 2, 1)
      assert.deepEqual(yield* valuesOf(cluster, topic), ["a", "b", "plain"])
      assert.deepEqual(yield* valuesOf(cluster, topic, { partition: 1 }), ["c"])
    }),

  "what was aborted is not seen, and a fetch says whose records these are": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const producer = yield* producerOf(cluster, freshName())
      yield* produce(cluster, topic, ["before"])
      yield* begin(cluster, producer, topic)
      yield* produceIn(cluster, producer, topic, ["a"])
      yield* produce(cluster, topic, ["between"])
      yield* produceIn(cluster, producer, topic, ["b"], 1)
      yield* end(cluster, producer, "abort")
      yield* settled(cluster, topic, 5)
      assert.deepEqual(yield* valuesOf(cluster, topic), ["before", "between"])
      assert.deepEqual(yield* valuesOf(cluster, topic, { isolation: "uncommitted" }), ["before", "a", "between", "b"])
      const fetch = (offset: number, isolation: "committed" | "uncommitted") =>
        patiently(cluster.fetch({ ...at(topic), offset, maxBytes: 1 << 20, waitMillis: 0, isolation }))
      assert.deepEqual((yield* fetch(3, "committed")).aborted, [{ producerId: producer.id, firstOffset: 1 }])
      assert.deepEqual((yield* fetch(3, "uncommitted")).aborted, [])
      // The next transaction of the same producer counts on.
      yield* begin(cluster, producer, topic)
      yield* produceIn(cluster, producer, topic, ["c"], 2)
      yield* end(cluster, producer, "commit")
      yield* settled(cluster, topic, 7)
      assert.deepEqual(yield* valuesOf(cluster, topic), ["before", "between", "c"])
    }),

  "who has a transactional id is fenced by the next, and what it left open is aborted": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const id = freshName()
      const first = yield* producerOf(cluster, id)
      yield* begin(cluster, first, topic)
      yield* produceIn(cluster, first, topic, ["lost"])
      const second = yield* producerOf(yield* world.connect, id)
      assert.equal(second.id, first.id)
      assert.ok(second.epoch > first.epoch)
      yield* refusedAs("Fenced", produceIn(cluster, first, topic, ["late"], 1))
      yield* refusedAs("Fenced", cluster.addPartitions(first, [at(topic)]))
      yield* refusedAs("Fenced", cluster.addOffsets(first, id, [{ ...at(topic), offset: 1, metadata: "" }]))
      yield* refusedAs("Fenced", cluster.endTransaction(first, "commit"))
      yield* begin(cluster, second, topic)
      yield* produceIn(cluster, second, topic, ["kept"])
      yield* end(cluster, second, "commit")
      yield* settled(cluster, topic, 4)
      assert.deepEqual(yield* valuesOf(cluster, topic), ["kept"])
    }),

  "a transaction that is open for too long is aborted, and its producer fenced": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const producer = yield* producerOf(cluster, freshName(), 1000)
      yield* begin(cluster, producer, topic)
      yield* produceIn(cluster, producer, topic, ["a"])
      yield* produce(cluster, topic, ["b"])
      yield* settled(cluster, topic, 3)
      assert.deepEqual(yield* valuesOf(cluster, topic), ["b"])
      yield* refusedAs("Fenced", cluster.endTransaction(producer, "commit"))
    }),

  "a commit that is repeated is done once; the opposite, and an end without a beginning, are refused": (
    world,
    cluster
  ) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const producer = yield* producerOf(cluster, freshName())
      yield* refusedAs("Other", cluster.endTransaction(producer, "commit"))
      yield* begin(cluster, producer, topic)
      yield* produceIn(cluster, producer, topic, ["a"])
      yield* end(cluster, producer, "commit")
      yield* end(cluster, producer, "commit")
      yield* refusedAs("Other", cluster.endTransaction(producer, "abort"))
      yield* settled(cluster, topic, 2)
      assert.deepEqual(yield* valuesOf(cluster, topic), ["a"])
    }),

  "what is written to a partition that is not in the transaction is refused": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world, 2)
      const producer = yield* producerOf(cluster, freshName())
      yield* begin(cluster, producer, topic)
      yield* refusedAs("Other", produceIn(cluster, producer, topic, ["a"], 0, 1))
      yield* refusedAs("UnknownTopic", cluster.addPartitions(producer, [at(topic, 9)]))
    }),

  "offsets of a transaction count when it is committed, and are unstable until then": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const group = freshName()
      const producer = yield* producerOf(cluster, freshName())
      const offset = { ...at(topic), offset: 7, metadata: "batch 7" }
      const committed = (stable: boolean) => cluster.committedOffsets(group, [at(topic)], { stable })
      yield* begin(cluster, producer, topic)
      yield* produceIn(cluster, producer, topic, ["a"])
      yield* patiently(cluster.addOffsets(producer, group, [offset]))
      assert.deepEqual(yield* patiently(committed(false)), [])
      const unstable = yield* Effect.flip(committed(true))
      assert.equal(unstable.reason, "Unavailable")
      yield* end(cluster, producer, "commit")
      assert.deepEqual(yield* patiently(committed(true)), [offset])
      yield* begin(cluster, producer, topic)
      yield* patiently(cluster.addOffsets(producer, group, [{ ...offset, offset: 8, metadata: "batch 8" }]))
      yield* end(cluster, producer, "abort")
      assert.deepEqual(yield* patiently(committed(true)), [offset])
    }),

  "a transaction of offsets alone is one, and the next producer finds what was committed": (world, cluster) =>
    Effect.gen(function* () {
      const topic = yield* freshTopic(world)
      const id = freshName()
      const first = yield* producerOf(cluster, id)
      const offset = { ...at(topic), offset: 1, metadata: "a" }
      yield* patiently(cluster.addOffsets(first, id, [offset]))
      yield* end(cluster, first, "commit")
      const second = yield* producerOf(cluster, id)
      assert.deepEqual(yield* patiently(cluster.committedOffsets(id, [at(topic)], { stable: true })), [offset])
      yield* patiently(cluster.addOffsets(second, id, [{ ...offset, offset: 2 }]))
      yield* producerOf(cluster, id)
      assert.deepEqual(yield* patiently(cluster.committedOffsets(id, [at(topic)], { stable: true })), [offset])
    })
}
