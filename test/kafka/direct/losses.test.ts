/**
 * What brokers lose or leave out, in a whole engine over a model of one: gaps, markers and aborted transactions are no loss; retention,
 * truncation and topics made anew are, with a policy.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { recordsOf } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { eventsOf, modelWith, start, text, valuesOf } from "./run.ts"

const stream = (options: Partial<Kafka.ReadOptions<Uint8Array, string> & Kafka.StreamOptions> = {}) =>
  Kafka.directStream({ ...text, topics: "t", ...options })

it("gaps of a compacted topic, markers and aborted records are no loss: what is there is read, once", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (const value of ["a", "b", "c", "d"]) kafka.append("t", 0, [{ key: value === "d" ? "d" : "k", value }])
    kafka.log("t", 0).compact()
    kafka.append("t", 0, ["e"], { outcome: "commit" })
    kafka.append("t", 0, ["never"], { outcome: "abort" })
    const { advance, batches } = yield* start(kafka, stream())
    yield* advance(1)
    kafka.append("t", 0, ["f"], { outcome: "commit" })
    yield* advance(2)
    assert.deepEqual(valuesOf(batches), [["c", "d", "e"], ["f"], []])
  }))

it("ranges that end on a marker or in a gap, record by record, read each record once", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (let i = 0; i < 5; i++) {
      kafka.append("t", 0, [{ key: "k", value: `plain ${i}` }, { key: `${i}`, value: `kept ${i}` }])
      kafka.append("t", 0, [{ key: `c${i}`, value: `committed ${i}` }], { outcome: "commit" })
      kafka.append("t", 0, [{ key: `x${i}`, value: "aborted" }], { outcome: "abort" })
    }
    kafka.log("t", 0).compact()
    const { advance, batches } = yield* start(kafka, stream({ maxRatePerPartition: 1 }))
    yield* advance(40)
    const expected = kafka.records("t").map(({ value }) => value)
    assert.ok(expected.length > 10 && expected.length < 40)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), expected)
  }))

it("records of a transaction that is open are read when it is committed, and with isolation uncommitted at once", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const committed = yield* start(kafka, stream())
    const all = yield* start(kafka, stream({ isolation: "uncommitted" }))
    kafka.append("t", 0, ["gone"], { outcome: "abort" })
    const advance = Effect.andThen(TestClock.adjust(1000), Local.settled)
    yield* advance
    assert.deepEqual(valuesOf(committed.batches), [[]])
    assert.deepEqual(valuesOf(all.batches), [["gone"]])
  }))

/** A stream of which the first range meets this when it is planned and not yet read. */
const struckBetween = (kafka: Kafka.KafkaModel, strike: () => void) => (onLoss: Kafka.OnLoss) => {
  let once = true
  const connect: Kafka.ConnectKafka = (connection) =>
    Effect.map(kafka.connect(connection), (cluster) => ({
      ...cluster,
      fetch: (request) => {
        if (once) strike()
        once = false
        return cluster.fetch(request)
      }
    }))
  return start(kafka, stream({ onLoss }), { connect })
}

const told = (messages: ReadonlyArray<string>, pattern: RegExp) =>
  messages.filter((message) => pattern.test(message)).length

it("records that retention deleted before they were read fail the batch", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { advance, context, events } = yield* start(kafka, stream({ maxRatePerPartition: 1 }))
    kafka.append("t", 0, ["a", "b"])
    kafka.append("t", 0, ["c", "d"])
    yield* advance(1)
    kafka.log("t", 0).removeBefore(2)
    yield* advance(1)
    assert.match(
      String(yield* Effect.flip(context.awaitTermination)),
      /1 offsets of partition 0 of topic t, from 1 on, .* retention/
    )
    assert.equal(eventsOf(events, "GenerationFailed").length, 1)
  }))

it("or are left out by policy, which is told with how many", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { advance, batches, messages } = yield* start(kafka, stream({ maxRatePerPartition: 1, onLoss: "skip" }))
    kafka.append("t", 0, ["a", "b"])
    kafka.append("t", 0, ["c", "d"])
    yield* advance(1)
    kafka.log("t", 0).removeBefore(2)
    yield* advance(3)
    assert.deepEqual(valuesOf(batches), [["a"], ["c"], ["d"], []])
    assert.equal(told(messages, /1 offsets of partition 0 .*; reading goes on at 2/), 1)
  }))

