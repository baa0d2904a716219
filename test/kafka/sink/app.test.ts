/**
 * Programs that write to Kafka, on the whole engine over the model of a cluster.
 */
import * as assert from "node:assert/strict"
import { Cause, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { ConnectKafka } from "../../../adapters/kafka/KafkaCluster.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { sink } from "../../../adapters/kafka/sink/sink.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { Fenced } from "../../../core/output/Sink.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"
import { role } from "./roles.ts"

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
    yield* role(kafka.connect).fence(7)
    const running = yield* Local.run(appOn(kafka.connect), { batches: 4 })
    yield* TestClock.adjust("5 seconds")
    const exit = yield* Fiber.await(running)
    assert.ok(Exit.isFailure(exit))
    const error = Cause.squash(exit.cause)
    assert.ok(error instanceof Fenced, String(error))
    assert.deepEqual([error.current, error.output], [7, "counts"])
    assert.deepEqual(kafka.records("out"), [])
  }))
