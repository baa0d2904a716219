/**
 * The direct stream in a whole engine, over a model of a broker: where it starts, what joins, what outputs see, what is committed.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as KafkaPlanner from "../../../adapters/kafka/direct/KafkaPlanner.ts"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { DStream } from "../../../core/mod.ts"
import { recordsOf } from "../../driver/collected.ts"
import { it } from "../../kit.ts"
import { brokers, eventsOf, modelWith, start, text, valuesOf } from "./run.ts"

it("subscribed topics are read from where each starts, and each partition of a batch holds exactly its range", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    for (const topic of ["u", "v"]) kafka.createTopic(topic, 1)
    for (const topic of ["t", "u", "v"]) {
      kafka.append(topic, 0, Array.from({ length: 7 }, () => "a"))
      kafka.append(topic, 0, Array.from({ length: 9 }, () => "b"))
    }
    const parts: Array<ReadonlyArray<number>> = []
    const ranges: Array<ReadonlyArray<Kafka.OffsetRange>> = []
    const stream = Kafka.directStream({
      brokers,
      topics: ["t", "u", "v"],
      value: Kafka.text,
      start: { offsets: [{ topic: "v", partition: 0, offset: 2 }], otherwise: "earliest" }
    })
    const seen = stream.pipe(DStream.foreachBatch((batch) =>
      Effect.map(batch.partitions, (partitions) => {
        parts.push(partitions.map((records) => records.length))
        ranges.push(Kafka.offsetRanges(batch))
      })
    ))
    const { advance, batches } = yield* start(kafka, stream, { outputs: [seen] })
    yield* advance(2)
    assert.equal(recordsOf(batches).length, 46)
    assert.deepEqual(parts, ranges.map((batch) => batch.map(({ from, until }) => until - from)))
    assert.deepEqual(ranges[0]!.map(({ from, topic, until }) => [topic, from, until]), [["t", 0, 16], ["u", 0, 16], [
      "v",
      2,
      16
    ]])
  }))

it("from latest on only what comes after the start arrives, also before the first batch", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, Array.from({ length: 10 }, () => "a"))
    const { advance, batches } = yield* start(kafka, Kafka.directStream({ brokers, topics: "t", value: Kafka.text }))
    kafka.append("t", 0, Array.from({ length: 10 }, () => "b"))
    yield* advance(2)
    const records = recordsOf(batches)
    assert.deepEqual(records.map(({ value }) => value), Array.from({ length: 10 }, () => "b"))
    assert.equal(records[0]!.offset, 10)
  }))

it("from a timestamp on the first record that is not older is the first", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    kafka.append("t", 0, [{ value: "a", timestamp: 100 }, { value: "b", timestamp: 200 }, {
      value: "c",
      timestamp: 300
    }])
    kafka.append("t", 1, [{ value: "d", timestamp: 100 }])
    const { advance, batches } = yield* start(
      kafka,
      Kafka.directStream({ ...text, topics: "t", start: { timestamp: 200 } })
    )
    kafka.append("t", 1, ["e"])
    yield* advance(1)
    assert.deepEqual(valuesOf(batches), [["b", "c", "e"]])
  }))

it("new partitions and, by a pattern, new topics join at a batch's boundary, from their first record", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.createTopic("other", 1)
    kafka.append("other", 0, ["no"])
    const stream = Kafka.directStream({ brokers, topics: /^t/, value: Kafka.text, discoverEvery: "2 seconds" })
    const { advance, batches } = yield* start(kafka, stream)
    kafka.append("t", 0, ["a"])
    yield* advance(1)
    kafka.createTopic("tt", 2)
    kafka.append("tt", 1, ["b", "c"])
    kafka.addPartitions("t", 1)
    kafka.append("t", 1, ["d"])
    kafka.append("t", 0, ["e"])
    yield* advance(3)
    assert.deepEqual(valuesOf(batches), [["a"], ["e", "d", "b", "c"], [], []])
  }))

it("assigned partitions are read, and no others", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(3)
    for (const partition of [0, 1, 2]) kafka.append("t", partition, [String(partition)])
    const stream = Kafka.directStream({
      ...text,
      partitions: [{ topic: "t", partition: 2 }, { topic: "t", partition: 0 }]
    })
    const { advance, batches } = yield* start(kafka, stream)
    yield* advance(1)
    assert.deepEqual(valuesOf(batches), [["0", "2"]])
  }))

it("a topic or partition that is not there refuses the start and says what to do", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const topic = yield* Effect.flip(start(kafka, Kafka.directStream({ ...text, topics: ["t", "missing"] })))
    assert.match(String(topic), /There is no topic missing at model.*create it/)
    const partition = yield* Effect.flip(
      start(kafka, Kafka.directStream({ ...text, partitions: [{ topic: "t", partition: 1 }] }))
    )
    assert.match(String(partition), /Topic t at model has 1 partitions, and no partition 1/)
  }))

it("a pattern that matches nothing is told once, and what matches later is read", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const { advance, batches, messages } = yield* start(kafka, Kafka.directStream({ ...text, topics: /^x/ }))
    yield* advance(7)
    kafka.createTopic("x", 1)
    kafka.append("x", 0, ["a"])
    yield* advance(6)
    assert.deepEqual(recordsOf(batches).map(({ value }) => value), ["a"])
    assert.equal(messages.filter((message) => message.includes("No topic of model matches /^x/")).length, 1)
  }))

it("the numbers of records, and ranges in words, are told to listeners, the same in all three events of a batch", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const { advance, events } = yield* start(kafka, Kafka.directStream({ ...text, topics: "t" }))
    kafka.append("t", 0, Array.from({ length: 10 }, String))
    yield* advance(1)
    kafka.append("t", 1, Array.from({ length: 6 }, String))
    yield* advance(2)
    for (const kind of ["BatchSubmitted", "BatchStarted", "BatchCompleted"] as const) {
      assert.equal(eventsOf(events, kind).reduce((sum, { batch }) => sum + batch.records, 0), 16)
    }
    assert.deepEqual(
      eventsOf(events, "BatchCompleted").map(({ batch }) => batch.inputs[0]!.description),
      [
        "topic: t\tpartition: 0\toffsets: 0 to 10\tcount: 10",
        "topic: t\tpartition: 1\toffsets: 0 to 6\tcount: 6",
        undefined
      ]
    )
  }))

it("a range is cut into partitions of at least so many records, and offsetRanges gives it whole", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, Array.from({ length: 25 }, (_, i) => String(i)))
    const stream = Kafka.directStream({ ...text, topics: "t", minSplitRecords: 10 })
    const shapes: Array<unknown> = []
    const seen = stream.pipe(
      DStream.foreachBatch((batch) =>
        Effect.map(batch.partitions, (parts) =>
          shapes.push(
            parts.map(({ length }) => length),
            Kafka.offsetRanges(batch).map(({ from, until }) => [from, until])
          ))
      )
    )
    const { advance, batches } = yield* start(kafka, stream, { outputs: [seen], executors: 2 })
    yield* advance(1)
    assert.deepEqual(shapes, [[12, 13], [[0, 25]]])
    assert.deepEqual(valuesOf(batches), [Array.from({ length: 25 }, (_, i) => String(i))])
  }))

it("in transform the ranges are those of the batch too; of a window those of its batches", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const inTransform = new Set<string>()
    const ofWindow: Array<unknown> = []
    const ends = (ranges: ReadonlyArray<Kafka.OffsetRange>) => ranges.map(({ until }) => until)
    const stream = Kafka.directStream({ ...text, topics: "t" })
    const transformed = stream.pipe(DStream.transform((rdd) => {
      inTransform.add(ends(Kafka.offsetRanges(rdd)).join())
      return rdd
    }))
    const window = stream.pipe(
      DStream.window("2 seconds"),
      DStream.foreachBatch((batch) => Effect.sync(() => ofWindow.push(ends(Kafka.offsetRanges(batch)))))
    )
    const { advance } = yield* start(kafka, transformed, { outputs: [window] })
    for (const value of ["a", "b"]) {
      kafka.append("t", 0, [value])
      yield* advance(1)
    }
    assert.deepEqual([...inTransform], ["1", "2"])
    assert.deepEqual(ofWindow, [[1], [2]])
  }))

it("on executors an output sees the ranges of its batch too", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const seen: Array<unknown> = []
    const stream = Kafka.directStream({ ...text, topics: "t" })
    const output = stream.pipe(
      DStream.map(({ value }) => value),
      DStream.foreachPartition((records, context) =>
        Effect.sync(() => seen.push([records, Kafka.offsetRanges(context)[context.partition]!.until]))
      )
    )
    const { advance } = yield* start(kafka, stream, { outputs: [output] })
    kafka.append("t", 0, ["a"])
    kafka.append("t", 1, ["b", "c"])
    yield* advance(1)
    assert.deepEqual(seen, [[["a"], 1], [["b", "c"], 2]])
  }))

it("after a batch its offsets are committed to a group, of each partition the largest; they are not read", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const connect = kafka.connect({ brokers })
    const cluster = yield* connect
    const partitions = [{ topic: "t", partition: 0 }, { topic: "t", partition: 1 }]
    yield* cluster.commitOffsets("monitor", [{ topic: "t", partition: 0, offset: 99, metadata: "" }])
    const stream = Kafka.directStream({ ...text, topics: "t", commitTo: "monitor", maxRatePerPartition: 3 })
    const { advance, batches } = yield* start(kafka, stream)
    kafka.append("t", 0, Array.from({ length: 5 }, String))
    kafka.append("t", 1, ["a"])
    const committed = Effect.map(
      cluster.committedOffsets("monitor", partitions, { stable: false }),
      (offsets) => offsets.map(({ offset }) => offset)
    )
    yield* advance(1)
    assert.deepEqual(yield* committed, [3, 1])
    yield* advance(1)
    assert.deepEqual(yield* committed, [5, 1])
    assert.equal(recordsOf(batches).length, 6)
  }))

it("with the first batch idle partitions are committed too, so that tools show their lag", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    const cluster = yield* kafka.connect({ brokers })
    kafka.append("t", 1, ["old"])
    const stream = Kafka.directStream({ brokers, topics: "t", value: Kafka.text, commitTo: "monitor" })
    const { advance } = yield* start(kafka, stream)
    kafka.append("t", 0, ["a", "b"])
    yield* advance(2)
    const places = [0, 1].map((partition) => ({ topic: "t", partition }))
    const committed = yield* cluster.committedOffsets("monitor", places, { stable: false })
    assert.deepEqual(committed.map(({ offset }) => offset), [2, 1])
  }))

it("a commit that fails is told once, holds nothing up, and is made up for", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const cluster = yield* kafka.connect({ brokers })
    const { advance, messages } = yield* start(kafka, Kafka.directStream({ ...text, topics: "t", commitTo: "monitor" }))
    for (let i = 0; i < 3; i++) {
      if (i < 2) kafka.failNext("commitOffsets", "before")
      kafka.append("t", 0, [String(i)])
      yield* advance(1)
    }
    assert.equal(messages.filter((message) => message.includes("could not be committed to group monitor")).length, 1)
    const [committed] = yield* cluster.committedOffsets("monitor", [{ topic: "t", partition: 0 }], { stable: false })
    assert.equal(committed!.offset, 3)
  }))

it("on the same executor a partition stays, batch after batch, whichever others have something new", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(4)
    const places = new Map<number, Set<string>>()
    const stream = Kafka.directStream({ ...text, topics: "t" })
    let executor = 0
    const connect: Kafka.ConnectKafka = (connection) =>
      Effect.map(kafka.connect(connection), (cluster) => {
        const name = `connection ${executor++}`
        return {
          ...cluster,
          fetch: (request) => {
            places.set(request.partition, (places.get(request.partition) ?? new Set()).add(name))
            return cluster.fetch(request)
          }
        }
      })
    const { advance } = yield* start(kafka, stream, { executors: 2, connect })
    for (const some of [[0, 1, 2, 3], [1, 2], [3, 0], [2], [0, 1, 2, 3]]) {
      for (const partition of some) kafka.append("t", partition, ["a"])
      yield* advance(1)
    }
    assert.deepEqual([...places.values()].map(({ size }) => size), [1, 1, 1, 1])
    assert.equal(new Set([...places.values()].flatMap((names) => [...names])).size, 2)
  }))

it("options that cannot be are refused where the program is built", () =>
  Effect.sync(() => {
    const refused = (options: object, message: RegExp) =>
      assert.throws(() => Kafka.directStream(options as any), (error) => {
        assert.ok(error instanceof Kafka.KafkaError)
        assert.equal(error.reason, "Options")
        assert.match(error.message, message)
        return true
      })
    refused({ topics: "t" }, /brokers has to be "host:port"/)
    refused({ brokers }, /either topics or partitions/)
    refused({ brokers, topics: "t", partitions: [{ topic: "t", partition: 0 }] }, /either topics or partitions/)
    refused({ brokers, topics: [] }, /The topics .* is an empty array/)
    refused({ brokers, topics: "t", start: "smallest" }, /The start .* "earliest", "latest".* is "smallest"/)
    const start = { offsets: [{ topic: "t", partition: 0, offset: 1 }] }
    for (const read of [{ topics: "T" }, { topics: /^T/ }, { partitions: [{ topic: "t", partition: 1 }] }]) {
      refused(
        { brokers, ...read, start },
        /start .* an offset of partition 0 of topic t, which the stream does not read/
      )
    }
    refused({ brokers, topics: "t", value: "text" }, /The value .* json\(schema\)/)
    refused({ brokers, topics: "t", value: Kafka.json }, /The value .* json\(schema\)/)
    refused({ brokers, topics: "t", ssl: true }, /no option ssl; did you mean tls\?/)
    refused({ brokers, topics: "t", maxRatePerPartitions: 5 }, /did you mean maxRatePerPartition\?/)
    refused(
      { brokers, topics: "t", tls: { cert: "-----BEGIN" } },
      /of tls there is no option cert; did you mean certificate\?/
    )
    const user = { username: "a", password: "b" }
    refused({ brokers, topics: "t", sasl: { ...user, mechanism: "SCRAM" } }, /SCRAM-SHA-256 or .* is "SCRAM"/)
    refused({ brokers, topics: "t", sasl: { ...user, mechanism: "PLAIN" } }, /sasl.password has to be a Redacted value/)
    refused({ brokers, topics: "t", onLoss: "ignore" }, /The onLoss .* "fail" or "earliest" or "skip"/)
    refused({ brokers, topics: "t", onPoison: {} }, /deadLetterTopic/)
    refused({ brokers, topics: "t", maxRatePerPartition: 0 }, /The maxRatePerPartition .* above zero/)
    refused({ brokers, topics: "t", discoverEvery: "soon" }, /The discoverEvery .* a duration above zero/)
  }))

it("partitions whose offsets are not given begin as otherwise says, from their first record if it says nothing", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    for (const partition of [0, 1]) kafka.append("t", partition, [`${partition} old`, `${partition} younger`])
    const offsets = [{ topic: "t", partition: 0, offset: 1 }]
    const from = (given: Kafka.Start) => start(kafka, Kafka.directStream({ ...text, topics: "t", start: given }))
    const latest = yield* from({ offsets, otherwise: "latest" })
    const first = yield* from({ offsets })
    yield* latest.advance(1)
    assert.deepEqual(valuesOf(latest.batches), [["0 younger"]])
    assert.deepEqual(valuesOf(first.batches), [["0 younger", "1 old", "1 younger"]])
  }))

it("a partition that had no leader at the start begins at its end when it has one, if start says latest", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    for (const partition of [0, 1]) kafka.append("t", partition, ["old"])
    kafka.log("t", 1).leader = null
    const { advance, batches } = yield* start(kafka, Kafka.directStream({ brokers, topics: "t", value: Kafka.text }))
    yield* advance(2)
    kafka.log("t", 1).leader = 0
    yield* advance(1)
    for (const partition of [0, 1]) kafka.append("t", partition, [`${partition} new`])
    yield* advance(1)
    assert.deepEqual(valuesOf(batches), [[], [], [], ["0 new", "1 new"]])
  }))

it("a driver that goes on asks the brokers for no first or last offsets before its first batch", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    const cluster = yield* kafka.connect({ brokers })
    const asked: Array<unknown> = []
    const planner = yield* KafkaPlanner.make({
      ...cluster,
      offsets: (...request) => Effect.tap(cluster.offsets(...request), () => Effect.sync(() => asked.push(request[1])))
    }, {
      subscription: { topics: "t" },
      reading: { isolation: "committed", onLoss: "fail" },
      start: "latest",
      minRatePerPartition: 1,
      discoverMillis: 5000
    })
    const [{ id }] = (yield* cluster.topics(["t"])) as any
    const positions = new Map([["t/0", { topic: "t", partition: 0, id, next: 0 }]])
    yield* planner.resume!({ zeroTime: 0, begin: 0, batches: [], positions })
    yield* planner.begin!
    assert.deepEqual(asked, [])
    yield* planner.plan({ time: 1000, zeroTime: 0, started: 0, batchMillis: 1000, rate: undefined })
    assert.deepEqual(asked, ["latest"])
  }))

it("given offsets of what is not there, or behind the end, refuse the start with where it ends", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(1)
    kafka.append("t", 0, ["a", "b"])
    const from = (partition: number, offset: number, topics: string | RegExp = "t") =>
      start(kafka, Kafka.directStream({ ...text, topics, start: { offsets: [{ topic: "t", partition, offset }] } }))
    for (const topics of ["t", /^t/]) {
      assert.match(
        String(yield* Effect.flip(from(0, 3, topics))),
        /Partition 0 of topic t cannot be read from offset 3 on, as start says: it ends at 2/
      )
      assert.match(
        String(yield* Effect.flip(from(1, 0, topics))),
        /Topic t at model has 1 partitions, and no partition 1/
      )
    }
    const { advance, batches } = yield* from(0, 2)
    kafka.append("t", 0, ["c"])
    yield* advance(1)
    assert.deepEqual(valuesOf(batches), [["c"]])
  }))
