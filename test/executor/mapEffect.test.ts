/**
 * mapEffect: how many of a partition's Effects are under way, and the order of what they give.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as RDD from "../../core/rdd/RDD.ts"
import { it } from "../kit.ts"
import { cluster } from "./cluster.ts"

const records = Array.from({ length: 12 }, (_, n) => n)

for (const concurrency of [1, 2, 5]) {
  it(`mapEffect runs exactly ${concurrency} at once, and keeps the order of Effects that end in reverse`, () =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const slow = (n: number) =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          yield* Effect.sleep(1000 - n * 80)
          running--
          return n * 10
        })
      const op = { kind: "mapEffect", f: slow, concurrency } as const
      const one = yield* cluster({
        program: { slow: () => RDD.fromLineage<number>({ kind: "narrow", parent: RDD.of(records, 1), op }) },
        executors: 1
      })
      one.plan({ time: 1 })
      const job = yield* Effect.forkChild(one.collect("slow"))
      for (let millis = 0; millis < 13_000; millis += 20) yield* TestClock.adjust(20)
      assert.deepEqual(yield* Fiber.join(job), [records.map((n) => n * 10)])
      assert.equal(most, concurrency)
      assert.equal(running, 0)
    }))
}
