/**
 * drawFaults: which faults a seed has, and how many of each.
 */
import type { Chance } from "../kernel/Chance.ts"
import { drawStorageFaults, faultClass, storageFaultKinds } from "../storage/StorageFaults.ts"
import {
  type FaultKind,
  type FaultPlan,
  momentKinds,
  moments,
  noFaults,
  ofStorage,
  type Part,
  partOf,
  rateKinds,
  rates
} from "./FaultPlan.ts"

/** How many milliseconds a fault may cost a message or a task on average: a run that is slower than its batches come proves little. */
const costMillisMax = { messageDelay: 4, messageLoss: 4, slowTask: 6 }

/** Faults that are there only beside others. */
const needs: Partial<Record<FaultKind, FaultKind>> = {
  // A snapshot is read only after a loss.
  snapshotDamage: "crashAfterStep",
  crashInRecovery: "driverCrash"
}

/**
 * Between three and six kinds of fault that any program may have, up to four of each part besides; a crash of what recovers. Only
 * kinds that are `allowed`.
 */
export function drawFaults(
  chance: Chance,
  parts: ReadonlySet<Part>,
  allowed: (kind: FaultKind) => boolean = () => true
): FaultPlan {
  const drawable = [...moments, ...rates].filter(allowed)
  const kinds = new Set<FaultKind>(
    chance.some(drawable.filter((kind) => partOf(kind) === undefined), chance.between(3, 6))
  )
  for (const part of parts) {
    for (const kind of chance.some(drawable.filter((kind) => partOf(kind) === part), chance.between(1, 4))) {
      kinds.add(kind)
    }
  }
  if (parts.has("recovery")) kinds.add("driverCrash")
  for (const kind of [...kinds]) if (needs[kind] !== undefined) kinds.add(needs[kind])
  for (const kind of kinds) if (!allowed(kind)) kinds.delete(kind)
  const delayMillisMax = chance.pick([20, 200, 2000])
  const slowTaskMillisMax = chance.pick([50, 500, 3000])
  const plan = {
    ...noFaults,
    moments: { ...noFaults.moments },
    rates: { ...noFaults.rates },
    delayMillisMax,
    pauseMillisMax: chance.pick([100, 1500, 4000]),
    slowTaskMillisMax
  }
  const detected = chance.coin(detectedShare)
  if (parts.has("recovery")) {
    const kinds = storageFaultKinds.filter((kind) =>
      allowed(ofStorage(kind)) && (detected || faultClass[kind] === "survived")
    )
    plan.storage = drawStorageFaults(chance, kinds)
  }
  for (const kind of moments) if (kinds.has(kind)) plan.moments[kind] = chance.between(1, momentKinds[kind].most)
  for (const kind of rates) if (kinds.has(kind)) plan.rates[kind] = rateKinds[kind].most * chance.between(2, 8) / 8
  plan.rates.messageDelay = Math.min(plan.rates.messageDelay, costMillisMax.messageDelay / delayMillisMax)
  plan.rates.messageLoss = Math.min(plan.rates.messageLoss, costMillisMax.messageLoss / resendMillis)
  plan.rates.slowTask = Math.min(plan.rates.slowTask, costMillisMax.slowTask / slowTaskMillisMax)
  return plan
}

/** In so many seeds storage may lose or change what was durable. */
const detectedShare = 0.1

/** A link sends again what was lost after about so long. */
export const resendMillis = 250
