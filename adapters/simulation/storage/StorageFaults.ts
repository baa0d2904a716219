/**
 * StorageFaults: all that storage can do to a program, in one record, and in which of the two classes of the museum each fault is.
 *
 * Survived: the results are those of a run without it. Detected: what was durable is gone or changed and there is no other copy; it is
 * never silent: the run stops or says which records it costs.
 */
import type { Chance } from "../kernel/Chance.ts"

/** How often each strikes: a probability per call that it can strike. */
export interface StorageFaultRates {
  /** The call takes up to `slowMillisMax`. */
  readonly slow: number
  /** Nothing is done, and the call fails; it may be asked again. */
  readonly refused: number
  /** All is done, durable, and yet the call fails. */
  readonly unacknowledged: number
  /** Some of an append's bytes are there, also with others in their place, and the call fails. */
  readonly tornAppend: number
  /** From now on, for `fullMillis`, nothing can be written; of an append some bytes may be. */
  readonly full: number
  /** A read, a list or a size fails. */
  readonly readError: number
  /** Of a file that is being appended to, a beginning is read, no shorter than what is durable. */
  readonly shortRead: number
  /** A list has names that were removed in the last `staleMillis`. */
  readonly staleList: number
  /** A new name does not show in lists for up to `staleMillis`. */
  readonly lateName: number
  /** A crash brings a name back that was removed before. */
  readonly removalUndone: number
  /** One bit of what was durable is another. */
  readonly flippedBit: number
  /** A sync, or a whole create, was acknowledged and was none: a crash may take what it wrote. */
  readonly lostSync: number
}

export type StorageFaultKind = keyof StorageFaultRates

/** What becomes, in a crash, of what was not synced or is under way. */
export interface FateWeights {
  /** Nothing is left of it. */
  readonly lost: number
  /** All is left of it. */
  readonly whole: number
  /** A beginning is left, cut at any byte. */
  readonly torn: number
  /** Of several appends any are left; where one is gone there are zeros: reordered before the sync. */
  readonly reordered: number
  /** Some sectors were written, the others hold zeros. */
  readonly halfSynced: number
  /** Bytes of something else stand in its place. */
  readonly garbage: number
}

export type FateKind = keyof FateWeights

export interface StoragePlan {
  readonly rates: StorageFaultRates
  readonly fates: FateWeights
  /** What a call takes without a fault, at most. */
  readonly usualMillis: number
  readonly slowMillisMax: number
  readonly fullMillis: number
  readonly staleMillis: number
}

export const faultClass: Readonly<Record<StorageFaultKind, "survived" | "detected">> = {
  slow: "survived",
  refused: "survived",
  unacknowledged: "survived",
  tornAppend: "survived",
  full: "survived",
  readError: "survived",
  shortRead: "survived",
  staleList: "survived",
  lateName: "survived",
  removalUndone: "survived",
  flippedBit: "detected",
  lostSync: "detected"
}

export const storageFaultKinds = Object.keys(faultClass) as ReadonlyArray<StorageFaultKind>

export const fateKinds: ReadonlyArray<FateKind> = ["lost", "whole", "torn", "reordered", "halfSynced", "garbage"]

const allOf = <K extends string, A>(names: ReadonlyArray<K>, value: (kind: K) => A): Record<K, A> =>
  Object.fromEntries(names.map((kind) => [kind, value(kind)])) as Record<K, A>

export const noStorageFaults: StoragePlan = {
  rates: allOf(storageFaultKinds, () => 0),
  fates: allOf(fateKinds, () => 1),
  usualMillis: 2,
  slowMillisMax: 0,
  fullMillis: 0,
  staleMillis: 0
}

const ratesMax: StorageFaultRates = {
  slow: 0.05,
  refused: 0.03,
  unacknowledged: 0.03,
  tornAppend: 0.03,
  full: 0.01,
  readError: 0.05,
  shortRead: 0.2,
  staleList: 0.3,
  lateName: 0.2,
  removalUndone: 0.2,
  flippedBit: 0.01,
  lostSync: 0.01
}

/** Those that are survived. */
const survived = storageFaultKinds.filter((kind) => faultClass[kind] === "survived")

/** Between two and six kinds of those that are allowed. */
export const drawStorageFaults = (
  chance: Chance,
  allowed: ReadonlyArray<StorageFaultKind> = survived
): StoragePlan => {
  const kinds = chance.some(allowed, chance.between(2, 6))
  return {
    rates: allOf(storageFaultKinds, (kind) => kinds.includes(kind) ? ratesMax[kind] * chance.between(2, 8) / 8 : 0),
    fates: allOf(fateKinds, () => chance.between(0, 3) + 1),
    usualMillis: chance.pick([0, 2, 6]),
    slowMillisMax: chance.pick([50, 500, 3000]),
    fullMillis: chance.pick([100, 700, 3000]),
    staleMillis: chance.pick([100, 2000, 20_000])
  }
}
