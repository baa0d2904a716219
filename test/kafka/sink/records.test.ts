/**
 * What sinks say of records, topics and users that the brokers refuse, for both guarantees; how batches of records are cut; and the
 * at-least-once sink's idempotent producer.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect, Fiber } from "effect"
import type { ConnectKafka } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { headerAt } from "../../../adapters/kafka/records/RecordBatch.ts"
import { sink } from "../../../adapters/kafka/sink/sink.ts"
import { it } from "../../kit.ts"
import { changed, entries, options, passing, role } from "./roles.ts"

const guarantees = ["transactional", "at-least-once"] as const

const withTopic = (partitions = 1) =>
  Effect.map(KafkaModel.make, (kafka) => {
    kafka.createTopic("out", partitions)
    return kafka
  })

const values = (kafka: KafkaModel): ReadonlyArray<string> => kafka.records("out").map(({ value }) => value!)

for (const guarantee of guarantees) {
  const failing = (connect: ConnectKafka, records = entries(1, 3)) =>
    Effect.map(Effect.flip(passing(role(connect, { guarantee }).write(1000, records))), (error) => {
      assert.ok(error instanceof KafkaError, String(error))
      return error
    })

  it(`${guarantee}: a topic that is not there is told at once, with what to do`, () =>
    Effect.gen(function* () {
      const error = yield* failing((yield* KafkaModel.make).connect)
      assert.deepEqual([error.reason, error.topic], ["UnknownTopic", "out"])
      assert.match(
        error.message,
        /cannot put partition 0 .* there is no topic "out" at model.*create it.*or correct its name/
      )
    }))

  it(`${guarantee}: a user who may not write is told at once`, () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      let asked = 0
      const refused = Effect.suspend(() => {
        asked++
        return Effect.fail(new KafkaError({ reason: "Refused", message: "this user may not write to out" }))
      })
      const error = yield* failing(changed(kafka, () => ({ produce: () => refused })))
      assert.equal(error.reason, "Refused")
      assert.match(error.message, /cannot put partition 0 of the batch of 1000 ms .* may not write/)
      assert.equal(asked, 1)
      assert.deepEqual(values(kafka), [])
    }))

  it(`${guarantee}: a record beyond the limit is named, and the next batch is written`, () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const large = ["large", "x".repeat(1_200_000)] as const
      const error = yield* failing(kafka.connect, [["a", "1"], large, ["b", "2"]])
      assert.deepEqual([error.reason, error.topic, error.partition], ["TooLarge", "out", 0])
      assert.match(error.message, /one record with the key "large" has 12\d\d\d\d\d bytes.*max\.message\.bytes/)
      if (guarantee === "transactional") assert.deepEqual(values(kafka), [])
      const executor = role(kafka.connect, { guarantee })
      yield* passing(executor.write(2000, [["c", "3"]]))
      assert.equal(values(kafka).at(-1), "3")
    }))

  it(`${guarantee}: batches have bounded bytes; where brokers take less, they are halved until they fit`, () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const sizes: Array<number> = []
      const connect = changed(kafka, (cluster) => ({
        produce: (request) => {
          if (request.batch.length > 5000) {
            return Effect.fail(new KafkaError({ reason: "TooLarge", message: "it is larger than 5000 bytes" }))
          }
          sizes.push(request.batch.length)
          return cluster.produce(request)
        }
      }))
      const written = entries(1, 2000)
      yield* passing(role(connect, { guarantee, batchBytes: 20_000 }).write(1000, written))
      assert.deepEqual(values(kafka), written.map(([, value]) => value))
      assert.ok(Math.max(...sizes) > 2000 && sizes.length < 40, String(sizes))
    }))

  it(`${guarantee}: batches are compressed as it is said`, () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      let attributes = 0
      const connect = changed(kafka, (cluster) => ({
        produce: (request) => {
          attributes = headerAt(request.batch, 0)!.attributes
          return cluster.produce(request)
        }
      }))
      yield* role(connect, { guarantee, compression: "zstd" }).write(1000, entries(1, 100))
      assert.equal(attributes & 7, 4)
      assert.deepEqual(values(kafka), entries(1, 100).map(([, value]) => value))
    }))

  it(`${guarantee}: a partition without records asks the brokers nothing`, () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      kafka.isAvailable = false
      yield* role(kafka.connect, { guarantee }).write(1000, [])
    }))
}

it("at-least-once: answers that are lost make no duplicates, whichever they are", () =>
  Effect.gen(function* () {
    for (const request of ["topics", "initProducer", "produce"] as const) {
      for (const moment of ["before", "after"] as const) {
        const kafka = yield* withTopic()
        const executor = role(kafka.connect, { guarantee: "at-least-once", batchBytes: 200 })
        kafka.failNext(request, moment)
        yield* passing(executor.write(1000, entries(1, 20)))
        kafka.failNext(request, moment)
        yield* passing(executor.write(2000, entries(2, 20)))
        assert.deepEqual(values(kafka), [...entries(1, 20), ...entries(2, 20)].map(([, value]) => value))
      }
    }
  }))

it("at-least-once: a batch that is run again is there again", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const executor = role(kafka.connect, { guarantee: "at-least-once" })
    yield* executor.write(1000, entries(1, 3))
    yield* executor.write(1000, entries(1, 3))
    assert.equal(values(kafka).length, 6)
  }))

it("at-least-once: where brokers have lost track of its producer, it goes on with another, where it was", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    let produced = 0
    const lost = new KafkaError({ reason: "Other", message: "the broker does not expect this sequence" })
    const connect = changed(kafka, (cluster) => ({
      produce: (request) => Effect.suspend(() => ++produced === 3 ? Effect.fail(lost) : cluster.produce(request))
    }))
    yield* passing(role(connect, { guarantee: "at-least-once", batchBytes: 200 }).write(1000, entries(1, 30)))
    assert.deepEqual(values(kafka), entries(1, 30).map(([, value]) => value))
  }))

it("at-least-once: a send that was interrupted leaves nothing by which the next one would be refused", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const produced = yield* Deferred.make<void>()
    let first = true
    const executor = role(
      changed(kafka, (cluster) => ({
        produce: (request) =>
          Effect.suspend(() => {
            if (!first) return cluster.produce(request)
            first = false
            return Effect.andThen(
              cluster.produce(request),
              Effect.andThen(Deferred.succeed(produced, undefined), Effect.never)
            )
          })
      })),
      { guarantee: "at-least-once" }
    )
    const writing = yield* Effect.forkChild(executor.write(1000, entries(1, 3)))
    yield* Deferred.await(produced)
    yield* Fiber.interrupt(writing)
    yield* passing(executor.write(1000, entries(1, 3)))
    assert.equal(values(kafka).length, 6)
  }))

it("at-least-once: several partitions of a batch at once keep the sequences of the topic's partition", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic()
    const slow = changed(kafka, (cluster) => ({ produce: (request) => Effect.delay(cluster.produce(request), 10) }))
    const executor = role(slow, { guarantee: "at-least-once", batchBytes: 200 })
    const writes = [0, 1, 2].map((partition) => executor.write(1000, entries(partition, 20), { partition }))
    yield* passing(Effect.all(writes, { concurrency: "unbounded" }))
    assert.equal(values(kafka).length, 60)
    assert.equal(new Set(values(kafka)).size, 60)
  }))

it("options that cannot be are told where the sink is made, with what to give", () =>
  Effect.sync(() => {
    const cases: ReadonlyArray<readonly [object, RegExp]> = [
      [{ brokers: [] }, /brokers has to be "host:port", or a list of these/],
      [{ topic: "a b" }, /topic is "a b"; give its name/],
      [{ topic: undefined }, /topic is undefined/],
      [{ value: "v" }, /value is .*; give a function/],
      [{ key: "k" }, /key is .*; give a function of the record/],
      [{ compression: "rar" }, /there are none, gzip, snappy, lz4, zstd/],
      [{ guarantee: "once" }, /give "transactional" or "at-least-once"/],
      [{ batchBytes: 0 }, /batchBytes is/],
      [{ deliveryTimeout: "soon" }, /deliveryTimeout is .*; give a duration/]
    ]
    for (const [wrong, message] of cases) {
      assert.throws(() => sink({ ...options, ...wrong } as any), (error: unknown) => {
        assert.ok(error instanceof KafkaError && error.reason === "Options")
        assert.match(error.message, message)
        return true
      })
    }
  }))
