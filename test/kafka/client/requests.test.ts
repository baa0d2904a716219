/**
 * The real making of the port against a real broker: records of every compression both ways, transactions and fencing, groups, topics that are
 * replaced, what is refused, and a broker that is killed, hangs and comes back.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import type { Isolation, KafkaCluster, TransactionalProducer } from "../../../adapters/kafka/KafkaCluster.ts"
import type { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import type { KafkaRecord } from "../../../adapters/kafka/KafkaRecord.ts"
import { decode } from "../../../adapters/kafka/records/decode.ts"
import { encode, type EncodeOptions } from "../../../adapters/kafka/records/encode.ts"
import { compressions } from "../../../adapters/kafka/records/RecordBatch.ts"
import { it } from "../../kit.ts"
import { type Broker, createTopic, deleteTopic, startBroker } from "../broker.ts"

const started = await startBroker()

const cluster = (broker: Broker, requestTimeout = 20_000) => connect({ brokers: broker.bootstrap, requestTimeout })

const valuesOf = (...values: ReadonlyArray<string>) => values.map((value, i) => ({ value, timestamp: 1000 + i }))

const write = (to: KafkaCluster, topic: string, values: ReadonlyArray<string>, options: EncodeOptions = {}) =>
  to.produce({ topic, partition: 0, batch: encode(valuesOf(...values), options) })

/** Everything from an offset on, fetch by fetch, up to the end that was told; of transactions, when the brokers have marked how they ended. */
const readAll = (from: KafkaCluster, topic: string, isolation: Isolation = "uncommitted", offset = 0) =>
  Effect.gen(function* () {
    const records: Array<KafkaRecord<string, string>> = []
    for (let next = offset;;) {
      const request = { topic, partition: 0, offset: next, maxBytes: 100_000, waitMillis: 0, isolation }
      const { aborted, bytes, highWatermark, lastStable } = yield* from.fetch(request)
      const options = { topic, partition: 0, from: next, until: Infinity, aborted, key: "text", value: "text" } as const
      next = decode(bytes, options, records).next
      const end = isolation === "committed" && lastStable < highWatermark ? Infinity : highWatermark
      if (next >= end) return records.map(({ value }) => value)
    }
  })

/** `Unavailable` comes right if it is tried again: the transaction before is being completed. */
const patiently = <A>(effect: Effect.Effect<A, KafkaError>) =>
  Effect.retry(effect, { while: (error) => error.isRetryable })

/** Each with a topic of its own, of one partition. */
const test = (
  name: string,
  body: (broker: Broker, topic: string) => Effect.Effect<void, unknown, any>,
  configs = {}
) => {
  const topic = name.replace(/\W+/g, "-").slice(0, 60)
  if (started === undefined) return
  it.live(
    name,
    () => Effect.andThen(Effect.promise(() => createTopic(started, topic, 1, configs)), body(started, topic)),
    { timeout: 60_000 }
  )
}

const text = Array.from({ length: 300 }, (_, i) => `the record ${i} of many that are alike, and then ${i * i}`)

test(
  "records are written and read in every compression, and Kafka's own code reads them",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      for (const compression of compressions) yield* write(to, topic, text, { compression })
      assert.deepEqual(yield* readAll(to, topic), compressions.flatMap(() => text))
    })
)

for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
  test(`what Kafka's own code compresses as ${compression} is read`, (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      yield* write(to, topic, text)
      yield* write(to, topic, text, { compression: compression === "gzip" ? "zstd" : "gzip" })
      assert.deepEqual(yield* readAll(to, topic), [...text, ...text])
    }), { "compression.type": compression })
}

test("topics of names and all topics; one that is not there is missing", (broker, topic) =>
  Effect.gen(function* () {
    const to = yield* cluster(broker)
    const named = yield* to.topics([topic, "no-such-topic"])
    assert.deepEqual(named.map(({ partitions, topic }) => [topic, partitions]), [
      [topic, [{ partition: 0, leader: 1, leaderEpoch: 0 }]]
    ])
    assert.ok((yield* to.topics(undefined)).some((info) => info.topic === topic && info.id === named[0]!.id))
    const error = yield* Effect.flip(write(to, "no-such-topic", ["a"]))
    assert.deepEqual([error.reason, error.topic, error.partition], ["UnknownTopic", "no-such-topic", 0])
  }))