it("retention between planning and reading fails the task, or leaves out what is gone, and says which offsets", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const between = struckBetween(kafka, () => kafka.log("t", 0).removeBefore(2))
    kafka.append("t", 0, ["a", "b"])
    kafka.append("t", 0, ["c"])
    const skipping = yield* between("skip")
    yield* skipping.advance(1)
    assert.deepEqual(valuesOf(skipping.batches), [["c"]])
    assert.equal(told(skipping.messages, /offsets 0 to 2 of t\/0 are left out/), 1)
    kafka.deleteTopic("t")
    kafka.createTopic("t", 1)
    kafka.append("t", 0, ["a", "b"])
    kafka.append("t", 0, ["c"])
    const failing = yield* between("fail")
    yield* failing.advance(1)
    assert.match(
      String(yield* Effect.flip(failing.context.awaitTermination)),
      /t\/0 has the offsets from 2 to before 3, and was asked for 0/
    )
    assert.deepEqual(valuesOf(failing.batches), [])
  }))

it("a truncation fails the batch, or by policy is read again from the first record, or gone on behind", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const lives = []
    for (const onLoss of ["fail", "earliest", "skip"] as const) lives.push(yield* start(kafka, stream({ onLoss })))
    const advance = Effect.andThen(TestClock.adjust(1000), Local.settled)
    kafka.append("t", 0, ["a"])
    kafka.append("t", 0, ["b"])
    yield* advance
    kafka.log("t", 0).truncate(1)
    yield* advance
    kafka.append("t", 0, ["c"])
    yield* advance
    const [failing, earliest, skip] = lives
    assert.match(
      String(yield* Effect.flip(failing!.context.awaitTermination)),
      /partition 0 of topic t was read up to offset 2 and was cut off at 1.*onLoss/i
    )
    assert.deepEqual(valuesOf(earliest!.batches), [["a", "b"], ["a"], ["c"]])
    assert.deepEqual(valuesOf(skip!.batches), [["a", "b"], [], ["c"]])
    assert.equal(told(skip!.messages, /cut off at 1.*reading goes on at 1/i), 1)
  }))

it("a truncation is found though the partition has grown beyond what was read, and what has come since is read, once", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const lives = []
    for (const onLoss of ["fail", "earliest", "skip"] as const) lives.push(yield* start(kafka, stream({ onLoss })))
    const advance = Effect.andThen(TestClock.adjust(1000), Local.settled)
    for (const value of ["a", "b", "c"]) kafka.append("t", 0, [value])
    yield* advance
    kafka.log("t", 0).truncate(1)
    for (const value of ["d", "e", "f", "g"]) kafka.append("t", 0, [value])
    yield* advance
    kafka.append("t", 0, ["h"])
    yield* advance
    const [failing, earliest, skip] = lives
    assert.match(
      String(yield* Effect.flip(failing!.context.awaitTermination)),
      /partition 0 of topic t was read up to offset 3 and was cut off at 1 when another broker came to lead/i
    )
    assert.deepEqual(valuesOf(earliest!.batches), [["a", "b", "c"], ["a", "d", "e", "f", "g"], ["h"]])
    assert.deepEqual(valuesOf(skip!.batches), [["a", "b", "c"], ["d", "e", "f", "g"], ["h"]])
    for (const [{ messages }, next] of [[earliest!, 0], [skip!, 1]] as const) {
      assert.equal(
        told(messages, new RegExp(`read up to offset 3 and was cut off at 1.*reading goes on at ${next}`)),
        1
      )
      assert.equal(messages.length, 1)
    }
  }))

it("what is cut off between planning and reading ends the range: what came instead is read in the next batch, once", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const between = struckBetween(kafka, () => {
      kafka.log("t", 0).truncate(1)
      kafka.append("t", 0, ["c", "d"])
      kafka.append("t", 0, ["e"])
    })
    kafka.append("t", 0, ["a"])
    kafka.append("t", 0, ["b"])
    kafka.append("t", 0, ["b"])
    const skipping = yield* between("skip")
    yield* skipping.advance(2)
    assert.deepEqual(valuesOf(skipping.batches), [["a"], ["c", "d", "e"]])
    assert.equal(
      told(skipping.messages, /to be read up to offset 3 .* cut off at 1.*offsets 1 to 3 of t\/0 are left out/),
      1
    )
    assert.equal(told(skipping.messages, /was read up to offset 3 and was cut off at 1.*reading goes on at 1/), 1)
    const failing = yield* between("fail")
    yield* failing.advance(1)
    assert.match(String(yield* Effect.flip(failing.context.awaitTermination)), /up to offset 4 and was cut off at 1/)
  }))

