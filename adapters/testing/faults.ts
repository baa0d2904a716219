/**
 * faults: what `simulate` lets go wrong. All of it is survived by a program that keeps to what the docs ask for.
 */
import type { FaultKind } from "../simulation/faults/FaultPlan.ts"

/** Faults of any program. */
const ofAll = [
  "executorCrash",
  "executorPause",
  "executorZombie",
  "driverPause",
  "partition",
  "clockStep",
  "messageDelay",
  "messageDuplicate",
  "messageLoss",
  "messageReorder",
  "slowTask",
  "earlyTimer",
  "clockDrift"
] as const satisfies ReadonlyArray<FaultKind>

/** Of programs with a state. */
const ofState = [
  "crashInStep",
  "crashAfterStep",
  "crashInSnapshot",
  "snapshotFailure",
  "snapshotDelay",
  "snapshotDamage"
] as const satisfies ReadonlyArray<FaultKind>

/** Of programs with a checkpoint directory, and of their calls of what is outside. */
const ofRecovery = [
  "driverCrash",
  "crashAtCall",
  "twoDrivers",
  "crashInRecovery",
  "sinkFailsBefore",
  "sinkFailsAfter",
  "sinkHangs",
  "storage.slow",
  "storage.refused",
  "storage.unacknowledged",
  "storage.tornAppend",
  "storage.full",
  "storage.readError",
  "storage.shortRead",
  "storage.staleList",
  "storage.lateName",
  "storage.removalUndone"
] as const satisfies ReadonlyArray<FaultKind>

export type SimulatedFault = (typeof ofAll | typeof ofState | typeof ofRecovery)[number]

export const simulatedFaults: ReadonlyArray<SimulatedFault> = [...ofAll, ...ofState, ...ofRecovery]
