/**
 * Settings that reach executors do there what they say.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, type SettingsInput, StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"

const two = Memory.stream({ numPartitions: 2, read: ({ partition }) => [partition, partition + 1] })

/** One batch on one executor; how long it was worked on, or why it failed. */
const run = (stream: DStream.DStream<unknown>, settings: SettingsInput) =>
  Effect.gen(function* () {
    const app = StreamingApp.make({
      name: "settings",
      batchDuration: "1 second",
      outputs: [stream.pipe(DStream.foreachBatch((batch) => batch.collect))],
      settings
    })
    const delays: Array<number | undefined> = []
    const observe = (event: StreamingEvent) => {
      if (event.kind === "BatchCompleted") delays.push(event.batch.processingDelay)
    }
    const running = yield* Local.run(app, { batches: 1, observers: [observe] })
    yield* TestClock.adjust("20 seconds")
    return { delays, exit: yield* Fiber.await(running) }
  })

it("taskSlots is how many tasks an executor runs at once", () =>
  Effect.gen(function* () {
    const waiting = two.pipe(DStream.mapEffect((n) => Effect.as(Effect.sleep("2 seconds"), n), { concurrency: 2 }))
    assert.deepEqual((yield* run(waiting, {})).delays, [4000])
    assert.deepEqual((yield* run(waiting, { taskSlots: 2 })).delays, [2000])
  }))

it("shuffleRecordsMax is how many records the map outputs of an executor may hold", () =>
  Effect.gen(function* () {
    const spread = two.pipe(DStream.repartition(2))
    assert.ok((yield* run(spread, { shuffleRecordsMax: 4 })).exit._tag === "Success")
    assert.match(String((yield* run(spread, { shuffleRecordsMax: 3 })).exit), /more than 3 \(shuffleRecordsMax\)/)
  }))
