/**
 * Drivers of a Kafka stream that die, and others that go on at the recorded offsets: of what was read, of what waits, and of partitions
 * in which nothing came for longer than anything else is remembered.
 */
import * as assert from "node:assert/strict"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import type { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { encode } from "../../../adapters/kafka/records/encode.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import { type Collected, recordsOf } from "../../driver/collected.ts"
import { it } from "../../kit.ts"
import { modelWith, text } from "./run.ts"

type Values = Collected<Kafka.KafkaRecord<Uint8Array, string>>

const appOf = (kafka: KafkaModel, seen: Values, options: Partial<Kafka.DirectOptions<Uint8Array, string>> = {}) =>
  StreamingApp.make({
    name: "kafka",
    batchDuration: "1 second",
    outputs: [
      Kafka.directStream({ ...text, topics: "t", ...options } as Kafka.DirectOptions<Uint8Array, string>).pipe(
        DStream.named("in"),
        DStream.collectTo(seen, { name: "out" })
      )
    ],
    layer: Layer.succeed(Kafka.ConnectKafka, kafka.connect)
  }) as StreamingApp.StreamingApp

const values = (seen: Values) => recordsOf(seen).map(({ value }) => value)

it("a running sum goes on after a recovery: each number counts once, and what came meanwhile is read", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const sums: Array<number> = []
    const ranges: Array<Kafka.OffsetRange> = []
    const app = StreamingApp.make({
      name: "sum",
      batchDuration: "1 second",
      outputs: [
        Kafka.directStream({ ...text, topics: "t" }).pipe(
          DStream.named("in"),
          DStream.mapToPair(({ value }) => ["sum", Number(value)]),
          DStream.updateStateByKey((numbers: ReadonlyArray<number>, sum: number | undefined) =>
            numbers.reduce((a, b) => a + b, sum ?? 0)
          ),
          DStream.named("sum"),
          DStream.foreachBatch((batch) => Effect.map(batch.collect, (all) => sums.push(all[0]?.[1] ?? 0)), {
            name: "out"
          })
        ),
        Kafka.directStream({ ...text, topics: "t" }).pipe(
          DStream.named("again"),
          DStream.foreachBatch((batch) => Effect.sync(() => ranges.push(...Kafka.offsetRanges(batch))), {
            name: "ranges"
          })
        )
      ],
      layer: Layer.succeed(Kafka.ConnectKafka, kafka.connect)
    }) as StreamingApp.StreamingApp
    const send = (from: number, to: number) => {
      for (let number = from; number <= to; number++) kafka.append("t", 0, [String(number)])
    }
    yield* lives.live(app, { storage }, 3, Effect.sync(() => send(1, 10)))
    assert.equal(sums.at(-1), 55)
    assert.equal(ranges[0]!.from, 0)
    send(11, 20)
    yield* lives.live(app, { storage }, 3)
    assert.equal(sums.at(-1), 210)
    const firstOf = new Map(ranges.map((range) => [range.from, range.until]))
    assert.equal([...firstOf].reduce((sum, [from, until]) => sum + until - from, 0), 20)
  }))

it("a partition that was idle for an hour is gone on with where it stood, though start says latest", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { start: "latest" })
    kafka.append("t", 0, ["old"])
    yield* lives.live(app, { storage }, 3, Effect.sync(() => kafka.append("t", 1, ["a"])))
    // Only partition 1 moves, for longer than plans are kept.
    yield* lives.live(app, { storage }, 60, Effect.sync(() => kafka.append("t", 1, ["b"])))
    yield* TestClock.adjust("1 hour")
    kafka.append("t", 0, ["c"])
    yield* lives.live(app, { storage, settings: { missedTicks: "coalesce" } }, 2)
    assert.deepEqual(values(seen), ["a", "b", "c"])
  }))

it("a batch that was not done is read again, the same range, whatever came behind it", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const tried: Array<ReadonlyArray<unknown>> = []
    let hangs = true
    const app = StreamingApp.make({
      name: "kafka",
      batchDuration: "1 second",
      outputs: [
        Kafka.directStream({ ...text, topics: "t" }).pipe(
          DStream.named("in"),
          DStream.foreachBatch((batch) =>
            Effect.flatMap(batch.collect, (records) => {
              tried.push(records.map(({ value }) => value))
              return hangs ? Effect.never : Effect.void
            }), { name: "out" })
        )
      ],
      layer: Layer.succeed(Kafka.ConnectKafka, kafka.connect)
    }) as StreamingApp.StreamingApp
    yield* lives.live(app, { storage }, 1, Effect.sync(() => kafka.append("t", 0, ["a", "b"])))
    kafka.append("t", 0, ["c"])
    hangs = false
    yield* lives.live(app, { storage }, 1)
    assert.deepEqual(tried, [["a", "b"], ["a", "b"], ["c"]])
  }))

