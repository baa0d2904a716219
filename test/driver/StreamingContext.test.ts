import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import * as Queue from "../../adapters/queue/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { Time } from "../../core/time/Time.ts"
import { it } from "../kit.ts"
import * as Local from "./local.ts"

type Collected<A> = Array<{ readonly time: Time; readonly records: ReadonlyArray<A> }>

it("counts words, batch after batch", () =>
  Effect.gen(function* () {
    const out: Collected<[string, number]> = []
    const app = StreamingApp.make({
      name: "count",
      batchDuration: "1 second",
      outputs: [
        Memory.batches([["to be or", "not to be"], ["be"]], 2).pipe(
          DStream.flatMap((line) => line.split(" ")),
          DStream.mapToPair((word) => [word, 1]),
          DStream.reduceByKey((a, b) => a + b),
          DStream.collectTo(out)
        )
      ]
    })
    const context = yield* Local.start(app)
    assert.equal(context.state(), "Active")
    yield* TestClock.adjust("3 seconds")
    assert.deepEqual(out.map(({ time, records }) => [time, Object.fromEntries(records)]), [
      [1000, { to: 2, be: 2, or: 1, not: 1 }],
      [2000, { be: 1 }],
      [3000, {}]
    ])
    const report = yield* Local.stopGracefully(context)
    assert.deepEqual(report, { graceful: true, openBatches: [], unallocatedBlocks: false, activeReceivers: [] })
    assert.equal(context.state(), "Stopped")
    yield* context.awaitTermination
  }))

it("a queue feeds one list per batch, and the same on two executors over the wire codec", () =>
  Effect.gen(function* () {
    for (const options of [{}, { executors: 2, coded: true }]) {
      const queue = [[1, 2, 3], [4]]
      const out: Collected<number> = []
      const app = StreamingApp.make({
        name: "queue",
        batchDuration: "1 second",
        outputs: [
          Queue.stream(queue, { numPartitions: 2 }).pipe(
            DStream.map((x) => x * 10),
            DStream.repartition(3),
            DStream.collectTo(out)
          )
        ]
      })
      const context = yield* Local.start(app, options)
      yield* TestClock.adjust("3 seconds")
      assert.deepEqual(out.map(({ records }) => records.toSorted()), [[10, 20, 30], [40], []])
      yield* context.stop()
    }
  }))
