/**
 * Draw: what a seed decides besides the interleaving: settings, executors and receivers, the program's dice, the faults.
 */
import type { SettingsInput } from "../../../core/settings/Settings.ts"
import { isReplicated, placeOf, type StorageLevel } from "../../../core/receiving/StorageLevel.ts"
import { drawFaults, type FaultPlan } from "../Faults.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Dice, ReferenceProgram } from "../programs/ReferenceProgram.ts"
import { storageLevels, type StoreForm, storeForms } from "./Source.ts"

/** The batch duration of every program. */
export const batchMillis = 1000

export interface Draw {
  readonly executors: number
  readonly sources: ReadonlyArray<
    { readonly form: StoreForm; readonly level: StorageLevel; readonly burst: number; readonly gapMillis: number }
  >
  readonly dice: Dice
  readonly settings: SettingsInput & {
    readonly concurrentJobs: number
    readonly defaultParallelism: number
    readonly missedTicks: NonNullable<SettingsInput["missedTicks"]>
  }
  readonly preemption: number
  /** How long an output's own Effect may take. */
  readonly outputMillisMax: number
  readonly faults: FaultPlan
}

/** Most states are worth comparing only while nothing is lost. */
const replicatedLevels = storageLevels.filter(isReplicated)

export function draw(chance: Chance, program: ReferenceProgram): Draw {
  const sources = Array.from({ length: chance.between(1, program.sourcesMax) }, () => ({
    form: chance.pick(storeForms),
    level: chance.pick(program.keepsState === true && chance.coin(0.8) ? replicatedLevels : storageLevels),
    burst: chance.between(1, 6),
    gapMillis: chance.between(50, 500)
  }))
  const spills = !sources.some(({ level }) => placeOf(level) === "MEMORY_ONLY") && chance.coin(0.5)
  return {
    executors: chance.between(program.keepsState === true && chance.coin(0.7) ? 2 : 1, 3),
    sources,
    dice: {
      batchMillis,
      partitions: chance.between(1, 4),
      effectMillis: chance.between(1, 40),
      concurrency: chance.between(1, 3),
      windowBatches: chance.between(1, 6),
      slideBatches: chance.between(1, 3),
      checkpointBatches: chance.between(2, 4)
    },
    settings: {
      concurrentJobs: chance.between(1, 3),
      defaultParallelism: chance.between(1, 3),
      blockInterval: chance.pick([100, 200, 400]),
      receiverRestartDelay: chance.pick([100, 2000]),
      codeGeneration: chance.coin(0.5),
      blockMemoryBytes: spills ? 3000 : undefined,
      onBlockLost: "ignore",
      missedTicks: chance.pick(["replay", "replay", "coalesce", "skip"]),
      gracefulStopTimeout: 120_000
    },
    preemption: chance.pick([0, 0.02, 0.1, 0.25]),
    outputMillisMax: chance.pick([0, 0, 100, 400]),
    faults: drawFaults(chance, program.keepsState === true)
  }
}
