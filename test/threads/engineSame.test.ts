/**
 * Worker threads compute what fibers of one process do: made-up chains of all operators, partition by partition, record by
 * record; and much data crosses between threads whole.
 */
import * as assert from "node:assert/strict"
import fc from "fast-check"
import { Effect } from "effect"
import { it } from "../kit.ts"
import { type Chain, operators } from "./programs/chains.ts"
import { collected, recordsOf } from "./programs/collected.ts"
import { text } from "./programs/bulk.ts"
import * as Run from "./run.ts"

const batches = 4
const names = Object.keys(operators)
const step = (name: string) => fc.tuple(fc.constant(name), fc.integer({ min: 1, max: 4 }))
const chain: fc.Arbitrary<Chain> = fc.array(fc.constantFrom(...names).chain(step), { minLength: 1, maxLength: 6 })
/** Every operator once at least, at some place of some chain, and chains of whatever kind. */
const chainsOf = (seed: number): ReadonlyArray<Chain> => {
  const random = fc.sample(chain, { seed, numRuns: names.length })
  const certain = fc.sample(fc.tuple(...names.map(step)), { seed, numRuns: 1 })[0]!
  return random.map((steps, index) => steps.toSpliced(index % (steps.length + 1), 0, certain[index]!))
}

for (const seed of [1, 2, Math.floor(Math.random() * 1e6)]) {
  it.live(`on two threads every operator gives the partitions that it gives in one process, seed ${seed}`, () =>
    Effect.gen(function* () {
      const chains = chainsOf(seed)
      const runOn = (threads: number) =>
        Run.run("chains", {
          threads,
          batches,
          config: { RUN: `${seed} on ${threads}`, CHAINS: JSON.stringify(chains) }
        })
      yield* runOn(0)
      yield* runOn(2)
      let records = 0
      chains.forEach((steps, index) => {
        const partitionsOn = (threads: number) =>
          collected(`${seed} on ${threads}`, `chain ${index}`).map(({ partitions }) => partitions)
        assert.equal(partitionsOn(2).length, batches)
        assert.deepStrictEqual(partitionsOn(2), partitionsOn(0), `chain ${index}: ${JSON.stringify(steps)}`)
        records += partitionsOn(2).flat(2).length
      })
      assert.ok(records > 100, `${records} records`)
    }))
}

it.live("a shuffle of 200,000 pairs of texts, and the blocks of a receiver, cross between threads whole", () =>
  Effect.gen(function* () {
    const pairs = 200_000
    const begin = performance.now()
    const running = yield* Run.run("bulk", { batches: 2, config: { RUN: "bulk", PAIRS: String(pairs) } })
    const millis = performance.now() - begin
    for (const { partitions } of collected("bulk", "groups")) {
      const groups: ReadonlyArray<[string, Array<string>]> = partitions.flat(1)
      assert.equal(groups.length, 5000)
      for (const [key, values] of groups) {
        const first = Number(key.slice(4))
        assert.deepEqual(values, Array.from({ length: pairs / 5000 }, (_, i) => text(first + 5000 * i)))
      }
    }
    const records = recordsOf("bulk", "blocks")
    assert.deepEqual(records.map(({ text }) => text), Array.from({ length: 8000 }, (_, i) => text(i)))
    // One thread stored them; the other fetched what it read.
    assert.equal(new Set(records.map(({ threadId }) => threadId)).size, 2)
    assert.equal(running.eventsOf("TaskRetried").length, 0)
    assert.ok(millis < 15_000, `${millis} ms`)
  }))
