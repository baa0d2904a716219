/**
 * Restart from nothing: executors that start in the middle of a run derive the same lineage, and after restoring have the same
 * partitions, byte for byte and in the same order, as executors that ran all along. For inputs that can be read again.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as DStream from "../../core/operators/mod.ts"
import type { State } from "../../core/state/State.ts"
import * as StateSpec from "../../core/state/StateSpec.ts"
import { type FaultPlan, noFaults } from "../../adapters/simulation/faults/FaultPlan.ts"
import type { ReferenceProgram } from "./programs/ReferenceProgram.ts"
import { replayedPairs } from "./programs/replayed.ts"
import { simulate } from "./run/Simulation.ts"

const replayed: ReferenceProgram = {
  name: "replayed",
  sourcesMax: 1,
  keepsState: true,
  outputs: ({ collect, deliver, dice: { batchMillis, checkpointBatches, partitions, windowBatches }, trip }) => {
    const pairs = replayedPairs()
    const every = DStream.checkpoint(checkpointBatches * batchMillis)
    const window = windowBatches * batchMillis
    const add = (a: number, b: number) => (trip(), a + b)
    const kept = pairs.pipe(
      DStream.updateStateByKey((values: ReadonlyArray<number>, state: string | undefined) => {
        trip()
        return values.length === 0 && state!.length > 20 ? undefined : `${state ?? ""}${values.join()};`
      }, { numPartitions: partitions }),
      every
    )
    const mapped = pairs.pipe(
      DStream.mapWithState(
        StateSpec.make((key: string, value: number | undefined, state: State<number>) => {
          if (!state.isTimingOut()) state.update((state.getOrUndefined() ?? 0) + (value ?? 0))
          return [key, value, state.get()]
        }).pipe(StateSpec.timeout(2 * batchMillis, { sweep: "batch" }))
      ),
      every
    )
    return [
      kept.pipe(collect("kept")),
      mapped.pipe(deliver("mapped")),
      mapped.pipe(DStream.stateSnapshots, collect("open")),
      pairs.pipe(DStream.reduceByKeyAndWindow(add, window), every, collect("window")),
      pairs.pipe(
        DStream.reduceByKeyAndWindow(add, window, batchMillis, { inverse: (a, b) => a - b }),
        every,
        collect("in and out")
      ),
      kept.pipe(DStream.window(window), DStream.groupByKey(), collect("versions"))
    ]
  }
}

const deaths: FaultPlan = {
  ...noFaults,
  moments: { ...noFaults.moments, executorCrash: 3, crashInStep: 2, crashAfterStep: 2, crashInSnapshot: 1 },
  rates: { ...noFaults.rates, stepFailure: 0.02, snapshotFailure: 0.05, snapshotDamage: 0.5 }
}

/** What every output was given, by output, batch and partition. */
const given = async (seed: number, faults: FaultPlan) => {
  const partitions = new Map<string, string>()
  const result = await simulate({
    program: replayed,
    seed,
    faults,
    settings: { missedTicks: "replay" },
    deliver: ({ output, partition, partitions: all, time }) =>
      all.forEach((records, i) => partitions.set(`${output} ${time} ${partition ?? i}`, JSON.stringify(records)))
  })
  assert.deepEqual(result.failures, [], `seed ${seed}`)
  return { partitions, faults: result.faults }
}

test("executors that restore a state have every partition as those that ran all along, in the same order", async () => {
  for (let seed = 0; seed < 4; seed++) {
    const quiet = await given(seed, noFaults)
    const { faults, partitions } = await given(seed, deaths)
    assert.ok(faults.executorCrash + faults.crashInStep + faults.crashAfterStep >= 4)
    const both = [...quiet.partitions].filter(([where]) => partitions.has(where))
    assert.ok(both.length > 25 * replayed.outputs.length)
    for (const [where, records] of both) assert.equal(partitions.get(where), records, `seed ${seed}: ${where}`)
  }
})
