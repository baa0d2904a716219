/**
 * A seed is one run: the same hash of all events and choices twice, alone or after others, on Node and on Deno, without asking
 * the host for time or chance.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { otherRuntime, runElsewhere } from "./otherRuntime.ts"
import { programs } from "./programs/mod.ts"
import { simulate } from "./run/Simulation.ts"

const seeds = [0, 1]
const batches = 8

const lines = async (order: ReadonlyArray<number>): Promise<ReadonlyArray<string>> => {
  const hashes: Array<string> = []
  for (const program of programs) {
    for (const seed of order) {
      hashes.push(`${program.name} ${seed} ${(await simulate({ program, seed, batches })).hash}`)
    }
  }
  return hashes.sort()
}

test("a seed has the same hash in two runs, whatever ran before it, and each its own", async () => {
  const first = await lines(seeds)
  assert.deepEqual(await lines(seeds.toReversed()), first)
  assert.equal(new Set(first.map((line) => line.split(" ").at(-1))).size, first.length)
})

test(`a seed has the same hash on ${otherRuntime}`, async () => {
  const printed = await runElsewhere("test/simulation/main.ts", [
    ...["--seeds", String(seeds.length)],
    ...["--batches", String(batches)],
    "--hashes"
  ])
  const hashes = printed.split("\n").filter((line) => /^\w+ \d+ [0-9a-f]{16}$/.test(line))
  assert.deepEqual(hashes.sort(), await lines(seeds))
  assert.match(printed, new RegExp(`\n${programs.length * seeds.length} passed, 0 failed\n$`))
})

test("a run asks the host for no time, no chance and no timer", async () => {
  const asked: Array<string> = []
  const originals = { random: Math.random, now: Date.now, setTimeout: globalThis.setTimeout }
  const noted = <F extends (...args: Array<any>) => unknown>(name: string, original: F): F =>
    ((...args: Array<any>) => {
      asked.push(`${name} ${new Error().stack?.split("\n").slice(2, 5).join(" ")}`)
      return original(...args)
    }) as F
  try {
    Math.random = noted("Math.random", originals.random)
    Date.now = noted("Date.now", originals.now)
    globalThis.setTimeout = noted("setTimeout", originals.setTimeout as any) as typeof setTimeout
    for (const program of programs) await simulate({ program, seed: 3, batches })
  } finally {
    Math.random = originals.random
    Date.now = originals.now
    globalThis.setTimeout = originals.setTimeout
  }
  assert.deepEqual(asked.slice(0, 3), [])
})
