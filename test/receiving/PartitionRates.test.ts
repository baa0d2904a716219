/**
 * Limits per partition, on the cases recorded from Spark, and what holds for all.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { maxRecordsPerPartition } from "../../core/rates/PartitionRates.ts"

type Case = readonly [
  what: string,
  batchMillis: number,
  rate: number | undefined,
  maxRate: Readonly<Record<string, number>> | number,
  lags: Readonly<Record<string, number>>,
  expected: Readonly<Record<string, number>>
]

/** Recorded from Spark Streaming 3.5. */
const cases: ReadonlyArray<Case> = [
  ["without backpressure the maximum counts", 100, undefined, 100, { a: 50, b: 50 }, { a: 10, b: 10 }],
  ["the rate is shared by lag, then capped", 100, 1000, { a: 50, b: 100 }, { a: 1000, b: 1000 }, { a: 5, b: 10 }],
  ["the initial rate counts below the maximum", 500, 500, 1000, { a: 1000 }, { a: 250 }],
  ["shares are cut to whole records", 1000, 10, 0, { a: 100, b: 100, c: 100 }, { a: 3, b: 3, c: 3 }],
  ["no partition has a negative lag", 2000, 30, 0, { a: 20, b: -10 }, { a: 60, b: 1 }],
  ["without any limit there is none", 1000, undefined, 0, { a: 100 }, {}],
  ["where nothing waits the rate says nothing", 1000, 10, 0, { a: 0, b: 0 }, {}],
  ["a partition without a maximum is not held back by others", 1000, undefined, { a: 5 }, { a: 9, b: 9 }, { a: 5 }]
]

for (const [what, batchMillis, rate, maxRate, lags, expected] of cases) {
  test(`limits of partitions: ${what}`, () => {
    const limits = maxRecordsPerPartition({
      batchMillis,
      rate,
      lags: new Map(Object.entries(lags)),
      maxRate: (partition) => typeof maxRate === "number" ? maxRate : maxRate[partition]
    })
    assert.deepEqual(Object.fromEntries(limits), expected)
  })
}

test("all partitions together take no more than the rate, but for the least that each may give", () => {
  const lags = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(lags, fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 5000 }), (lags, rate, millis) => {
      const limits = maxRecordsPerPartition({
        batchMillis: millis,
        rate,
        lags: new Map(lags.entries()),
        maxRate: () => undefined
      })
      const taken = [...limits.values()].reduce((sum, limit) => sum + limit, 0)
      assert.ok(taken <= rate * millis / 1000 + lags.length + 1e-6)
    })
  )
})
