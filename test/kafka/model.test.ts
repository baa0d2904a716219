/**
 * KafkaModel beyond the contract: what goes wrong at brokers can be had of it, and looks as it does there.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import type { KafkaCluster } from "../../adapters/kafka/KafkaCluster.ts"
import { KafkaModel } from "../../adapters/kafka/model/KafkaModel.ts"
import { decode } from "../../adapters/kafka/records/decode.ts"
import { headerAt } from "../../adapters/kafka/records/RecordBatch.ts"
import type { KafkaRecord } from "../../adapters/kafka/KafkaRecord.ts"
import { it } from "../kit.ts"
import { batchOf, producerOf, valuesOf } from "./contract/World.ts"

const topic = "t"
const where = { topic, partition: 0 }

const made = Effect.gen(function* () {
  const kafka = yield* KafkaModel.make
  kafka.createTopic(topic, 1)
  return { kafka, cluster: yield* kafka.connect({ brokers: "model" }) }
})

const reasonOf = <A>(step: Effect.Effect<A, { readonly reason: string }>) =>
  Effect.map(Effect.flip(step), ({ reason }) => reason)

const latest = (cluster: KafkaCluster) =>
  Effect.map(cluster.offsets([where], "latest", "committed"), ([end]) => end!.offset)

const shown = (records: ReadonlyArray<KafkaRecord<string, string>>) =>
  records.map(({ key, offset, value }) => `${offset} ${key} ${value}`)

it("compaction leaves the newest of each key where it is, but for the newest batch: gaps in batches and between them", () =>
  Effect.gen(function* () {
    const { kafka } = yield* made
    const put = (...keys: ReadonlyArray<string>) =>
      kafka.append(topic, 0, keys.map((key) => ({ key, value: `of ${key}` })))
    put("a", "b", "c")
    put("a", "b")
    put("a", "a", "d")
    put("d", "d")
    kafka.log(topic, 0).compact()
    assert.deepEqual(shown(kafka.records(topic)), [
      "2 c of c",
      "4 b of b",
      "6 a of a",
      "7 d of d",
      "8 d of d",
      "9 d of d"
    ])
    assert.equal(kafka.log(topic, 0).end, 10)
  }))

it("a batch of which compaction leaves nothing goes, unless it is its producer's last", () =>
  Effect.gen(function* () {
    const { cluster, kafka } = yield* made
    const identity = yield* cluster.initProducer({})
    const send = (sequence: number) =>
      cluster.produce({
        ...where,
        batch: batchOf([{ timestamp: 1, key: "k", value: `${sequence}` }], { producer: { ...identity, sequence } })
      })
    yield* send(0)
    yield* send(1)
    kafka.append(topic, 0, [{ key: "k", value: "later" }])
    kafka.append(topic, 0, [{ key: "end", value: "" }])
    kafka.log(topic, 0).compact()
    const { bytes } = kafka.log(topic, 0).read(0, 1 << 20, "committed")
    const first = headerAt(bytes, 0)!
    assert.deepEqual([first.baseOffset, first.lastOffset, first.recordCount, first.baseSequence], [1, 1, 0, 1])
    assert.deepEqual(shown(kafka.records(topic)), ["2 k later", "3 end "])
    assert.equal(yield* send(1), 1)
    assert.equal(yield* send(2), 4)
  }))

it("compaction takes what was aborted, and leaves what is open", () =>
  Effect.gen(function* () {
    const { cluster, kafka } = yield* made
    kafka.append(topic, 0, [{ key: "k", value: "kept" }])
    kafka.append(topic, 0, [{ key: "k", value: "aborted" }], { outcome: "abort" })
    const open = yield* producerOf(cluster, "open")
    yield* cluster.addPartitions(open, [where])
    const batch = batchOf([{ timestamp: 1, key: "k", value: "open" }], {
      producer: { ...open, sequence: 0 },
      isTransactional: true
    })
    yield* cluster.produce({ ...where, batch, transactionalId: "open" })
    kafka.append(topic, 0, [{ key: "k", value: "newest" }])
    kafka.log(topic, 0).compact()
    assert.deepEqual(shown(kafka.records(topic)), ["0 k kept"])
    assert.deepEqual(shown(kafka.records(topic, "uncommitted")), ["0 k kept", "3 k open", "4 k newest"])
    yield* cluster.endTransaction(open, "commit")
    assert.deepEqual(shown(kafka.records(topic)), ["0 k kept", "3 k open", "4 k newest"])
  }))

it("truncation takes records and what is known of their transactions; offsets are given anew", () =>
  Effect.gen(function* () {
    const { cluster, kafka } = yield* made
    kafka.append(topic, 0, ["a"])
    kafka.append(topic, 0, ["aborted"], { outcome: "abort" })
    kafka.append(topic, 0, ["b", "c"])
    const log = kafka.log(topic, 0)
    log.truncate(1)
    assert.equal(yield* latest(cluster), 1)
    const fetch = { ...where, offset: 5, maxBytes: 100, waitMillis: 0, isolation: "committed" } as const
    assert.equal(yield* reasonOf(cluster.fetch(fetch)), "OffsetOutOfRange")
    kafka.append(topic, 0, ["other"])
    assert.deepEqual(yield* valuesOf(cluster, topic), ["a", "other"])
    assert.deepEqual(log.read(0, 1 << 20, "committed").aborted, [])
    assert.equal(headerAt(log.read(1, 1 << 20, "committed").bytes, 0)!.leaderEpoch, 1)
  }))

it("brokers that are away, a partition without a leader, and answers that do not come are Unavailable", () =>
  Effect.gen(function* () {
    const { cluster, kafka } = yield* made
    const produced = (value: string) => cluster.produce({ ...where, batch: batchOf([value]) })
    kafka.isAvailable = false
    assert.equal(yield* reasonOf(produced("a")), "Unavailable")
    assert.equal(yield* reasonOf(cluster.topics(undefined)), "Unavailable")
    kafka.isAvailable = true
    kafka.log(topic, 0).leader = null
    assert.equal(yield* reasonOf(produced("b")), "Unavailable")
    assert.equal((yield* cluster.topics([topic]))[0]!.partitions[0]!.leader, undefined)
    kafka.log(topic, 0).leader = 1
    kafka.failNext("produce", "before")
    kafka.failNext("produce", "after")
    assert.equal(yield* reasonOf(produced("c")), "Unavailable")
    assert.equal(yield* reasonOf(produced("d")), "Unavailable")
    yield* produced("e")
    assert.deepEqual(kafka.records(topic).map(({ value }) => value), ["d", "e"])
  }))

it("markers that are late leave a transaction undecided for its readers, and for its next producer", () =>
  Effect.gen(function* () {
    let now = 0
    const kafka = new KafkaModel({ now: () => now, markerMillis: () => 50 })
    kafka.createTopic(topic, 1)
    const cluster = yield* kafka.connect({ brokers: "model" })
    kafka.append(topic, 0, ["a"], { outcome: "commit" })
    assert.equal(yield* latest(cluster), 0)
    const next = cluster.initProducer({ transactionalId: `append-${topic}-0` })
    assert.equal(yield* reasonOf(next), "Unavailable")
    now = 50
    assert.equal(yield* latest(cluster), 2)
    yield* next
    assert.deepEqual(yield* valuesOf(cluster, topic), ["a"])
  }))

it("a marker waits for its partition's leader", () =>
  Effect.gen(function* () {
    const { cluster, kafka } = yield* made
    const producer = yield* producerOf(cluster, "p")
    yield* cluster.addPartitions(producer, [where])
    kafka.log(topic, 0).leader = null
    yield* cluster.endTransaction(producer, "commit")
    assert.equal(yield* reasonOf(cluster.initProducer({ transactionalId: "p" })), "Unavailable")
    kafka.log(topic, 0).leader = 0
    assert.equal((yield* producerOf(cluster, "p")).epoch, 1)
  }))

it("a member that is silent for its session is put out, and its partitions go to another", () =>
  Effect.gen(function* () {
    const { cluster, kafka } = yield* made
    kafka.addPartitions(topic, 1)
    const request = { group: "g", topics: [topic], sessionMillis: 3000, rebalanceMillis: 60_000 }
    // As a node that is killed: nothing of it runs any more, and it does not leave.
    const silent = kafka.broker.groups.join(request, kafka.broker.now)
    assert.equal(kafka.broker.groups.assignment("g", silent, kafka.broker.now)?.partitions.length, 2)
    const scope = yield* Scope.make()
    const member = yield* Scope.provide(cluster.join(request), scope)
    const assigned = yield* Effect.forkScoped(member.assignment)
    yield* TestClock.adjust("2500 millis")
    assert.equal(assigned.pollUnsafe(), undefined)
    yield* TestClock.adjust("600 millis")
    assert.equal((yield* Fiber.join(assigned)).length, 2)
    // Its own heartbeats keep it in.
    yield* TestClock.adjust("20 seconds")
    yield* member.commit([{ ...where, offset: 1, metadata: "" }])
    yield* Scope.close(scope, Exit.void)
    assert.deepEqual(kafka.broker.groups.assignment("g", silent, kafka.broker.now), undefined)
  }))

it("partitions that are added are dealt out", () =>
  Effect.gen(function* () {
    const { cluster, kafka } = yield* made
    const member = yield* cluster.join({ group: "g", topics: [topic], sessionMillis: 3000, rebalanceMillis: 3000 })
    assert.equal((yield* member.assignment).length, 1)
    kafka.addPartitions(topic, 2)
    yield* member.revoked
    assert.equal((yield* member.assignment).length, 3)
  }))

it("whatever is appended, aborted, compacted and cut into fetches: a reader has what is to be there, in order", () =>
  Effect.gen(function* () {
    const acts = fc.array(
      fc.record({
        keys: fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }),
        outcome: fc.constantFrom(undefined, "commit" as const, "abort" as const),
        compacts: fc.boolean()
      }),
      { maxLength: 12 }
    )
    const property = fc.property(acts, fc.integer({ min: 1, max: 600 }), (acts, maxBytes) => {
      const kafka = new KafkaModel({ now: () => 0 })
      kafka.createTopic(topic, 1)
      const log = kafka.log(topic, 0)
      const all = new Map<number, string>()
      for (const { compacts, keys, outcome } of acts) {
        const offset = kafka.append(topic, 0, keys.map((key) => ({ key: `${key}`, value: "" })), { outcome })
        if (outcome !== "abort") keys.forEach((key, i) => all.set(offset + i, `${key}`))
        if (compacts) log.compact()
      }
      const records: Array<KafkaRecord<string, string>> = []
      for (let from = 0; from < log.end;) {
        const { aborted, bytes } = log.read(from, maxBytes, "committed")
        const options = { ...where, from, until: log.end, aborted, key: "text", value: "text" } as const
        const { next } = decode(bytes, options, records)
        assert.ok(next > from, `no way on from ${from}`)
        from = next
      }
      const offsets = records.map(({ offset }) => offset)
      assert.deepEqual(offsets, [...new Set(offsets)].sort((a, b) => a - b))
      for (const { key, offset } of records) assert.equal(key, all.get(offset))
      // The newest of each key is always there.
      const newest = new Map([...all].map(([offset, key]) => [key, offset]))
      for (const offset of newest.values()) assert.ok(offsets.includes(offset))
    })
    fc.assert(property, { numRuns: 300 })
  }))
