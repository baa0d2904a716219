/**
 * Rates of a direct stream in a whole engine, over a model of a broker: of its partitions, and of the whole.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { it } from "../../kit.ts"
import { eventsOf, modelWith, start, text, valuesOf } from "./run.ts"

it("rates of partitions hold, and with backpressure the whole stream keeps to the rate", () =>
  Effect.gen(function* () {
    const kafka = yield* modelWith(2)
    for (const partition of [0, 1]) kafka.append("t", partition, Array.from({ length: 100 }, String))
    const sizes = (events: Parameters<typeof eventsOf>[0]) =>
      eventsOf(events, "BatchCompleted").map(({ batch }) => batch.records)
    const maxRatePerPartition = (_: string, partition: number) => partition === 0 ? 10 : undefined
    const limited = yield* start(kafka, Kafka.directStream({ ...text, topics: "t", maxRatePerPartition }))
    yield* limited.advance(2)
    assert.deepEqual(sizes(limited.events), [110, 10])
    const settings = { backpressure: true, backpressureInitialRate: 50 }
    const pressed = yield* start(kafka, Kafka.directStream({ ...text, topics: "t" }), { settings })
    yield* pressed.advance(1)
    assert.deepEqual(sizes(pressed.events), [50])
  }))

it("a function that gives no rate above zero fails the batch, before anything is taken", () =>
  Effect.gen(function* () {
    for (const rate of [0, -5, NaN, Infinity, "5" as unknown as number]) {
      const kafka = yield* modelWith(2)
      const maxRatePerPartition = (_: string, partition: number) => partition === 1 ? rate : undefined
      const running = yield* start(kafka, Kafka.directStream({ ...text, topics: "t", maxRatePerPartition }))
      for (const partition of [0, 1]) kafka.append("t", partition, ["a"])
      yield* running.advance(1)
      const shown = typeof rate === "string" ? `"${rate}"` : `${rate}`
      assert.match(
        String(yield* Effect.flip(running.context.awaitTermination)),
        new RegExp(`The maxRatePerPartition of a Kafka stream gives ${shown} for partition 1 of topic t: it has`)
      )
      assert.deepEqual(valuesOf(running.batches).flat(), [])
    }
  }))
