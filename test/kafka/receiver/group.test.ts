/**
 * The receiver-based stream over a model of a broker: offsets are committed only when blocks are safe, and rebalances lose nothing.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import type { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { DStream } from "../../../core/mod.ts"
import { StoreError } from "../../../core/receiving/Receiver.ts"
import { recordsOf } from "../../driver/collected.ts"
import { it } from "../../kit.ts"
import { brokers, eventsOf, modelWith, start, valuesOf } from "../direct/run.ts"
import { pass, passLong, receiving, slowStore } from "./receiving.ts"

const grouped = { brokers, topics: "t", group: "g", value: Kafka.text, start: "earliest" } as const

const committed = Effect.fnUntraced(function* (kafka: KafkaModel, count: number) {
  const cluster = yield* kafka.connect({ brokers })
  const partitions = Array.from({ length: count }, (_, partition) => ({ topic: "t", partition }))
  const offsets = yield* cluster.committedOffsets("g", partitions, { stable: false })
  return offsets.map(({ offset, partition }) => `${partition}: ${offset}`).sort()
})

it("records of all partitions arrive, and how far they were stored is committed to the group", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const { batches } = yield* start(kafka, Kafka.receiverStream(grouped))
    kafka.append("t", 0, ["a", "b"])
    kafka.append("t", 1, ["c"])
    yield* pass(2000)
    assert.deepEqual([...recordsOf(batches)].map(({ value }) => value).sort(), ["a", "b", "c"])
    assert.deepEqual(yield* committed(kafka, 2), ["0: 2", "1: 1"])
  }))

it("where the group has committed something, that is gone on with", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, ["a", "b", "c"])
    const cluster = yield* kafka.connect({ brokers })
    yield* cluster.commitOffsets("g", [{ topic: "t", partition: 0, offset: 2, metadata: "" }])
    const { batches } = yield* start(kafka, Kafka.receiverStream(grouped))
    yield* pass(2000)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["c"])
  }))

it("what comes between two blocks is stored together, and an idle group is asked seldom", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(3)
    let asked = 0
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => ({
        ...cluster,
        offsets: (...request) => Effect.suspend(() => (asked++, cluster.offsets(...request))),
        fetch: (request) => Effect.suspend(() => (asked++, cluster.fetch(request)))
      }))
    const { events } = yield* start(kafka, Kafka.receiverStream({ ...grouped, gatherInterval: "500 millis" }), {
      connect
    })
    yield* pass(1000)
    asked = 0
    yield* pass(10_000)
    assert.ok(asked <= 21, `${asked} requests in 10 s`)
    for (let i = 0; i < 10; i++) {
      kafka.append("t", i % 3, [String(i)])
      yield* pass(40)
    }
    yield* pass(2000)
    const sizes = eventsOf(events, "BatchCompleted").map(({ batch }) => batch.records).filter((records) => records > 0)
    assert.equal(sizes.reduce((a, b) => a + b, 0), 10)
  }))

it("nothing is committed before its block is safe; a block that could not be stored is read again", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { blocks, store } = slowStore()
    yield* receiving(kafka, store)
    kafka.append("t", 0, ["a", "b"])
    yield* pass(1000)
    assert.deepEqual(yield* committed(kafka, 1), ["0: 0"])
    blocks[0]!.end(new StoreError({ stream: "in", message: "no room" }))
    yield* pass(500)
    assert.deepEqual(yield* committed(kafka, 1), ["0: 0"])
    assert.deepEqual(blocks.map(({ values }) => values), [["a", "b"], ["a", "b"]])
    blocks[1]!.end()
    yield* pass(500)
    assert.deepEqual(yield* committed(kafka, 1), ["0: 2"])
  }))

it("partitions are given back after the block that is being stored is safe and committed", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const { blocks, store } = slowStore()
    yield* receiving(kafka, store)
    kafka.append("t", 0, ["a"])
    kafka.append("t", 1, ["b"])
    yield* pass(500)
    const other = slowStore()
    yield* receiving(kafka, other.store)
    yield* pass(2000)
    assert.deepEqual(other.blocks, [])
    blocks[0]!.end()
    yield* pass(1000)
    assert.deepEqual(yield* committed(kafka, 2), ["0: 1", "1: 1"])
    kafka.append("t", 0, ["c"])
    kafka.append("t", 1, ["d"])
    yield* pass(500)
    assert.deepEqual([...blocks, ...other.blocks].flatMap(({ values }) => values).sort(), ["a", "b", "c", "d"])
    assert.equal(other.blocks.length, 1)
  }))

it("who was put out of its group commits nothing more, says so, and its records come again", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { blocks, store } = slowStore()
    const reports: Array<string> = []
    yield* receiving(kafka, { ...store, reportError: (message) => void reports.push(message) })
    kafka.append("t", 0, ["a"])
    yield* pass(500)
    const other = slowStore()
    yield* receiving(kafka, other.store)
    // Longer than members have to give their partitions back.
    yield* passLong(70_000)
    blocks[0]!.end()
    yield* pass(1000)
    assert.match(reports.join(), /Group g gave partitions to another member before what was stored/)
    const values = [...blocks, ...other.blocks].flatMap((block) => block.values)
    assert.deepEqual(values.slice(0, 2), ["a", "a"])
  }))

it("when a second member joins, partitions move and every record is received; when it leaves, they come back", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(4)
    const first = yield* start(kafka, Kafka.receiverStream(grouped))
    let sent = 0
    const send = (count: number) => {
      for (let i = 0; i < count; i++) kafka.append("t", sent % 4, [String(sent++)])
    }
    send(8)
    yield* pass(1000)
    const second = yield* Effect.scoped(Effect.gen(function* () {
      const running = yield* start(kafka, Kafka.receiverStream(grouped))
      for (let i = 0; i < 20; i++) {
        send(4)
        yield* pass(100)
      }
      yield* pass(2000)
      return running
    }))
    send(8)
    yield* pass(4000)
    const seen = [...recordsOf(first.batches), ...recordsOf(second.batches)].map(({ value }) => Number(value))
    assert.deepEqual([...new Set(seen)].sort((a, b) => a - b), Array.from({ length: sent }, (_, i) => i))
    assert.ok(recordsOf(second.batches).length >= 20, "the second had its share")
    assert.deepEqual(yield* committed(kafka, 4), ["0: 24", "1: 24", "2: 24", "3: 24"])
  }))

it("two streams in one group share the partitions", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const both = DStream.unionAll([Kafka.receiverStream(grouped), Kafka.receiverStream(grouped)])
    const { batches } = yield* start(kafka, both, { executors: 2 })
    yield* pass(500)
    kafka.append("t", 0, ["a"])
    kafka.append("t", 1, ["b"])
    yield* pass(2000)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value).sort(), ["a", "b"])
  }))

it("a broker that is away is reported once, and then everything goes on", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { batches, events } = yield* start(kafka, Kafka.receiverStream(grouped))
    yield* pass(500)
    kafka.isAvailable = false
    yield* pass(5000)
    kafka.isAvailable = true
    kafka.append("t", 0, ["a"])
    yield* pass(5000)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["a"])
    const reports = eventsOf(events, "ReceiverError").map(({ receiver }) => receiver.lastErrorMessage)
    assert.equal(reports.filter((message) => message.includes("no broker answers")).length, 1)
    assert.ok(valuesOf(batches).length > 5)
  }))

it("what retention deleted before it was received is an error, or by policy the first record that is there is next", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, ["a", "b"])
    kafka.append("t", 0, ["c"])
    kafka.log("t", 0).removeBefore(2)
    const cluster = yield* kafka.connect({ brokers })
    for (const group of ["g", "h"]) {
      yield* cluster.commitOffsets(group, [{ topic: "t", partition: 0, offset: 1, metadata: "" }])
    }
    const skipping = yield* start(kafka, Kafka.receiverStream({ ...grouped, onLoss: "skip" }))
    const failing = yield* start(kafka, Kafka.receiverStream({ ...grouped, group: "h" }))
    yield* pass(2000)
    const told = ({ events }: Pick<typeof failing, "events">) =>
      eventsOf(events, "ReceiverError").map(({ receiver }) => `${receiver.lastErrorMessage}: ${receiver.lastError}`)
        .join()
    assert.deepEqual(recordsOf(skipping.batches).map(({ value }) => value), ["c"])
    assert.match(told(skipping), /t\/0 was read up to 1 and goes on at 2/)
    assert.deepEqual(recordsOf(failing.batches), [])
    assert.match(told(failing), /t\/0 has the offsets from 2 to before 3, and was asked for 1.*onLoss.*t\/0 is held up/)
  }))
