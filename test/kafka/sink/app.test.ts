/**
 * Programs that write to Kafka, on the whole engine over the model of a cluster.
 */
import * as assert from "node:assert/strict"
import { Cause, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { ConnectKafka } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { directStream, text } from "../../../adapters/kafka/mod.ts"
import { sink } from "../../../adapters/kafka/sink/sink.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { Fenced } from "../../../core/output/Sink.ts"
import { type MemoryStorage, memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { changed, role } from "./roles.ts"

const words = [["to", "be"], ["or"], [], ["not", "to", "be"]]

const appOn = (connect: ConnectKafka, guarantee: "transactional" | "at-least-once" = "transactional") =>
  StreamingApp.make({
    name: "app",
    batchDuration: "1 second",
    outputs: [
      Memory.batches(words, 2).pipe(
        DStream.toSink(
          sink<string>({
            brokers: "model",
            topic: "out",
            key: (word) => word,
            value: (word) => word,
            guarantee: guarantee as "transactional"
          }),
          { name: "counts" }
        )
      )
    ],
    layer: Layer.succeed(ConnectKafka, connect)
  })

const withTopic = Effect.map(KafkaModel.make, (kafka) => {
  kafka.createTopic("out", 3)
  return kafka
})

for (const guarantee of ["transactional", "at-least-once"] as const) {
  it(`${guarantee}: all batches are in the topic, and connections end with the driver and the executors that had them`, () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic
      let opened = 0
      let open = 0
      const counted: ConnectKafka = (connection) =>
        Effect.andThen(
          Effect.acquireRelease(Effect.sync(() => void (opened++, open++)), () => Effect.sync(() => void open--)),
          kafka.connect(connection)
        )
      for (let run = 1; run <= 2; run++) {
        const running = yield* Local.run(appOn(counted, guarantee), { batches: 4, executors: 2 })
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(running)
        assert.equal(open, 0)
        // The driver only fences.
        assert.equal(opened, run * (guarantee === "transactional" ? 3 : 2))
      }
      const seen = kafka.records("out").map(({ value }) => value)
      assert.deepEqual(seen.toSorted(), [...words.flat(), ...words.flat()].toSorted())
    }))
}

it("a driver whose output belongs to a later one ends, and says so", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic
    yield* role(kafka.connect).fence(7, "later")
    const running = yield* Local.run(appOn(kafka.connect), { batches: 4 })
    yield* TestClock.adjust("5 seconds")
    const exit = yield* Fiber.await(running)
    assert.ok(Exit.isFailure(exit))
    const error = Cause.squash(exit.cause)
    assert.ok(error instanceof Fenced, String(error))
    assert.deepEqual([error.current, error.output], [7, "counts"])
    assert.deepEqual(kafka.records("out"), [])
  }))

it("a batch whose number of partitions was changed before it was done is refused, and there when the old number is back", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic
    kafka.createTopic("in", 1)
    const storage = memoryStorage()
    let hangs = true
    const connect = changed(kafka, (cluster) => ({
      // Half of the partitions do not come through before the driver dies.
      addPartitions: (producer, partitions) =>
        hangs && /[23]$/.test(producer.transactionalId) ? Effect.never : cluster.addPartitions(producer, partitions)
    }))
    const counting = (numPartitions: number) =>
      StreamingApp.make({
        name: "app",
        batchDuration: "1 second",
        outputs: [
          directStream({ brokers: "model", topics: "in", value: text, start: "earliest" }).pipe(
            DStream.named("in"),
            DStream.mapToPair(({ value }) => [value, 1]),
            DStream.reduceByKey((a: number, b: number) => a + b, { numPartitions }),
            DStream.toSink(
              sink<readonly [string | null, number]>({
                brokers: "model",
                topic: "out",
                key: ([word]) => word,
                value: ([, count]) => String(count)
              }),
              { name: "counts" }
            )
          )
        ],
        layer: Layer.succeed(ConnectKafka, connect)
      }) as StreamingApp.StreamingApp
    const all = Array.from({ length: 40 }, (_, i) => `w${i}`)
    const append = Effect.sync(() => kafka.append("in", 0, all))
    yield* lives.live(counting(4), { storage, executors: 4 }, 2, append)
    const before = kafka.records("out").length
    assert.ok(before > 0 && before < all.length)
    hangs = false
    const second = yield* lives.live(counting(2), { storage, executors: 4 }, 4)
    assert.match(JSON.stringify(second.events), /some of its 4: which records those held cannot be told from here/)
    assert.equal(kafka.records("out").length, before)
    yield* lives.live(counting(4), { storage, executors: 4 }, 4)
    assert.deepEqual(kafka.records("out").map(({ key }) => key).toSorted(), all.toSorted())
  }))

it("a driver of another checkpoint place ends the one that runs, which is refused from then on; nothing is left out in silence", () =>
  Effect.gen(function* () {
    const kafka = yield* withTopic
    const [old, fresh] = [memoryStorage(), memoryStorage()]
    const live = (storage: MemoryStorage, seconds: number) =>
      Effect.exit(lives.live(appOn(kafka.connect), { storage }, seconds))
    yield* live(old, 2)
    const before = kafka.records("out").length
    assert.ok(Exit.isSuccess(yield* live(fresh, 3)))
    const both = kafka.records("out").length
    assert.ok(both > before)
    for (let start = 1; start <= 3; start++) {
      const exit = yield* live(old, 3)
      assert.ok(Exit.isFailure(exit))
      const error = Cause.squash(exit.cause)
      assert.ok(error instanceof Fenced, String(error))
      assert.match(error.message, /taken over at model .* will be refused whenever it is started again/)
    }
    assert.equal(kafka.records("out").length, both)
  }))