it("what came between the start and the first batch is not forgotten by a driver that dies then", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { start: "latest" })
    yield* lives.live(app, { storage }, 1)
    kafka.append("t", 0, ["a"])
    yield* lives.live(app, { storage }, 1)
    assert.deepEqual(values(seen), ["a"])
  }))

it("partitions that came while nobody was there are read from their first record", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { start: "latest" })
    yield* lives.live(app, { storage }, 2, Effect.sync(() => kafka.append("t", 0, ["a"])))
    kafka.addPartitions("t", 1)
    kafka.append("t", 1, ["b"])
    yield* lives.live(app, { storage }, 2)
    assert.deepEqual(values(seen), ["a", "b"])
  }))

it("offsets that were truncated while nobody was there fail the next driver, or are gone on behind by policy", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const seen: Values = []
    yield* lives.live(
      appOf(kafka, seen),
      { storage },
      2,
      Effect.sync(() => kafka.append("t", 0, ["a"]) + kafka.append("t", 0, ["b", "c"]))
    )
    kafka.log("t", 0).truncate(1)
    const failed = yield* lives.live(appOf(kafka, seen), { storage }, 1)
    const reasons = failed.events.flatMap((event) => event.kind === "GenerationFailed" ? [event.reason] : [])
    assert.match(reasons.join(), /was read up to offset 3 and was cut off at 1 when another/)
    yield* lives.live(
      appOf(kafka, seen, { onLoss: "skip" }),
      { storage },
      2,
      Effect.sync(() => kafka.append("t", 0, ["d"]))
    )
    assert.deepEqual(values(seen), ["a", "b", "c", "d"])
  }))

it("a topic that the program reads no more is not read after a recovery either", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("u", 1)
    const storage = memoryStorage()
    const seen: Values = []
    const send = (value: string) => Effect.sync(() => kafka.append("t", 0, [value]) + kafka.append("u", 0, [value]))
    yield* lives.live(appOf(kafka, seen, { topics: ["t", "u"] }), { storage }, 1, send("a"))
    yield* lives.live(appOf(kafka, seen), { storage }, 2, send("b"))
    assert.deepEqual(values(seen), ["a", "a", "b"])
  }))

it("offsets of a batch that the next driver ends are committed to the group, too", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    let hangs = true
    const app = StreamingApp.make({
      name: "kafka",
      batchDuration: "1 second",
      outputs: [
        Kafka.directStream({ ...text, topics: "t", commitTo: "monitor" }).pipe(
          DStream.named("in"),
          DStream.foreachBatch(() => hangs ? Effect.never : Effect.void, { name: "out" })
        )
      ],
      layer: Layer.succeed(Kafka.ConnectKafka, kafka.connect)
    }) as StreamingApp.StreamingApp
    yield* lives.live(app, { storage }, 1, Effect.sync(() => kafka.append("t", 0, ["a", "b"])))
    const cluster = yield* kafka.connect({ brokers: "model:9092" })
    const committed = cluster.committedOffsets("monitor", [{ topic: "t", partition: 0 }], { stable: false })
    assert.deepEqual(yield* committed, [])
    hangs = false
    yield* lives.live(app, { storage }, 2)
    assert.deepEqual((yield* committed).map(({ offset }) => offset), [2])
  }))

it("a partition that had no leader when the app first started begins as start says, also for the next driver", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { start: { timestamp: 200 } })
    for (const partition of [0, 1]) {
      kafka.append("t", partition, [{ value: "old", timestamp: 100 }, { value: `${partition}`, timestamp: 300 }])
    }
    kafka.log("t", 1).leader = null
    yield* lives.live(app, { storage }, 2)
    yield* lives.live(app, { storage }, 2)
    kafka.log("t", 1).leader = 0
    yield* lives.live(app, { storage }, 2)
    yield* lives.live(app, { storage }, 2)
    assert.deepEqual(values(seen), ["0", "1"])
  }))