test(
  "offsets: earliest, latest, by time, and latest where no record is as young",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      assert.equal(yield* write(to, topic, ["a", "b", "c"]), 0)
      assert.equal(yield* write(to, topic, ["d"]), 3)
      const partition = { topic, partition: 0 }
      const offset = (at: Parameters<KafkaCluster["offsets"]>[1]) =>
        Effect.map(to.offsets([partition], at, "uncommitted"), ([found]) => found!.offset)
      assert.deepEqual(
        [
          yield* offset("earliest"),
          yield* offset("latest"),
          yield* offset({ timestamp: 1001 }),
          yield* offset({ timestamp: 1002.5 }),
          yield* offset({ timestamp: 5000 })
        ],
        [0, 4, 1, 2, 4]
      )
      const outOfRange = yield* Effect.flip(readAll(to, topic, "uncommitted", 5))
      assert.deepEqual(
        [outOfRange.reason, outOfRange.topic, outOfRange.partition, outOfRange.offset],
        ["OffsetOutOfRange", topic, 0, 5]
      )
    })
)

test(
  "a batch of an idempotent producer that is sent twice is there once; a hole in its sequence is refused",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      const { epoch, id } = yield* patiently(to.initProducer({}))
      const batch = (value: string, sequence: number) =>
        write(to, topic, [value], { producer: { id, epoch, sequence } })
      assert.deepEqual([yield* batch("a", 0), yield* batch("b", 1), yield* batch("a", 0), yield* batch("b", 1)], [
        0,
        1,
        0,
        1
      ])
      const error = yield* Effect.flip(batch("d", 3))
      assert.deepEqual([error.reason, /OUT_OF_ORDER_SEQUENCE_NUMBER/.test(error.message)], ["Other", true])
      assert.deepEqual(yield* readAll(to, topic), ["a", "b"])
    })
)

test(
  "a transaction is there for readers of what is committed when it is committed, with its offsets",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      const transactionalId = `${topic}-writer`
      const group = `${topic}-group`
      const producer = { transactionalId, ...(yield* patiently(to.initProducer({ transactionalId }))) }
      const place = { topic, partition: 0 }
      let sequence = 0
      const inTransaction = (value: string, outcome: "commit" | "abort", offset: number) =>
        Effect.gen(function* () {
          yield* patiently(to.addPartitions(producer, [place]))
          const batch = encode(valuesOf(value), {
            isTransactional: true,
            producer: { ...producer, sequence: sequence++ }
          })
          yield* to.produce({ ...place, batch, transactionalId })
          yield* patiently(to.addOffsets(producer, group, [{ ...place, offset, metadata: `commit ${offset}` }]))
          const unstable = yield* Effect.flip(to.committedOffsets(group, [place], { stable: true }))
          assert.equal(unstable.reason, "Unavailable")
          yield* to.endTransaction(producer, outcome)
          return yield* patiently(to.committedOffsets(group, [place], { stable: true }))
        })
      assert.deepEqual(yield* inTransaction("a", "commit", 10), [{ ...place, offset: 10, metadata: "commit 10" }])
      assert.deepEqual(yield* inTransaction("b", "abort", 20), [{ ...place, offset: 10, metadata: "commit 10" }])
      assert.deepEqual(yield* inTransaction("c", "commit", 30), [{ ...place, offset: 30, metadata: "commit 30" }])
      assert.deepEqual(yield* readAll(to, topic, "committed"), ["a", "c"])
      assert.deepEqual(yield* readAll(to, topic, "uncommitted"), ["a", "b", "c"])
      assert.deepEqual(yield* to.offsets([place], "latest", "committed"), [{ ...place, offset: 6, leaderEpoch: 0 }])
    })
)

test(
  "who takes a transactional id over fences its owner, and aborts what that left open",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      const transactionalId = `${topic}-writer`
      const place = { topic, partition: 0 }
      const begin = (producer: TransactionalProducer, value: string) =>
        Effect.gen(function* () {
          yield* patiently(to.addPartitions(producer, [place]))
          const batch = encode(valuesOf(value), { isTransactional: true, producer: { ...producer, sequence: 0 } })
          yield* to.produce({ ...place, batch, transactionalId })
        })
      const old = { transactionalId, ...(yield* patiently(to.initProducer({ transactionalId }))) }
      yield* begin(old, "of the old")
      const now = { transactionalId, ...(yield* patiently(to.initProducer({ transactionalId }))) }
      assert.deepEqual([now.id, now.epoch > old.epoch], [old.id, true])
      for (const late of [to.endTransaction(old, "commit"), to.addPartitions(old, [place]), begin(old, "late")]) {
        assert.equal((yield* Effect.flip(late)).reason, "Fenced")
      }
      const batch = encode(valuesOf("late"), { isTransactional: true, producer: { ...old, sequence: 1 } })
      assert.equal((yield* Effect.flip(to.produce({ ...place, batch, transactionalId }))).reason, "Fenced")
      yield* begin(now, "of the new")
      yield* to.endTransaction(now, "commit")
      assert.deepEqual(yield* readAll(to, topic, "committed"), ["of the new"])
    })
)