it("the brokers are asked for the end of an epoch when a leader is another one, and in no other batch", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const asked: Array<ReadonlyArray<unknown>> = []
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        epochEnds: (partitions) => {
          asked.push(partitions)
          return cluster.epochEnds(partitions)
        }
      }))
    const { advance, batches, messages } = yield* start(kafka, stream(), { connect })
    kafka.append("t", 0, ["a"])
    yield* advance(3)
    kafka.append("t", 0, ["b"])
    yield* advance(1)
    assert.deepEqual(asked, [])
    kafka.log("t", 0).elect()
    kafka.append("t", 0, ["c"])
    kafka.log("t", 1).elect()
    kafka.failNext("epochEnds", "before")
    yield* advance(4)
    assert.deepEqual(
      asked.splice(0),
      Array(2).fill([0, 1].map((partition) => ({ topic: "t", partition, leaderEpoch: 0 })))
    )
    yield* advance(2)
    kafka.append("t", 1, ["d"])
    yield* advance(1)
    assert.deepEqual(asked, [])
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["a", "b", "c", "d"])
    assert.equal(told(messages, /lost/), 0)
  }))

it("a topic that was deleted and created again is not taken for the one before, however long it is", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const failing = yield* start(kafka, stream())
    const skipping = yield* start(kafka, stream({ onLoss: "skip" }))
    const advance = Effect.andThen(TestClock.adjust(1000), Local.settled)
    kafka.append("t", 0, ["a", "b"])
    yield* advance
    kafka.deleteTopic("t")
    kafka.createTopic("t", 1)
    kafka.append("t", 0, ["c", "d", "e"])
    yield* advance
    assert.match(String(yield* Effect.flip(failing.context.awaitTermination)), /topic t was deleted and created again/i)
    assert.deepEqual(valuesOf(skipping.batches), [["a", "b"], ["c", "d", "e"]])
    assert.equal(told(skipping.messages, /deleted and created again.*goes on at 0/i), 1)
  }))

it("a topic that is deleted is told, and by policy the others are read on", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("u", 1)
    const { advance, batches, messages } = yield* start(
      kafka,
      Kafka.directStream({ ...text, topics: ["t", "u"], onLoss: "skip" })
    )
    kafka.append("t", 0, ["a"])
    yield* advance(1)
    kafka.deleteTopic("t")
    kafka.append("u", 0, ["b"])
    yield* advance(1)
    assert.deepEqual(valuesOf(batches), [["a"], ["b"]])
    assert.equal(told(messages, /partition 0 of topic t, read up to offset 1, was deleted; it is not read any more/), 1)
  }))

it("a topic that is made anew while its ends are asked for is read as far as the new one goes", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    let anew = false
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        offsets: (...request) =>
          Effect.tap(cluster.offsets(...request), () =>
            Effect.sync(() => {
              if (!anew || request[1] !== "latest") return
              anew = false
              kafka.deleteTopic("t")
              kafka.createTopic("t", 1)
              kafka.append("t", 0, ["c"])
            }))
      }))
    const { advance, batches } = yield* start(kafka, stream({ onLoss: "skip" }), { connect })
    kafka.append("t", 0, ["a", "b"])
    yield* advance(1)
    kafka.append("t", 0, ["gone"])
    anew = true
    yield* advance(1)
    assert.deepEqual(valuesOf(batches), [["a", "b"], ["c"]])
  }))

it("a topic that was made anew is told also where it is idle and as long as what was read of the one before", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { advance, batches, messages } = yield* start(kafka, stream({ onLoss: "skip", discoverEvery: "2 seconds" }))
    kafka.append("t", 0, ["a", "b"])
    yield* advance(1)
    kafka.deleteTopic("t")
    kafka.createTopic("t", 1)
    kafka.append("t", 0, ["c", "d"])
    yield* advance(3)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["a", "b", "c", "d"])
    assert.equal(told(messages, /deleted and created again.*goes on at 0/i), 1)
  }))