it("a topic that was made anew before it had a leader is another: it is read from its first record", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { start: "latest", onLoss: "skip" })
    kafka.log("t", 1).leader = null
    yield* lives.live(app, { storage }, 2)
    kafka.deleteTopic("t")
    kafka.createTopic("t", 2)
    kafka.append("t", 1, ["a"])
    yield* lives.live(app, { storage }, 2)
    assert.deepEqual(values(seen), ["a"])
  }))

it("a topic that came while nobody was there is read from its first record, though the pattern had matched none", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { topics: /^x/, start: "latest" })
    yield* lives.live(app, { storage }, 2)
    kafka.createTopic("x1", 1)
    kafka.append("x1", 0, ["a"])
    yield* lives.live(app, { storage }, 2)
    assert.deepEqual(values(seen), ["a"])
  }))

it("where no broker answered the driver that died, the next one is the first that starts", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { start: "latest" })
    kafka.append("t", 0, ["old"])
    kafka.isAvailable = false
    yield* lives.live(app, { storage }, 2)
    kafka.isAvailable = true
    yield* lives.live(app, { storage }, 2, Effect.sync(() => kafka.append("t", 0, ["new"])))
    assert.deepEqual(values(seen), ["new"])
  }))

it("a topic that was deleted and given up by policy refuses no start; that it is not there is told", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("u", 1)
    const storage = memoryStorage()
    const seen: Values = []
    const app = appOf(kafka, seen, { topics: ["t", "u"], onLoss: "skip" })
    const send = (topic: string, value: string) => Effect.sync(() => kafka.append(topic, 0, [value]))
    yield* lives.live(app, { storage }, 2, send("u", "a"))
    kafka.deleteTopic("u")
    yield* lives.live(app, { storage }, 2, send("t", "b"))
    yield* lives.live(app, { storage }, 2, send("t", "c"))
    kafka.createTopic("u", 1)
    yield* lives.live(app, { storage }, 2, send("u", "d"))
    assert.deepEqual(values(seen), ["a", "b", "c", "d"])
  }))

/** Records of a transaction that is open until it is ended. */
const opened = (kafka: KafkaModel, values: ReadonlyArray<string>) => {
  const { broker } = kafka
  const producer = { transactionalId: "x", ...broker.initProducer("x") }
  const place = { topic: "t", partition: 0 }
  broker.addToTransaction(producer, [place])
  const records = values.map((value) => ({ timestamp: 0, value }))
  const batch = encode(records, { producer: { ...producer, sequence: 0 }, isTransactional: true })
  broker.produce({ ...place, transactionalId: "x", batch })
  return { commit: () => broker.endTransaction(producer, "commit") }
}

it("a position or a given start behind an open transaction's beginning is no loss: what follows waits until it is decided", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const transaction = opened(kafka, ["a", "b"])
    const [seen, given]: [Values, Values] = [[], []]
    yield* lives.live(appOf(kafka, seen, { isolation: "uncommitted" }), { storage }, 2)
    const later = { isolation: "committed", onLoss: "fail" } as const
    const start = { offsets: [{ topic: "t", partition: 0, offset: 1 }] }
    const others = memoryStorage()
    yield* lives.live(appOf(kafka, seen, later), { storage }, 2, Effect.sync(() => kafka.append("t", 0, ["c"])))
    yield* lives.live(appOf(kafka, given, { ...later, start }), { storage: others }, 2)
    transaction.commit()
    yield* lives.live(appOf(kafka, seen, later), { storage }, 2)
    yield* lives.live(appOf(kafka, given, { ...later, start }), { storage: others }, 2)
    assert.deepEqual([values(seen), values(given)], [["a", "b", "c"], ["b", "c"]])
  }))

it("where records are undecided, a partition that was cut off all the same is told so", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const storage = memoryStorage()
    const seen: Values = []
    opened(kafka, ["a", "b"])
    kafka.append("t", 0, ["c"])
    yield* lives.live(appOf(kafka, seen, { isolation: "uncommitted" }), { storage }, 2)
    kafka.log("t", 0).truncate(2)
    const failed = yield* lives.live(appOf(kafka, seen, { isolation: "committed" }), { storage }, 1)
    const reasons = failed.events.flatMap((event) => event.kind === "GenerationFailed" ? [event.reason] : [])
    assert.match(reasons.join(), /was read up to offset 3 and was cut off at 2/)
  }))
