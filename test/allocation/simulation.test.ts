/**
 * Dynamic allocation under the faults of the simulation: executors come and go every few batches, and every program still says what
 * the model says, with all invariants.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import type { Observed } from "../../adapters/simulation/invariants/Observation.ts"
import { startedOnce } from "../simulation/programs/mod.ts"
import { simulate } from "../simulation/run/Simulation.ts"

/** So narrow that most intervals decide something. */
const settings = {
  dynamicAllocation: true,
  scalingInterval: 2000,
  scalingUpRatio: 0.25,
  scalingDownRatio: 0.2,
  maxExecutors: 4,
  minExecutors: 1
}

for (const program of startedOnce) {
  test(`${program.name} passes while executors come and go`, async () => {
    for (let seed = 6000; seed < 6003; seed++) {
      let joined = 0
      /** For the invariants who was removed holds nothing from then on, though it lives until it has ended. */
      const mutate = (observed: Observed): ReadonlyArray<Observed> => {
        const { observation } = observed
        if (observation.kind === "ExecutorJoined") joined++
        if (observation.kind !== "ExecutorLost") return [observed]
        return [{ ...observed, observation: { kind: "ExecutorDied", executor: observation.executor } }, observed]
      }
      const { failures } = await simulate({ program, seed, settings, mutate })
      assert.deepEqual(failures, [], `seed ${seed}`)
      assert.ok(joined > 1, `seed ${seed}`)
    }
  })
}
