/**
 * `dstreams checkpoint show`: the drivers of a place, their checkpoints, and what the next driver would go on from.
 */
import { Effect, Result } from "effect"
import * as CheckpointFile from "../../../core/checkpoint/CheckpointFile.ts"
import type { Checkpoint } from "../../../core/checkpoint/Checkpoint.ts"
import { type DriverState, pendingOf } from "../../../core/checkpoint/DriverState.ts"
import * as names from "../../../core/checkpoint/names.ts"
import { counted } from "../../../core/checkpoint/RecoveryReport.ts"
import type { Reading } from "../../../runtime/driver/checkpoint/recover.ts"
import type { Findings } from "./inspect.ts"
import { readPlace } from "./readPlace.ts"

export const showCheckpoint = Effect.fnUntraced(function* (reading: Reading) {
  const { storage } = reading
  const { epochs, left } = yield* readPlace(reading)
  const { chosen: { checkpoint, name }, events, passedOver, state } = left
  const all = names.furthestFirst(yield* storage.list(names.epochs))
  const checkpoints = yield* Effect.forEach(all, (each) => described(reading, each.name, name.name))
  const findings: Findings = {
    lines: [
      `${storage.place}: ${counted(epochs.length, "driver")}, the last is number ${epochs.at(-1)}`,
      "",
      "Checkpoints, the furthest first:",
      ...checkpoints,
      "",
      `Of ${name.name}:`,
      ...fieldsOf(checkpoint),
      "",
      `The next driver goes on from it and ${counted(events, "event")} of the log after it:`,
      ...stateOf(state),
      ...passedOver.map(({ file, reason }) => `  passed over ${file}: ${reason}`)
    ],
    code: 0
  }
  return findings
})

const described = Effect.fnUntraced(function* ({ checksum, codec, storage }: Reading, name: string, chosen: string) {
  const bytes = yield* storage.read(name)
  if (bytes === undefined) return `  ${name}: gone`
  const decoded = CheckpointFile.decode(bytes, codec, checksum)
  if (Result.isFailure(decoded)) return `  ${name}: DAMAGED, ${decoded.failure}`
  const { time, written } = decoded.success
  const mark = name === chosen ? ", the one to go on from" : ""
  return `  ${name}: batch ${time} ms, written ${dateOf(written)}, ${bytes.byteLength} bytes${mark}`
})

const dateOf = (millis: number): string =>
  Number.isFinite(millis) && Math.abs(millis) < 8.64e15 ? new Date(millis).toISOString() : String(millis)

const fieldsOf = ({ run }: Checkpoint): ReadonlyArray<string> => [
  `  app           ${run.app}, batches of ${run.manifest.batchMillis} ms since ${run.zeroTime} ms (${
    dateOf(run.zeroTime)
  })`,
  `  driver        number ${run.epoch}, with ${counted(run.executors, "executor")} at its start${
    run.master === "" ? "" : ` (${run.master})`
  }`,
  `  program       ${run.program === "" ? "not known" : run.program}${
    run.codeFingerprint === "" ? "" : `, code ${run.codeFingerprint}`
  }`,
  `  partitions    ${String(run.settings["defaultParallelism"])} where the program does not say`,
  `  operators     ${run.manifest.operators.map(({ id, kind }) => id === kind ? id : `${id} (${kind})`).join(", ")}`,
  `  outputs       ${run.manifest.outputs.map(({ id }) => id).join(", ")}`
]

const stateOf = (state: DriverState): ReadonlyArray<string> => {
  const pending = pendingOf(state)
  const { lastBatch, waitingCount } = state.tracker
  return [
    `  last batch    ${lastBatch === undefined ? "none" : `${lastBatch} ms (${dateOf(lastBatch)})`}`,
    `  run again     ${pending.length === 0 ? "no batch" : `${pending.join(", ")} ms`}`,
    ...Array.from(
      state.ended,
      ([time, outputs]) => `                of ${time} ms without ${[...outputs.keys()].join(", ")}`
    ),
    `  blocks        ${waitingCount} wait for a batch`,
    ...Array.from(
      state.snapshots,
      ([operator, all]) => `  state         ${operator}: as of ${all.map(({ time }) => `${time} ms`).join(", ")}`
    )
  ]
}
