/**
 * The reader of ranges by itself: what it fetches and when, how it is shared, and that no gap, cut or wait loses a record.
 */
import * as assert from "node:assert/strict"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import type { OffsetRange } from "../../../adapters/kafka/reading/OffsetRange.ts"
import { readingOf } from "../../../adapters/kafka/options.ts"
import * as reader from "../../../adapters/kafka/reading/reader.ts"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { isPermanent } from "../../../core/protocol/permanent.ts"
import { it } from "../../kit.ts"
import { passing } from "../sink/roles.ts"
import { brokers, modelWith } from "../direct/run.ts"

const readerOf = (connect: Kafka.ConnectKafka, options: Partial<Kafka.ReadOptions<any, any>> = {}) =>
  Effect.provideService(
    reader.make(readingOf({ brokers, value: Kafka.text, ...options })),
    Kafka.ConnectKafka,
    connect
  )

/** All records of a range, and how many chunks they came in. */
const readAll = Effect.fnUntraced(function* (
  from: Effect.Success<ReturnType<typeof readerOf>>,
  value: Partial<OffsetRange>
) {
  const chunks = yield* from.read({ value: { topic: "t", partition: 0, ...value }, time: 1000, partition: 0 })
  const records: Array<Kafka.KafkaRecord<any, any>> = []
  let count = 0
  while (true) {
    const chunk = yield* chunks.next
    if (chunk === undefined) return { records, chunks: count }
    count++
    records.push(...chunk)
  }
})

it("five hundred readings at once, a hundred at a time, each get exactly the thousand records in order", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (let i = 0; i < 100; i++) kafka.append("t", 0, Array.from({ length: 10 }, (_, j) => String(10 * i + j)))
    const wanted = Array.from({ length: 1000 }, (_, i) => String(i))
    const shared = yield* readerOf(kafka.connect, { maxFetchBytes: 2000 })
    const readings = Array.from({ length: 500 }, (_, i) =>
      Effect.gen(function* () {
        const one = i % 2 === 0 ? shared : yield* readerOf(kafka.connect)
        const { records } = yield* readAll(one, { from: 0, until: 1000 })
        assert.deepEqual(records.map(({ value }) => value), wanted)
      }))
    yield* Effect.all(readings, { concurrency: 100, discard: true })
  }))

it("whichever way a stream subscribes, executors connect as it says, with starting offsets or without", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const connected: Array<unknown> = []
    const connect: Kafka.ConnectKafka = (connection) => {
      connected.push([connection.brokers, connection.clientId])
      return kafka.connect(connection)
    }
    const ways = [{ topics: ["t"] }, { topics: /^t$/ }, { partitions: [{ topic: "t", partition: 0 }] }]
    const starts = [{}, { start: { offsets: [{ topic: "t", partition: 0, offset: 23 }] } }]
    for (const way of ways) {
      for (const begin of starts) {
        const { input } = Kafka.directStream({ brokers: ["a:1", "b:2"], clientId: "me", ...way, ...begin } as any)
        if (input?.kind !== "direct") throw new Error("not direct")
        yield* Effect.provideService(input.reader as Effect.Effect<unknown>, Kafka.ConnectKafka, connect)
      }
    }
    assert.deepEqual(connected, Array.from({ length: 6 }, () => [["a:1", "b:2"], "me"]))
  }))

it("a range that is small is fetched as such, once it is known what a record takes, and all of it comes", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (let i = 0; i < 200; i++) {
      kafka.append(
        "t",
        0,
        Array.from({ length: 10 }, (_, j) => `${10 * i + j}`.padEnd(1000))
      )
    }
    const fetched: Array<number> = []
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        fetch: (request) =>
          Effect.tap(cluster.fetch(request), ({ bytes }) => Effect.sync(() => fetched.push(bytes.length)))
      }))
    const one = yield* readerOf(connect)
    const seen: Array<number> = []
    for (let from = 0; from < 2000; from += 25) {
      const { records } = yield* readAll(one, { from, until: from + 25 })
      seen.push(...records.map(({ value }) => Number(value)))
    }
    assert.deepEqual(seen, Array.from({ length: 2000 }, (_, i) => i))
    assert.ok(fetched[0]! > 1_000_000, `${fetched[0]} bytes, of whose size nothing was known`)
    assert.ok(
      fetched.slice(1).every((bytes) => bytes < 110_000),
      `${Math.max(...fetched.slice(1))} bytes for 25 records`
    )
    assert.equal(fetched.length, 80)
  }))

it("the next fetch is under way while records are worked on, and not one more; an end that is known is not fetched past", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (let i = 0; i < 4; i++) kafka.append("t", 0, [String(i)])
    const fetched: Array<number> = []
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        fetch: (request) => Effect.suspend(() => (fetched.push(request.offset), cluster.fetch(request)))
      }))
    const one = yield* readerOf(connect, { maxFetchBytes: 1 })
    const chunks = yield* one.read({ value: { topic: "t", partition: 0, from: 0, until: 3 }, time: 1000, partition: 0 })
    const seen: Array<ReadonlyArray<number>> = []
    while ((yield* chunks.next) !== undefined) seen.push([...fetched])
    assert.deepEqual(seen, [[0, 1], [0, 1, 2], [0, 1, 2]])
  }))

