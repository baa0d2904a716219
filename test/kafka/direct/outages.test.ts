/**
 * Brokers that do not answer, or partitions that nobody leads, in a whole engine over a model of a broker: it is told at once, batches go on
 * without, and nothing is lost.
 */
import * as assert from "node:assert/strict"
import { Effect, Latch } from "effect"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { recordsOf } from "../../driver/collected.ts"
import { it } from "../../kit.ts"
import { modelWith, start, text, valuesOf } from "./run.ts"

const stream = (options: Partial<Kafka.ReadOptions<Uint8Array, string> & Kafka.StreamOptions> = {}) =>
  Kafka.directStream({ ...text, topics: "t", ...options })

const told = (messages: ReadonlyArray<string>, pattern: RegExp) =>
  messages.filter((message) => pattern.test(message)).length

it("a broker that is away for a minute is told at once, and once, asked seldom, and nothing is lost", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    let asked = 0
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        offsets: (...request) => {
          asked++
          return cluster.offsets(...request)
        }
      }))
    const { advance, batches, messages } = yield* start(kafka, stream(), { connect })
    kafka.append("t", 0, ["a"])
    yield* advance(1)
    kafka.isAvailable = false
    yield* advance(1)
    assert.equal(told(messages, /no broker answers.*batches take nothing from there/), 1)
    asked = 0
    yield* advance(60)
    assert.ok(asked <= 61, `${asked} requests`)
    kafka.append("t", 0, ["b"])
    kafka.isAvailable = true
    yield* advance(4)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["a", "b"])
    assert.equal(batches.length, 66)
    assert.equal(told(messages, /no broker answers/), 1)
    assert.equal(told(messages, /Kafka is there again, after 6\d000 ms/), 1)
  }))

it("a broker that is away while a range is read holds its task, not more, and the range is whole", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    let fetches = 0
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        fetch: (request) => {
          if (++fetches === 2) kafka.isAvailable = false
          return cluster.fetch(request)
        }
      }))
    for (let i = 0; i < 3; i++) kafka.append("t", 0, [String(i)])
    const { advance, batches, messages } = yield* start(kafka, stream({ maxFetchBytes: 1 }), { connect })
    yield* advance(30)
    assert.equal(batches.length, 0)
    assert.ok(fetches < 25, `${fetches} fetches`)
    assert.equal(told(messages, /no broker answers.*what reads from there waits until it answers/), 1)
    kafka.isAvailable = true
    yield* advance(3)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["0", "1", "2"])
  }))

it("no broker at the start is told, and latest then means what comes after the first answer", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, ["old"])
    kafka.isAvailable = false
    const { advance, batches, messages } = yield* start(kafka, stream({ start: "latest" }))
    yield* advance(2)
    kafka.isAvailable = true
    yield* advance(3)
    kafka.append("t", 0, ["new"])
    yield* advance(1)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["new"])
    assert.equal(told(messages, /no broker answers/), 1)
  }))

it("a partition that has no leader is told, holds up no others, and is read on when it has one again", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(3)
    const { advance, batches, messages } = yield* start(kafka, stream())
    for (const partition of [0, 1, 2]) kafka.append("t", partition, [`${partition} before`])
    yield* advance(1)
    kafka.append("t", 1, ["1 meanwhile"])
    kafka.log("t", 1).leader = null
    kafka.append("t", 0, ["0 meanwhile"])
    yield* advance(4)
    assert.deepEqual(valuesOf(batches).slice(1), [["0 meanwhile"], [], [], []])
    assert.equal(told(messages, /No broker leads t\/1; batches take nothing from there until one does/), 1)
    kafka.log("t", 1).leader = 0
    kafka.append("t", 2, ["2 after"])
    yield* advance(1)
    assert.deepEqual(valuesOf(batches).at(-1), ["1 meanwhile", "2 after"])
    assert.equal(messages.length, 1)
  }))

it("a broker that hangs is told within a batch and holds no batch up; what it answers at last is read, once", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const answering = yield* Latch.make(true)
    let asked = 0
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        offsets: (...request) => {
          asked++
          return Effect.tap(cluster.offsets(...request), () => answering.await)
        }
      }))
    const { advance, batches, messages } = yield* start(kafka, stream(), { connect })
    kafka.append("t", 0, ["a"])
    yield* advance(1)
    answering.closeUnsafe()
    kafka.append("t", 0, ["b"])
    asked = 0
    yield* advance(2)
    assert.equal(
      told(messages, /The brokers model have not answered within 1000 ms.*batches take nothing from there/),
      1
    )
    yield* advance(9)
    assert.deepEqual([asked, batches.length], [1, 12])
    kafka.append("t", 0, ["c"])
    answering.openUnsafe()
    yield* advance(4)
    assert.deepEqual(valuesOf(batches).filter((batch) => batch.length > 0), [["a"], ["b"], ["c"]])
    assert.equal(told(messages, /Kafka is there again/), 1)
  }))
