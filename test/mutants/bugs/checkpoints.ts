/**
 * Bugs of checkpoints: which is written when, what is deleted behind it, what runs again after a recovery.
 */
import * as batches from "../../../adapters/simulation/invariants/batches.ts"
import * as places from "../../../adapters/simulation/invariants/places.ts"
import type { Mutant } from "../Mutant.ts"

const batchGeneration = "runtime/driver/BatchGeneration.ts"
const checkpointWriter = "runtime/driver/checkpoint/CheckpointWriter.ts"

export const checkpoints: ReadonlyArray<Mutant> = [
  {
    number: 6,
    knownAs: "SPARK-11740",
    plants:
      "checkpoints are numbered by their batch, so that one that is written late for an old batch counts for less",
    edits: [{
      file: checkpointWriter,
      find: "const header = { run, sequence, time,",
      replace: `
    const batch = Math.floor((time - run.zeroTime) / run.manifest.batchMillis)
    sequence = batch * 10_000 + sequence % 10_000
    const header = { run, sequence, time,`
    }],
    program: "relay",
    caughtBy: [places.checkpointsGrow.name]
  },
  {
    number: 7,
    knownAs: "SPARK-6222",
    plants: "a checkpoint counts, and what the ones before it refer to is deleted, before it is durable",
    edits: [
      {
        file: checkpointWriter,
        find: "const created = yield* Effect.result(storage.create(name, bytes))",
        replace: `
    cleaner.written(one)
    const created = yield* Effect.result(storage.create(name, bytes))`
      },
      {
        file: checkpointWriter,
        find: `
    cleaner.written(one)
    post(`,
        replace: "post("
      }
    ],
    program: "relay",
    caughtBy: [places.referredStays.name]
  },
  {
    number: 8,
    knownAs: "SPARK-12122",
    plants: "the last batch before a recovery is among the batches to run again, and among the ticks to come",
    edits: [{
      file: "core/scheduling/JobGenerator.ts",
      find: `{ ...state, phase: "Running", zeroTime, cursor: after,`,
      replace: `{ ...state, phase: "Running", zeroTime, cursor: again.includes(after) ? after - batchMillis : after,`
    }],
    program: "relay",
    // The counts of inputs meet it first.
    caughtBy: [batches.submittedOnce.name, "reported a second time for the batch"]
  },
  {
    number: 15,
    knownAs: "SPARK-24453",
    plants: "a batch that is to run again is planned anew where nothing had been received for it",
    edits: [
      {
        file: batchGeneration,
        find: "if (known !== undefined) return known",
        replace:
          `if (known?.inputs.some(({ partitions }) => partitions.some(({ kind }) => kind === "block"))) return known`
      },
      {
        file: batchGeneration,
        find: "const plan = planOf(time, yield* receivers.allocateBlocksToBatch(time, asked), asked)",
        replace: `
    const anew = known === undefined ? asked : { ...known, inputs: asked.inputs, sideValues: asked.sideValues }
    const plan = planOf(time, yield* receivers.allocateBlocksToBatch(time, anew), anew)`
      },
      {
        file: "core/dstream/GeneratedRDDs.ts",
        find: "if (this.batches.has(plan.time)) return",
        replace: ""
      }
    ],
    program: "relay",
    caughtBy: [batches.sameContent.name]
  }
]
