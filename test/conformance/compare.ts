/**
 * What is equal to what: batches as lists or multisets, observations of a step, errors by category.
 */
import { isDeepStrictEqual } from "node:util"
import { type Json, Mismatch, UnknownWord } from "./Vector.ts"

/** JSON has no undefined: what is absent is null. */
const plain = (value: unknown): unknown => {
  if (value === undefined) return null
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

const textOf = (value: unknown): string => JSON.stringify(value)

const sorted = (values: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  values.toSorted((a, b) => textOf(a) < textOf(b) ? -1 : textOf(a) > textOf(b) ? 1 : 0)

export interface Order {
  /** false: the elements of a batch are a multiset. */
  readonly ordered?: boolean
  /** false: the lists inside pairs are multisets too. */
  readonly groupsOrdered?: boolean
}

const sortGroups = (element: Json): Json =>
  Array.isArray(element) && Array.isArray(element[1]) ? [element[0], sorted(element[1])] : element

const batchForm = (batch: Json, { groupsOrdered = true, ordered = true }: Order): Json => {
  if (!Array.isArray(batch)) return batch
  const elements = groupsOrdered ? batch : batch.map(sortGroups)
  return ordered ? elements : sorted(elements)
}

/** Compares batch by batch; the order of batches always matters. */
export const sameBatches = (where: string, expected: Json, actual: ReadonlyArray<unknown>, order: Order): void => {
  const form = (batches: Json) => batches.map((batch: Json) => batchForm(batch, order))
  const made = plain(actual)
  if (!isDeepStrictEqual(form(expected), form(made))) throw new Mismatch(where, expected, made)
}

export const same = (where: string, expected: Json, actual: unknown, tolerance?: number): void => {
  const made = plain(actual)
  const close = tolerance !== undefined && typeof expected === "number" && typeof made === "number" &&
    Math.abs(expected - made) <= tolerance * Math.max(1, Math.abs(expected))
  if (!close && !isDeepStrictEqual(expected, made)) throw new Mismatch(where, expected, made)
}

export const sameSet = (where: string, expected: Json, actual: ReadonlyArray<unknown>): void =>
  same(where, sorted(expected), sorted(plain(actual) as ReadonlyArray<unknown>))

/** Spark's categories, by our errors. */
const categories: Readonly<Record<string, ReadonlyArray<string>>> = {
  "invalid-argument": [
    "InvalidApp",
    "InvalidRateEstimator",
    "InvalidInputInfo",
    "InvalidSetting",
    "InvalidStateUse",
    "RangeError"
  ],
  "illegal-state": ["IllegalState", "InputInfoReportedTwice", "LogError/Closed"],
  "engine-error": [
    "LineageError",
    "JobFailed",
    "PlanningFailed",
    "StoreError",
    "SliceError",
    "BlockError",
    "NoUsableCheckpoint"
  ],
  unsupported: ["Unsupported"],
  "not-serializable": ["NotPlainData"]
}

/** An error that has reasons counts by them too. */
const tagsOf = (error: Json): ReadonlyArray<string> => {
  const byReason = typeof error?.reason === "string" ? `${error._tag}/${error.reason}` : undefined
  return [error?._tag, error?.name, byReason].filter((tag) => tag !== undefined)
}

/** The call or run has to have failed with an error of the category. */
export const sameError = (where: string, category: string, error: unknown): void => {
  if (category !== "any" && !Object.hasOwn(categories, category)) throw new UnknownWord("error category", category)
  if (error === undefined) throw new Mismatch(where, `an error: ${category}`, "no error")
  if (category === "any" || tagsOf(error).some((tag) => categories[category]!.includes(tag))) return
  throw new Mismatch(where, `an error: ${category}`, `${tagsOf(error).join(" ")}: ${(error as Error).message}`)
}
