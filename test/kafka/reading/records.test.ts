/**
 * Keys and values of a Kafka stream: bytes, text, JSON, schemas and functions, tombstones; and what becomes of poison records.
 */
import * as assert from "node:assert/strict"
import { Effect, Schema } from "effect"
import { readingOf } from "../../../adapters/kafka/options.ts"
import * as RecordDecoding from "../../../adapters/kafka/reading/RecordDecoding.ts"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { encode } from "../../../adapters/kafka/records/encode.ts"
import { DStream } from "../../../core/mod.ts"
import { type Collected, recordsOf } from "../../driver/collected.ts"
import { it } from "../../kit.ts"
import { brokers, eventsOf, modelWith, start } from "../direct/run.ts"

const utf8 = (text: string) => new Uint8Array(new TextEncoder().encode(text))
const plain = { brokers, topics: "t", start: "earliest" } as const

/** Keys and values of all records. */
const pairs = (batches: Collected<Kafka.KafkaRecord<any, any>>) =>
  recordsOf(batches).map(({ key, value }) => [key, value])

it("as they are, keys and values are bytes; no key and a tombstone are null; headers, offset and timestamp are there", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const headers = [{ key: "h", value: utf8("1") }, { key: "h", value: null }]
    kafka.append("t", 0, [{ key: "k", value: "é", timestamp: 7, headers }, { value: new Uint8Array([255]) }, {
      key: "k",
      value: null
    }])
    const { advance, batches } = yield* start(kafka, Kafka.directStream(plain))
    yield* advance(1)
    const [first] = recordsOf(batches)
    assert.deepEqual(pairs(batches), [[utf8("k"), utf8("é")], [null, new Uint8Array([255])], [utf8("k"), null]])
    const { headers: seen, offset, partition, timestamp, topic } = first!
    assert.deepEqual({ offset, partition, timestamp, topic }, { offset: 0, partition: 0, timestamp: 7, topic: "t" })
    assert.deepEqual(seen.map(({ key, value }) => [key, value && new Uint8Array(value)]), [["h", utf8("1")], [
      "h",
      null
    ]])
  }))

it("text, JSON, JSON of a schema, a schema of bytes and a function give what they say, and types follow", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, [{ key: "1", value: `{"n":1}` }, { key: "2", value: null }])
    const Numbered = Schema.Struct({ n: Schema.Int })
    const read = Effect.fnUntraced(function* <V>(value: Kafka.DeserializerInput<V>) {
      const { advance, batches } = yield* start(kafka, Kafka.directStream({ ...plain, key: Kafka.text, value }))
      yield* advance(1)
      return pairs(batches)
    })
    assert.deepEqual(yield* read(Kafka.text), [["1", `{"n":1}`], ["2", null]])
    assert.deepEqual(yield* read(Kafka.unknownJson), [["1", { n: 1 }], ["2", null]])
    assert.deepEqual(yield* read(Kafka.json(Numbered)), [["1", { n: 1 }], ["2", null]])
    assert.deepEqual(yield* read((bytes) => bytes.length), [["1", 7], ["2", null]])
    const Length = Schema.Uint8Array.check(Schema.makeFilter((bytes) => bytes.length === 7))
    assert.deepEqual((yield* read(Kafka.schema(Length)))[1], ["2", null])
    const typed = Kafka.directStream({ ...plain, key: Kafka.text, value: Kafka.json(Numbered) }).pipe(
      DStream.map(({ key, value }): [string | null, number | undefined] => [key, value?.n])
    )
    assert.equal(typed.kind, "map")
  }))

const poisonous = Effect.fnUntraced(function* (onPoison: Kafka.OnPoison, setup: { readonly executors?: number } = {}) {
  const kafka = yield* modelWith(1)
  kafka.createTopic("dead", 2)
  const stream = Kafka.directStream({ ...plain, value: Kafka.json(Schema.Struct({ n: Schema.Int })), onPoison })
  const again = stream.pipe(DStream.foreachBatch((batch) => batch.count))
  const running = yield* start(kafka, stream, { ...setup, outputs: [again] })
  const headers = [{ key: "trace", value: utf8("x") }]
  kafka.append("t", 0, [`{"n":1}`, { key: "k", value: `{"n":"two"}`, headers, timestamp: 5 }, `{"n":3}`, "{"])
  yield* running.advance(1)
  return { kafka, ...running }
})

