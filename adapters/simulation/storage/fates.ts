/**
 * What a crash leaves of appends that were not synced: one of the fates, drawn by their weights.
 */
import type { Fate } from "../../../runtime/storage/memoryStorage.ts"
import type { Chance } from "../kernel/Chance.ts"
import { type FateKind, fateKinds, type FateWeights } from "./StorageFaults.ts"

const sectorBytes = 512

export const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const noise = (chance: Chance, length: number): Uint8Array => Uint8Array.from({ length }, () => chance.below(256))

type Leave = (chance: Chance, unsynced: ReadonlyArray<Uint8Array>) => Uint8Array

const leave: Readonly<Record<FateKind, Leave>> = {
  lost: () => new Uint8Array(0),
  whole: (_, unsynced) => joined(unsynced),
  torn: (chance, unsynced) => {
    const whole = joined(unsynced)
    return whole.subarray(0, chance.below(whole.length + 1))
  },
  reordered: (chance, unsynced) =>
    joined(unsynced.map((part) => chance.coin(0.5) ? part : new Uint8Array(part.length))),
  halfSynced: (chance, unsynced) => {
    const whole = joined(unsynced)
    for (let at = 0; at < whole.length; at += sectorBytes) if (chance.coin(0.5)) whole.fill(0, at, at + sectorBytes)
    return whole
  },
  garbage: (chance, unsynced) => {
    const whole = joined(unsynced)
    const from = chance.below(whole.length + 1)
    whole.set(noise(chance, Math.min(whole.length - from, sectorBytes)), from)
    return whole
  }
}

const pickFate = (chance: Chance, weights: FateWeights): FateKind => {
  let left = chance.below(fateKinds.reduce((sum, kind) => sum + weights[kind], 0))
  return fateKinds.find((kind) => (left -= weights[kind]) < 0) ?? "lost"
}

/** `told` hears what became of each file that had something to lose. */
export const drawnFate =
  (chance: Chance, weights: FateWeights, told: (fate: FateKind, name: string) => void): Fate => (name, unsynced) => {
    const fate = pickFate(chance, weights)
    told(fate, name)
    return leave[fate](chance, unsynced)
  }

/** Some of an append's bytes, as a write that fails leaves them. */
export const tornBytes = (chance: Chance, bytes: Uint8Array): Uint8Array => {
  const kind = chance.pick(["lost", "torn", "torn", "halfSynced", "garbage", "whole"] as const)
  return leave[kind](chance, [bytes])
}
