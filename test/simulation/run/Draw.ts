/**
 * Draw: what a seed decides besides the interleaving: settings, executors and receivers, the program's dice, the faults.
 */
import type { SettingsInput } from "../../../core/settings/Settings.ts"
import type { Survives } from "../../../core/receiving/Receiver.ts"
import { isReplicated, placeOf, type StorageLevel, storageLevels } from "../../../core/receiving/StorageLevel.ts"
import { drawFaults } from "../../../adapters/simulation/faults/drawFaults.ts"
import type { FaultPlan } from "../../../adapters/simulation/faults/FaultPlan.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import { type Dice, partsOf, type ReferenceProgram } from "../programs/ReferenceProgram.ts"
import type { Compression } from "../../../adapters/kafka/records/RecordBatch.ts"
import { type StoreForm, storeForms } from "../outside/SimulatedReceiver.ts"
import { type SinkForm, sinkForms } from "../outside/Target.ts"

/** The batch duration of every program. */
export const batchMillis = 1000

/** Of a program that reads a topic. */
export interface TopicDraw {
  readonly partitions: number
  readonly onLoss: "fail" | "skip"
  readonly maxRatePerPartition: number | undefined
  /** A range is cut into several tasks. */
  readonly minSplitRecords: number | undefined
  readonly maxFetchBytes: number
  readonly compression: Compression
}

export interface Draw {
  readonly executors: number
  readonly sources: ReadonlyArray<
    {
      readonly form: StoreForm
      readonly level: StorageLevel
      readonly burst: number
      readonly gapMillis: number
      readonly acknowledges: boolean
      readonly ranges: boolean
      readonly survives: Survives | undefined
    }
  >
  readonly dice: Dice
  readonly settings: SettingsInput & {
    readonly concurrentJobs: number
    readonly defaultParallelism: number
    readonly missedTicks: NonNullable<SettingsInput["missedTicks"]>
  }
  readonly sink: SinkForm
  readonly preemption: number
  /** How long an output's own Effect may take. */
  readonly outputMillisMax: number
  readonly faults: FaultPlan
  readonly topic: TopicDraw
}

/** Those that are in no log are lost with the driver. */
const recoveringWays: ReadonlyArray<Survives | undefined> = [
  undefined,
  undefined,
  "cold",
  "cold",
  "cold",
  "cold",
  "hot",
  "ignore"
]

/** Most states are worth comparing only while nothing is lost. */
const replicatedLevels = storageLevels.filter(isReplicated)

export function draw(chance: Chance, program: ReferenceProgram): Draw {
  const sources = Array.from({ length: program.sourcesMax === 0 ? 0 : chance.between(1, program.sourcesMax) }, () => {
    const form = chance.pick(storeForms)
    const acknowledges = form !== "single" && chance.coin(0.7)
    return {
      form,
      level: chance.pick(program.keepsState === true && chance.coin(0.8) ? replicatedLevels : storageLevels),
      burst: chance.between(1, 12),
      // Each call of `store` is a block, and each block a task of every stage: many more than these would only take long.
      gapMillis: chance.between(300, 1500),
      acknowledges,
      ranges: acknowledges && chance.coin(0.5),
      survives: program.recovers === true ? chance.pick(recoveringWays) : undefined
    }
  })
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
      gracefulStopTimeout: 120_000,
      // A task that waits for brokers takes long, and may stumble each time that it is tried.
      ...(program.writesTopics === undefined ? {} : { maxTaskFailures: 40 }),
      ...(program.recovers === true ? drawRecovery(chance) : {})
    },
    sink: chance.pick(sinkForms),
    preemption: chance.pick([0, 0.02, 0.1, 0.25]),
    outputMillisMax: chance.pick([0, 0, 100, 400]),
    ...drawOutside(chance, program)
  }
}

/** Most seeds have brokers that lose nothing: then the stream fails on any loss that it sees. */
const lossShare = 0.3

const drawOutside = (chance: Chance, program: ReferenceProgram): Pick<Draw, "faults" | "topic"> => {
  const parts = new Set(partsOf(program))
  if (parts.has("kafkaLoss") && !chance.coin(lossShare)) parts.delete("kafkaLoss")
  const faults = drawFaults(chance, parts)
  return {
    faults,
    topic: {
      partitions: chance.between(1, 4),
      onLoss: parts.has("kafkaLoss") && chance.coin(0.8) ? "skip" : "fail",
      maxRatePerPartition: chance.pick([undefined, undefined, 60, 200]),
      // A batch that comes late has many records, and each piece is a transaction.
      minSplitRecords: chance.pick([undefined, undefined, 12]),
      maxFetchBytes: chance.pick([150, 1000, 1 << 20]),
      compression: chance.pick(["none", "gzip", "zstd"])
    }
  }
}

const drawRecovery = (chance: Chance) => ({
  checkpointDirectory: "simulated disk",
  checkpointInterval: chance.pick([0, 0, 2500]),
  checkpointsKept: chance.between(2, 3),
  driverLogRollInterval: chance.pick([1500, 5000, 60_000]),
  receiverLogRollInterval: chance.pick([1500, 5000, 60_000])
})
