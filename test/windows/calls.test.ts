/**
 * How often a reduction over a window calls the user's function, counted: per record that comes, and in the worst batch.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { definition as inverseWindow } from "../../core/state/InverseWindowState.ts"
import type { StateDefinition } from "../../core/state/StateStore.ts"
import { definition as plainWindow } from "../../core/state/WindowState.ts"
import { newStore, takeStep } from "./windowModel.ts"

/** The records of a batch by key: how many of which. */
type Arrivals = (batch: number, chance: () => number) => Iterable<readonly [key: number, records: number]>

const range = (length: number) => Array.from({ length }, (_, i) => i)

/** Every key in every batch, one record each. */
const dense = (keys: number): Arrivals => () => range(keys).map((key) => [key, 1])
/** A key comes with this chance. */
const random = (keys: number, share: number, records = 1): Arrivals => (_, chance) =>
  range(keys).filter(() => chance() < share).map((key) => [key, records])
/** A key comes in one of `every` batches. */
const inTurn = (keys: number, every: number): Arrivals => (batch) =>
  range(keys).filter((key) => key % every === batch % every).map((key) => [key, 1])

interface Counted {
  /** Calls of f and of the inverse, per record of the batches. */
  readonly perRecord: number
  /** The batch with most calls, as a multiple of the median batch. */
  readonly worst: number
}

/** Over three windows, once the first is full; calls of the combine before are counted with the store's. */
const counted = (
  make: (f: any, inverse: any, window: number) => StateDefinition,
  window: number,
  arrivals: Arrivals
): Counted => {
  let calls = 0
  const add = (a: number, b: number) => (calls++, a + b)
  const subtract = (a: number, b: number) => (calls++, a - b)
  const store = newStore(make(add, subtract, window))
  let seed = 1
  const chance = () => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) / 2 ** 32
  const perBatch: Array<number> = []
  let records = 0
  for (let batch = 0; batch < 4 * window; batch++) {
    const arrived = [...arrivals(batch, chance)]
    calls = arrived.reduce((sum, [, count]) => sum + count - 1, 0)
    takeStep(store, batch + 1, [{ time: batch + 1, records: arrived.map(([key, count]) => [`k${key}`, count]) }])
    store.forgetBefore(batch + 1)
    if (batch < window) continue
    perBatch.push(calls)
    records += arrived.reduce((sum, [, count]) => sum + count, 0)
  }
  perBatch.sort((a, b) => a - b)
  const total = perBatch.reduce((a, b) => a + b, 0)
  return { perRecord: total / records, worst: perBatch.at(-1)! / perBatch[perBatch.length >> 1]! }
}

const plain = (f: any, _: any, window: number) => plainWindow(f, window)
const withInverse = (f: any, inverse: any, window: number) =>
  inverseWindow({ f, inverse, filter: undefined, windowMillis: window })

/**
 * Per pair of key and batch there are at most 4 calls less the share of batches that a key comes in: where it comes and leaves in
 * the same step, its value is combined once for both. Each further record of a pair adds one call, made before.
 */
const cases: ReadonlyArray<readonly [name: string, arrivals: Arrivals, perRecordMax: number]> = [
  ["every key in every batch", dense(1000), 3],
  ["every key, twice in every batch", random(600, 1, 2), 2],
  ["most keys in a batch", random(1000, 0.86), 4 - 0.86],
  ["half of the keys in a batch", random(1000, 0.5), 4 - 0.5],
  ["one key in ten", random(2000, 0.1), 4 - 0.1],
  ["one key in ten, each in its turn", inTurn(2000, 10), 3],
  ["few keys with several records", random(40, 1, 10), 1.3],
  ["half of a hundred keys, with several records", random(100, 0.5, 4), 2]
]

for (const window of [30, 100, 300]) {
  test(`a window of ${window} batches: calls per record do not grow with it, and no batch makes 3 times the median's`, () => {
    for (const [name, arrivals, perRecordMax] of cases) {
      const { perRecord, worst } = counted(plain, window, arrivals)
      assert.ok(perRecord <= perRecordMax, `${name}: ${perRecord} calls per record`)
      assert.ok(worst <= 3, `${name}: the worst batch makes ${worst} times the calls of the median one`)
    }
  })
}

test("with an inverse there are two calls per key and batch at most, however long the window", () => {
  for (const window of [30, 300]) {
    for (const [name, arrivals] of cases) {
      const { perRecord } = counted(withInverse, window, arrivals)
      assert.ok(perRecord <= 2.01, `${name}: ${perRecord} calls per record`)
    }
  }
})