test(
  "a batch that is too large, or damaged, or of no key where keys are wanted, is refused as such",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      const large = yield* Effect.flip(write(to, topic, ["x".repeat(200_000)]))
      assert.deepEqual([large.reason, /max\.message\.bytes/.test(large.message)], ["TooLarge", true])
      const damaged = encode(valuesOf("a", "b"))
      damaged[damaged.length - 2]! ^= 1
      const error = yield* Effect.flip(to.produce({ topic, partition: 0, batch: damaged }))
      assert.deepEqual([error.reason, error.topic], ["Damaged", topic])
      const withoutKey = yield* Effect.flip(write(to, topic, ["a"]))
      assert.match(withoutKey.message, /INVALID_RECORD.*wants keys.*The broker says: .*key/)
      const huge = new Uint8Array(101 * 1024 * 1024)
      assert.equal((yield* Effect.flip(to.produce({ topic, partition: 0, batch: huge }))).reason, "TooLarge")
    }),
  { "max.message.bytes": "100000", "cleanup.policy": "compact" }
)

test(
  "a topic that was deleted and created again is not taken for the one before",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      yield* write(to, topic, ["old"])
      const { id } = (yield* to.topics([topic]))[0]!
      const fetch = (id?: string) =>
        to.fetch({ topic, partition: 0, id, offset: 0, maxBytes: 1000, waitMillis: 0, isolation: "committed" })
      assert.ok((yield* fetch(id)).bytes.length > 0)
      yield* Effect.promise(() => deleteTopic(broker, topic))
      const gone = yield* Effect.flip(Effect.repeat(fetch(id), { while: () => true }))
      assert.deepEqual([gone.reason, gone.topic], ["UnknownTopic", topic])
      yield* Effect.promise(() => createTopic(broker, topic))
      yield* write(to, topic, ["new"])
      assert.equal((yield* Effect.flip(fetch(id))).reason, "TopicReplaced")
      const [now] = yield* to.topics([topic])
      assert.notEqual(now!.id, id)
      assert.ok((yield* fetch(now!.id)).bytes.length > 0)
    })
)

test(
  "a reader that waits for records gets them when they come, and holds up nobody",
  (broker, topic) =>
    Effect.gen(function* () {
      const to = yield* cluster(broker)
      const request = {
        topic,
        partition: 0,
        offset: 0,
        maxBytes: 1000,
        waitMillis: 30_000,
        isolation: "committed" as const
      }
      const waiting = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 5 }, () => to.fetch(request)), { concurrency: 5 })
      )
      for (let i = 0; i < 20; i++) yield* to.offsets([request], "latest", "committed")
      assert.equal(waiting.pollUnsafe(), undefined)
      yield* write(to, topic, ["a"])
      const fetched = yield* Fiber.join(waiting)
      assert.deepEqual(fetched.map(({ bytes }) => bytes.length > 60), Array(5).fill(true))
    })
)

if (started !== undefined) {
  it.live(
    "a broker that hangs, is killed and comes back is away for so long, and nothing is lost",
    () =>
      Effect.gen(function* () {
        const topic = "comes-back"
        yield* Effect.promise(() => createTopic(started, topic))
        const to = yield* cluster(started, 500)
        yield* write(to, topic, ["a"])
        started.freeze()
        const hanging = yield* Effect.flip(write(to, topic, ["b"]))
        assert.deepEqual([hanging.reason, /within \d+ ms; it may have been done/.test(hanging.message)], [
          "Unavailable",
          true
        ])
        yield* Effect.promise(() => started.kill())
        const dead = yield* Effect.flip(write(to, topic, ["b"]))
        assert.deepEqual([dead.reason, dead.message.includes(started.bootstrap)], ["Unavailable", true])
        yield* Effect.promise(() => started.start())
        yield* patiently(write(to, topic, ["c"]))
        const found = yield* patiently(readAll(to, topic))
        assert.deepEqual([found[0], found.at(-1)], ["a", "c"])
      }),
    { timeout: 60_000 }
  )
}
