/**
 * Records are read by many: a merge that changes its first argument and returns it, as Spark allows, changes none of them.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Queue from "../../adapters/queue/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { it } from "../kit.ts"
import * as Local from "./local.ts"

const append = (a: Array<number>, b: Array<number>) => {
  a.push(...b)
  return a
}

it("two outputs that merge in place, and the caller's own records, see what was put in", () =>
  Effect.gen(function* () {
    const records: Array<[string, Array<number>]> = [["k", [1]], ["k", [2]], ["k", [3]]]
    const out: Array<unknown> = []
    const pairs = Queue.stream([records], { numPartitions: 2 })
    const output = (stream: DStream.DStream<unknown>) =>
      stream.pipe(DStream.foreachBatch((batch) => Effect.map(batch.collect, (all) => void out.push(...all))))
    const app = StreamingApp.make({
      name: "sharing",
      batchDuration: "1 second",
      settings: { defaultParallelism: 1 },
      outputs: [
        output(pairs.pipe(DStream.reduceByKey(append))),
        output(pairs.pipe(DStream.combineByKey((values: Array<number>) => values, append, append))),
        output(pairs.pipe(DStream.map(([, values]) => values), DStream.reduce(append))),
        output(pairs.pipe(DStream.groupByKey()))
      ]
    })
    const context = yield* Local.start(app)
    yield* TestClock.adjust("1 second")
    yield* context.stop()
    assert.deepEqual(out, [["k", [1, 2, 3]], ["k", [1, 2, 3]], [1, 2, 3], ["k", [[1], [2], [3]]]])
    assert.deepEqual(records, [["k", [1]], ["k", [2]], ["k", [3]]])
  }))

it("a retry of a task whose merge changed its first argument gives the same", () =>
  Effect.gen(function* () {
    const out: Array<unknown> = []
    let failures = 1
    const app = StreamingApp.make({
      name: "retry",
      batchDuration: "1 second",
      outputs: [
        Queue.stream([[["k", [1]], ["k", [2]], ["j", [3]]] as Array<[string, Array<number>]>]).pipe(
          DStream.filter(([key]) => {
            if (key === "j" && failures-- > 0) throw new Error("once")
            return true
          }),
          DStream.reduceByKey(append),
          DStream.foreachBatch((batch) => Effect.map(batch.collect, (all) => void out.push(...all)))
        )
      ]
    })
    const context = yield* Local.start(app)
    yield* TestClock.adjust("1 second")
    yield* context.stop()
    assert.deepEqual(out, [["k", [1, 2]], ["j", [3]]])
  }))

it("take and print compute no partition that they do not need", () =>
  Effect.gen(function* () {
    const seen: Array<number> = []
    const taken: Array<ReadonlyArray<number>> = []
    const app = StreamingApp.make({
      name: "take",
      batchDuration: "1 second",
      outputs: [
        Queue.stream([Array.from({ length: 40 }, (_, i) => i)], { numPartitions: 8 }).pipe(
          DStream.mapPartitions((records) => {
            seen.push(records.length)
            return records
          }),
          DStream.foreachBatch((batch) =>
            Effect.gen(function* () {
              for (const count of [0, 5, 6, 100]) {
                taken.push(yield* batch.take(count))
                taken.push([seen.splice(0).length])
              }
            })
          )
        )
      ]
    })
    const context = yield* Local.start(app)
    yield* TestClock.adjust("1 second")
    yield* context.stop()
    assert.deepEqual(taken.map((records, i) => i % 2 === 0 ? records.length : records[0]), [0, 0, 5, 1, 6, 5, 40, 8])
  }))
