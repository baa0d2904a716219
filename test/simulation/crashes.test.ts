/**
 * Deaths: each recovering program goes on after its driver died at moments that a seed draws, and after whoever calls storage or a
 * sink died at each of these calls, one by one.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { crashJobs } from "./command/crashEverywhere.ts"
import { commandOf } from "./command/Job.ts"
import { runAll } from "./command/workers.ts"
import { momentName } from "../../adapters/simulation/faults/FaultPlan.ts"
import { recovering } from "./programs/mod.ts"
import { simulate } from "./run/Simulation.ts"

const crashes = [0, 1, 2].map((index) => momentName("driverCrash", index))

for (const program of recovering) {
  test(`${program.name} goes on after its driver died`, async () => {
    let lives = 0
    for (const seed of [2000, 2001]) {
      const result = await simulate({ program, seed, batches: 12, only: crashes })
      assert.deepEqual(result.failures, [], `seed ${seed}`)
      lives += result.lives
    }
    assert.ok(lives > 2)
  })
}

test("sessions goes on after a death at each call of storage and sinks: before it, in the middle, and behind it", async () => {
  const program = recovering.find(({ name }) => name === "sessions")!
  const jobs = await crashJobs(program, 2, 2)
  assert.ok(jobs.length > 100)
  await runAll(jobs, 1, (job, { failures }) => assert.deepEqual(failures, [], commandOf(job)))
})