it("any cut of a log with gaps, markers and aborted records into ranges and fetches gives what is there, once", () => {
  const batch = fc.record({
    records: fc.array(fc.record({ key: fc.constantFrom("a", "b", "c"), size: fc.nat(40) }), {
      minLength: 1,
      maxLength: 6
    }),
    outcome: fc.constantFrom(undefined, "commit" as const, "abort" as const),
    compression: fc.constantFrom("none" as const, "gzip" as const, "zstd" as const)
  })
  const property = fc.asyncProperty(
    fc.array(batch, { minLength: 1, maxLength: 12 }),
    fc.boolean(),
    fc.integer({ min: 1, max: 7 }),
    fc.integer({ min: 1, max: 300 }),
    (batches, compacts, step, maxFetchBytes) =>
      Effect.runPromise(Effect.scoped(Effect.gen(function* () {
        const kafka = new KafkaModel({ now: () => 0 })
        kafka.createTopic("t", 1)
        for (const { compression, outcome, records } of batches) {
          kafka.append("t", 0, records.map(({ key, size }) => ({ key, value: "x".repeat(size) })), {
            compression,
            outcome
          })
        }
        if (compacts) kafka.log("t", 0).compact()
        const one = yield* readerOf(kafka.connect, { maxFetchBytes, key: Kafka.text })
        const read: Array<unknown> = []
        const end = kafka.log("t", 0).end
        for (let from = 0; from < end; from += step) {
          const { records } = yield* readAll(one, { from, until: Math.min(end, from + step) })
          read.push(...records.map(({ key, offset, value }) => [offset, key, value]))
        }
        assert.deepEqual(read, kafka.records("t").map(({ key, offset, value }) => [offset, key, value]))
      })))
  )
  return Effect.promise(() => fc.assert(property, { numRuns: 60 }))
})

it("a reading that is given up leaves no fetch behind", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (let i = 0; i < 3; i++) kafka.append("t", 0, [String(i)])
    let open = 0
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        fetch: (request) =>
          request.offset === 0 ? cluster.fetch(request) : Effect.ensuring(
            Effect.andThen(Effect.sync(() => void open++), Effect.never),
            Effect.sync(() => void open--)
          )
      }))
    const one = yield* readerOf(connect, { maxFetchBytes: 1 })
    const task = yield* Effect.forkChild(Effect.gen(function* () {
      const chunks = yield* one.read({
        value: { topic: "t", partition: 0, from: 0, until: 3 },
        time: 1000,
        partition: 0
      })
      const first = yield* chunks.next
      assert.equal(open, 1)
      return first
    }))
    yield* TestClock.adjust(1)
    assert.notEqual(task.pollUnsafe(), undefined)
    assert.equal(open, 0)
  }))

it("records that grow beyond measure are read piece by piece, though the fetch behind them is under way already", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const large = "x".repeat(100_000)
    const wanted = Array.from({ length: 12 }, (_, i) => `${i} `)
    for (const number of wanted) kafka.append("t", 0, [`${number}${large}`], { compression: "gzip" })
    const one = yield* readerOf(kafka.connect, { maxFetchBytes: 1000, maxBatchBytes: 150_000 })
    const { records } = yield* readAll(one, { from: 0, until: 12 })
    assert.deepEqual(records.map(({ value }) => value.slice(0, value.indexOf("x"))), wanted)
  }))

it("a range of a topic that was made anew or deleted since fails for good, or is left out by policy: no other topic is read", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, ["a", "b"])
    const range = { from: 0, until: 2, id: "of the topic before" }
    const losses = [[range, "TopicReplaced"], [{ ...range, topic: "gone" }, "UnknownTopic"]] as const
    for (const [value, reason] of losses) {
      const error = yield* Effect.flip(readAll(yield* readerOf(kafka.connect), value))
      assert.deepEqual([(error as Kafka.KafkaError).reason, isPermanent(error)], [reason, true])
      const { records } = yield* readAll(yield* readerOf(kafka.connect, { onLoss: "skip" }), value)
      assert.deepEqual(records, [])
    }
  }))

it("records that a new leader gives only after some seconds are waited for, each as long", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (const value of ["a", "b", "c"]) kafka.append("t", 0, [value])
    const since = new Map<number, number>()
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        fetch: (request) =>
          Effect.zipWith(cluster.fetch(request), Clock.currentTimeMillis, (fetched, now) => {
            const first = since.get(request.offset) ?? now
            since.set(request.offset, first)
            return now - first < 20_000 ? { ...fetched, bytes: new Uint8Array(0) } : fetched
          })
      }))
    const one = yield* readerOf(connect, { maxFetchBytes: 1 })
    const { records } = yield* passing(readAll(one, { from: 0, until: 3 }))
    assert.deepEqual(records.map(({ value }) => value), ["a", "b", "c"])
  }))
