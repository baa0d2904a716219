/**
 * Batch reading: RDDs over given ranges of offsets, in transform and in joins. The vectors of kind offsetRanges are run by the
 * conformance runner; here is what they do not say.
 */
import * as assert from "node:assert/strict"
import { Effect, Schema } from "effect"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, RDD } from "../../../core/mod.ts"
import { recordsOf } from "../../driver/collected.ts"
import { it } from "../../kit.ts"
import { brokers, eventsOf, modelWith, start, text } from "./run.ts"

it("a stream is joined to a topic that is a table, as far as the topic goes at each batch", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("prices", 2)
    kafka.append("prices", 0, [{ key: "apple", value: "1" }])
    kafka.append("prices", 1, [{ key: "pear", value: "2" }])
    const prices = Kafka.rdd({ brokers, key: Kafka.text, value: Kafka.text })
    const layered = Effect.provideService(
      Kafka.rangesOf({ brokers, topics: "prices" }),
      Kafka.ConnectKafka,
      kafka.connect
    )
    const now = DStream.sideValue(layered, Schema.Array(Kafka.OffsetRange))
    const stream = Kafka.directStream({ ...text, topics: "t" }).pipe(
      DStream.transform((orders, { sideValues }) => {
        const table = prices(sideValues.now).pipe(RDD.mapToPair(({ key, value }) => [key!, value!]))
        return orders.pipe(RDD.mapToPair(({ value }) => [value!, 1]), RDD.join(table))
      }, { sideValues: { now } })
    )
    const { advance, batches } = yield* start(kafka, stream, { executors: 2 })
    kafka.append("t", 0, ["pear", "plum"])
    yield* advance(1)
    kafka.append("prices", 0, [{ key: "plum", value: "3" }])
    kafka.append("t", 0, ["plum", "apple"])
    yield* advance(1)
    assert.deepEqual(batches.map(({ records }) => records.map(([key, [, price]]) => `${key} ${price}`).sort()), [
      ["pear 2"],
      ["apple 1", "plum 3"]
    ])
  }))

it("ranges are read by as many tasks, over one connection in each executor, and again in each batch", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(3)
    let connections = 0
    const connect: Kafka.ConnectKafka = (connection) => {
      connections++
      return kafka.connect(connection)
    }
    for (const partition of [0, 1, 2]) kafka.append("t", partition, [String(partition)])
    const read = Kafka.rdd({ brokers, value: Kafka.text })
    const ranges = [0, 1, 2].map((partition) => ({ topic: "t", partition, from: 0, until: 1 }))
    const trigger = Memory.batches([["now"], ["now"], ["now"]])
    const stream = trigger.pipe(DStream.transform(() => read(ranges)))
    const { advance, batches } = yield* start(kafka, stream, { executors: 2, connect })
    yield* advance(3)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["0", "1", "2", "0", "1", "2", "0", "1", "2"])
    assert.equal(connections, 2, "one of each executor")
  }))

it("a range that ends before it begins, and one beyond the end of the log, are errors that name it", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const read = Kafka.rdd({ brokers, maxUnavailable: "1 second" })
    assert.throws(
      () => read([{ topic: "t", partition: 0, from: 8, until: 5 }]),
      /of t\/0 has its beginning 8 after the ending offset 5/
    )
    kafka.append("t", 0, ["a"])
    const beyond = Kafka.directStream({ ...text, topics: "t", start: "latest" }).pipe(
      DStream.transform(() => read([{ topic: "t", partition: 0, from: 0, until: 5 }]))
    )
    const { advance, events } = yield* start(kafka, beyond)
    yield* advance(40)
    const [failed] = eventsOf(events, "OutputOperationCompleted")
    assert.match(
      String(failed!.operation.failureReason),
      /offsets 1 to 5 were to be read, and do not come: it holds 0 to 1/
    )
  }))
