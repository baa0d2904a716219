/**
 * How often a reduction over a window calls the user's function, counted: per record that comes, and in the worst batch.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { definition as inverseWindow } from "../../core/state/windows/InverseWindowState.ts"
import type { StateDefinition } from "../../core/state/StateStore.ts"
import { definition as plainWindow } from "../../core/state/windows/WindowState.ts"
import { newStore, takeStep } from "./windowModel.ts"

/** The records of a batch by key: how many of which. */
type Arrivals = (batch: number, chance: () => number) => Iterable<readonly [key: number, records: number]>

const range = (length: number) => Array.from({ length }, (_, i) => i)

/** Every key in every batch. */
const dense = (keys: number, records = 1): Arrivals => () => range(keys).map((key) => [key, records])
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

const cases: ReadonlyArray<readonly [name: string, arrivals: Arrivals, perRecordMax: number]> = [
  ["every key in every batch", dense(1000), 3],
  ["every key, twice in every batch", random(600, 1, 2), 2],
  ["most keys in a batch", random(1000, 0.86), 4 - 0.86],
  ["half of the keys in a batch", random(1000, 0.5), 4 - 0.5],
  ["one key in ten", random(2000, 0.1), 4 - 0.1],
  ["one key in ten, each in its turn", inTurn(2000, 10), 3],
  ["few keys with several records", random(40, 1, 10), 1.3],
  ["half of a hundred keys, with several records", random(100, 0.5, 4), 2],
  ["one key with several records", dense(1, 10), 1.3],
  ["one key, twice in every batch", dense(1, 2), 2.3],
  ["one key in every batch", dense(1), 3.35],
  ["few keys in every batch", dense(7), 3.35]
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

test("no batch makes more than 3 times the calls of the median one, whatever the window and however few keys", () => {
  for (const window of [5, 6, 7, 8, 9, 10, 11, 13, 16, 20, 25, 31, 32, 33, 50, 64, 101]) {
    for (const keys of [1, 2, 3, 5, 8, 13]) {
      for (const records of [1, 2, 10]) {
        const { perRecord, worst } = counted(plain, window, dense(keys, records))
        assert.ok(worst <= 3, `window ${window}, ${keys} keys: the worst batch makes ${worst} times the calls`)
        assert.ok(perRecord <= 1 + 2.35 / records, `window ${window}, ${keys} keys: ${perRecord}`)
      }
    }
  }
})

/**
 * Per pair of key and batch, by the share p of batches in which a key comes: at most 4 - p, a call for each change of a value, which are
 * two per pair but where one comes as one leaves, and two to know what is left (see `WindowState`). Below 3 where keys come few times per window, or in nearly every batch.
 */
const densities: ReadonlyArray<readonly [window: number, perRecordMax: ReadonlyArray<number>]> = [
  [10, [0.7, 1.1, 1.9, 2.5, 2.6, 2.6]],
  [30, [1.6, 2.3, 3, 3.15, 3, 2.9]],
  [100, [2.85, 3.3, 3.55, 3.45, 3.1, 3]],
  [300, [3.6, 3.75, 3.7, 3.5, 3.1, 3]]
]
const shares = [0.05, 0.1, 0.25, 0.5, 0.9, 1]

for (const [window, bounds] of densities) {
  test(`a window of ${window} batches: calls per record stay below their bounds, however seldom a key comes`, () => {
    for (const [i, share] of shares.entries()) {
      const { perRecord } = counted(plain, window, random(60_000 / window, share))
      assert.ok(perRecord <= Math.min(4 - share, bounds[i]!), `a share of ${share}: ${perRecord} calls per record`)
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