it("a record that cannot be decoded fails the batch at once, naming topic, partition, offset, reason and remedy", () =>
  Effect.gen(function* () {
    const { events } = yield* poisonous("fail")
    const [first] = eventsOf(events, "OutputOperationCompleted")
    assert.match(
      String(first!.operation.failureReason),
      /The record at offset 1 of t\/0 cannot be decoded, its value: .*Expected number.*onPoison/s
    )
    assert.equal(eventsOf(events, "TaskRetried").length, 0)
  }))

it("or it is left out, counted and told", () =>
  Effect.gen(function* () {
    const { batches, messages } = yield* poisonous("skip")
    assert.deepEqual(pairs(batches), [[null, { n: 1 }], [null, { n: 3 }]])
    assert.match(
      messages.join("\n"),
      /2 records could not be decoded and were left out so far, now the one at offset 1 of t\/0/
    )
  }))

it("or it goes to a dead-letter topic as it was, with its origin, once though two outputs read it", () =>
  Effect.gen(function* () {
    const { batches, kafka } = yield* poisonous({ deadLetterTopic: "dead" })
    assert.deepEqual(pairs(batches), [[null, { n: 1 }], [null, { n: 3 }]])
    const letters = kafka.records("dead")
    assert.deepEqual(letters.map(({ key, timestamp, value }) => [key, value, timestamp]), [
      ["k", `{"n":"two"}`, 5],
      [null, "{", 0]
    ])
    const header = (name: string) =>
      letters.map(({ headers }) =>
        new TextDecoder().decode(headers.find(({ key }) => key === name)?.value ?? undefined)
      )
    assert.deepEqual(header("trace"), ["x", ""])
    assert.deepEqual(header("dstreams.topic"), ["t", "t"])
    assert.deepEqual(header("dstreams.partition"), ["0", "0"])
    assert.deepEqual(header("dstreams.offset"), ["1", "3"])
    assert.match(header("dstreams.error")[0]!, /^its value: .*Expected number/)
  }))

it("a dead-letter topic that is not there fails the batch: nothing is dropped in silence", () =>
  Effect.gen(function* () {
    const { events } = yield* poisonous({ deadLetterTopic: "nowhere" })
    const [first] = eventsOf(events, "OutputOperationCompleted")
    assert.match(
      String(first!.operation.failureReason),
      /There is no topic nowhere at model for records that cannot be decoded/
    )
  }))

it("a dead letter waits for a broker that is away", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("dead", 1)
    kafka.failNext("produce", "before")
    kafka.append("t", 0, ["{", `1`])
    const stream = Kafka.directStream({ ...plain, value: Kafka.unknownJson, onPoison: { deadLetterTopic: "dead" } })
    const { advance, batches } = yield* start(kafka, stream)
    yield* advance(2)
    assert.deepEqual(pairs(batches), [[null, 1]])
    assert.deepEqual(kafka.records("dead").map(({ value }) => value), ["{"])
  }))

it("dead letters that are more than their topic takes at once are halved until they fit, in order", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("dead", 1)
    let refused = 0
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        produce: (request) => {
          if (request.batch.length <= 20_000) return cluster.produce(request)
          refused++
          return Effect.fail(new Kafka.KafkaError({ reason: "TooLarge", message: "it is larger than 20000 bytes" }))
        }
      }))
    const all = Array.from({ length: 200 }, (_, i) => `{${i}${"x".repeat(1000)}`)
    kafka.append("t", 0, all)
    const stream = Kafka.directStream({ ...plain, value: Kafka.unknownJson, onPoison: { deadLetterTopic: "dead" } })
    const { advance } = yield* start(kafka, stream, { connect })
    yield* advance(1)
    assert.deepEqual(kafka.records("dead").map(({ value }) => value), all)
    assert.ok(refused > 0 && refused < 8, String(refused))
  }))

it("a poison record is sent to the dead letters also where its topic was made anew, and had one at that offset before", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("dead", 1)
    const onPoison = { deadLetterTopic: "dead" }
    const stream = Kafka.directStream({ ...plain, value: Kafka.unknownJson, onLoss: "skip", onPoison })
    const { advance } = yield* start(kafka, stream)
    kafka.append("t", 0, ["{ one"])
    yield* advance(1)
    kafka.deleteTopic("t")
    kafka.createTopic("t", 1)
    kafka.append("t", 0, ["{ two"])
    yield* advance(8)
    assert.deepEqual(kafka.records("dead").map(({ value }) => value), ["{ one", "{ two"])
  }))

