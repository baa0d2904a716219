/**
 * The simulation as a whole: some seeds of every program pass, and what is planted into a run is found.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as DStream from "../../core/dstream/DStream.ts"
import { faultKinds, noFaults } from "../../adapters/simulation/faults/FaultPlan.ts"
import type { Observed } from "../../adapters/simulation/invariants/Observation.ts"
import { noStorageFaults } from "../../adapters/simulation/storage/StorageFaults.ts"
import { programs, recovering } from "./programs/mod.ts"
import type { ReferenceProgram } from "./programs/ReferenceProgram.ts"
import { faultsLeast, simulate, type SimulationResult } from "./run/Simulation.ts"
import { readArguments } from "./command/arguments.ts"
import { faultTableSeedsMin, summarize } from "./command/summary.ts"
import { runAll } from "./command/workers.ts"

for (const program of programs) {
  test(`${program.name} passes under the faults of two seeds`, async () => {
    for (let seed = 1000; seed < 1002; seed++) {
      const { batches, failures, faults } = await simulate({ program, seed })
      assert.deepEqual(failures, [], `seed ${seed}`)
      assert.ok(batches >= 30)
      assert.ok(Object.values(faults).reduce((a, b) => a + b, 0) >= faultsLeast)
    }
  })
}

test("a record that an executor computes differently is found", async () => {
  // The driver's program, which the model follows, is built first.
  let built = 0
  const outputs: ReferenceProgram["outputs"] = ({ streams, collect }) => {
    const face = built++ === 0 ? "" : "!"
    return [streams[0]!.pipe(DStream.map((line) => line.length > 12 ? line + face : line), collect("lines"))]
  }
  const twoFaced: ReferenceProgram = { name: "twoFaced", sourcesMax: 1, outputs }
  const { failures } = await simulate({ program: twoFaced, seed: 1, batches: 5, faults: noFaults })
  assert.match(failures.join("\n"), /output "lines" of batch \d+ is .*!.*; the model says/)
})

test("a broken invariant ends the run at once, with the time and the sentence", async () => {
  let allocated: Observed | undefined
  const repeatBlocks = (observed: Observed): ReadonlyArray<Observed> => {
    const { observation } = observed
    if (observation.kind !== "BatchAllocated" || observation.blocks.length === 0) return [observed]
    const before = allocated?.observation
    allocated = observed
    if (before?.kind !== "BatchAllocated") return [observed]
    return [{ ...observed, observation: { ...observation, blocks: [...observation.blocks, before.blocks[0]!] } }]
  }
  const { batches, failures } = await simulate({ program: programs[0]!, seed: 2, mutate: repeatBlocks })
  assert.match(failures[0]!, /^at [\d.]+ ms: every stored block is in exactly one batch, or unallocated: block lines0/)
  assert.ok(batches < 30)
})

test("what is found before a disk that lied cuts off the end of a driver's log is told, and what is found after it is not", async () => {
  const { fates, rates } = noStorageFaults
  const onlyLost = { ...fates, whole: 0, torn: 0, reordered: 0, halfSynced: 0, garbage: 0 }
  const storage = { ...noStorageFaults, rates: { ...rates, lostSync: 0.5 }, fates: onlyLost }
  const breaking = async (call: number, when: (observed: Observed) => boolean) => {
    let submitted: Observed | undefined
    const mutate = (observed: Observed): ReadonlyArray<Observed> => {
      if (observed.observation.kind === "BatchSubmitted") submitted = observed
      return submitted !== undefined && when(observed) ? [observed, submitted] : [observed]
    }
    const faults = { ...noFaults, storage }
    const crashAt = { call, moment: "after" } as const
    return await simulate({ program: recovering[0]!, seed: 1, batches: 5, faults, crashAt, mutate })
  }
  // Whether the disk lies of the last record depends on when the machine crashes.
  let call = 60
  let after = await breaking(call, ({ life }) => life === 2)
  while (!after.detected && call < 120) after = await breaking(++call, ({ life }) => life === 2)
  assert.deepEqual([after.failures, after.detected], [[], true])
  // What dies with a driver counts as dead right before the machine is, with its disk.
  const before = await breaking(call, ({ observation }) => observation.kind === "ExecutorDied")
  assert.match(before.failures.join("\n"), /^at [\d.]+ ms: a batch is submitted once by a driver: .*$/)
})

test("a run of many seeds in which a fault never struck fails, and says which", () => {
  const counts = (count: number) =>
    Object.fromEntries(faultKinds.map((kind) => [kind, count])) as SimulationResult["faults"]
  const result = (faults: SimulationResult["faults"], failures: ReadonlyArray<string> = []): SimulationResult => ({
    ...{
      program: "p",
      seed: 0,
      hash: "",
      failures,
      faults,
      batches: 30,
      lives: 1,
      detected: false,
      drawnFaults: [],
      portCalls: 0,
      lostLines: 0,
      partialBatches: 0,
      steps: 1,
      events: 1
    }
  })
  const end = (results: ReadonlyArray<SimulationResult>, seeds: number) =>
    summarize(results, [{ name: "p", sourcesMax: 1, outputs: () => [] }], { seeds, seconds: 1 })
  const gap = result({ ...counts(2), executorCrash: 0 })
  assert.equal(end([gap], faultTableSeedsMin - 1).passed, true)
  assert.equal(end([gap], faultTableSeedsMin).passed, false)
  assert.match(
    end([gap], faultTableSeedsMin).lines.join("\n"),
    /FAILED executorCrash never struck p\n1 passed, 0 failed$/
  )
  assert.equal(end([result(counts(1)), result(counts(1), ["broken"])], 2).lines.at(-1), "1 passed, 1 failed")
})

test("no more runs are begun once whoever is told of them has seen enough", async () => {
  assert.equal(readArguments(["--until-failure"]).untilFailure, true)
  assert.equal(readArguments([]).untilFailure, false)
  const { name } = programs[0]!
  const jobs = [0, 1, 2].map((seed) => ({ program: name, seed, batches: 4, only: [], crashAt: undefined }))
  const told: Array<number> = []
  const results = await runAll(jobs, 1, ({ seed }) => told.push(seed) < 2)
  assert.deepEqual([told, results.map(({ seed }) => seed)], [[0, 1], [0, 1]])
})