it(
  "thousands of poison records in one compressed batch cost one more pass over it, and keep their order",
  () =>
    Effect.gen(function* () {
      const given = Array.from({ length: 8000 }, (_, i) => ({
        // Of every third the key is poison.
        key: i % 3 === 0 ? Uint8Array.of(255) : "k",
        value: `no json, of some hundred bytes ${"or so ".repeat(15)}${i}`,
        timestamp: 0
      }))
      const bytes = encode(given, { compression: "gzip", baseOffset: 0 })
      const buried: Array<number> = []
      const reading = readingOf({ brokers, key: Kafka.text, value: Kafka.unknownJson, onPoison: "skip" })
      const decode = RecordDecoding.make(
        reading,
        (poison) => Effect.sync(() => void buried.push(...poison.map(({ record }) => record.offset)))
      )
      yield* decode({ topic: "t", partition: 0, from: 0, until: Infinity, bytes, aborted: [] })
      assert.deepEqual(buried, given.map((_, i) => i))
    }),
  { timeout: 10_000 }
)

it("text that is not UTF-8 is poison", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, [new Uint8Array([104, 255]), "ok"])
    const { advance, batches, messages } = yield* start(
      kafka,
      Kafka.directStream({ ...plain, value: Kafka.text, onPoison: "skip" })
    )
    yield* advance(1)
    assert.deepEqual(pairs(batches), [[null, "ok"]])
    assert.match(messages.join("\n"), /it is not UTF-8/)
  }))

it("a topic full of poison does not fill the log", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (let i = 0; i < 100; i++) kafka.append("t", 0, ["{"])
    const stream = Kafka.directStream({ ...plain, value: Kafka.unknownJson, onPoison: "skip", maxFetchBytes: 1 })
    const { advance, messages } = yield* start(kafka, stream)
    yield* advance(1)
    assert.equal(messages.filter((message) => message.includes("could not be decoded")).length, 7)
  }))

it("a damaged record batch fails the batch, whatever is done with poison", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, ["a"])
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        fetch: (request) =>
          Effect.map(cluster.fetch(request), (fetched) => {
            const bytes = fetched.bytes.slice()
            bytes[bytes.length - 1]! ^= 1
            return { ...fetched, bytes }
          })
      }))
    const stream = Kafka.directStream({ ...plain, onPoison: "skip" })
    const { advance, context } = yield* start(kafka, stream, { connect })
    yield* advance(1)
    assert.match(
      String(yield* Effect.flip(context.awaitTermination)),
      /The record batch at offset 0 of t\/0 cannot be read: its check sum/
    )
  }))

it("poison behind an aborted transaction of the same producer, in the same fetch, is buried as it is", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("dead", 1)
    kafka.append("t", 0, ["{ never"], { outcome: "abort" })
    kafka.append("t", 0, ["{ poison", "1"], { outcome: "commit" })
    const stream = Kafka.directStream({ ...plain, value: Kafka.unknownJson, onPoison: { deadLetterTopic: "dead" } })
    const { advance, batches } = yield* start(kafka, stream)
    yield* advance(1)
    assert.deepEqual(pairs(batches), [[null, 1]])
    assert.deepEqual(kafka.records("dead").map(({ value }) => value), ["{ poison"])
  }))

it("records that grow beyond measure when they are decompressed come piece by piece, and one batch that is too large fails", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const large = "x".repeat(100_000)
    for (let i = 0; i < 6; i++) kafka.append("t", 0, [`${i}${large}`], { compression: "gzip" })
    const { advance, batches } = yield* start(
      kafka,
      Kafka.directStream({ ...plain, value: Kafka.text, maxBatchBytes: 150_000 })
    )
    yield* advance(1)
    assert.deepEqual(pairs(batches).map(([, value]) => value[0]), ["0", "1", "2", "3", "4", "5"])
    const small = Kafka.directStream({ ...plain, value: Kafka.text, maxBatchBytes: 50_000 })
    const refused = yield* start(kafka, small)
    yield* refused.advance(1)
    assert.match(
      String(yield* Effect.flip(refused.context.awaitTermination)),
      /batch at offset 0 of t\/0 cannot be read: decompressed it has more than 50000 bytes. Raise maxBatchBytes/
    )
    assert.equal(eventsOf(refused.events, "TaskRetried").length, 0)
  }))
