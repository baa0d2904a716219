/**
 * KeyOrder: the order of keys that a sort uses unless it is told another; a function of the keys alone, the same in every process.
 *
 * null < booleans (false first) < numbers and bigints by value, NaN after all others < strings by UTF-16 code units < tuples,
 * element by element, the shorter first where one begins the other < plain records, as tuples of their names and values, by name.
 * Keys that `KeyHash` calls the same are equal here; so are 1 and 1n.
 */
import { Schema } from "effect"
import { describeValue } from "../../protocol/describeValue.ts"
import { keyDepthMax } from "../KeyHash.ts"

/** A value has no place in the order of keys. */
export class UnorderedKey extends Schema.TaggedError<UnorderedKey>()("UnorderedKey", {
  message: Schema.String
}) {}

/** Negative: `a` comes before `b`. Throws `UnorderedKey`. */
export const compareKeys = (a: unknown, b: unknown): number => compare(a, b, 0)

const compare = (a: unknown, b: unknown, depth: number): number => {
  const rank = rankOf(a, depth)
  const difference = rank - rankOf(b, depth)
  if (difference !== 0) return difference
  switch (rank) {
    case ranks.null:
      return 0
    case ranks.number:
      return compareNumbers(a as number, b as number)
    case ranks.tuple:
      return compareTuples(a as ReadonlyArray<unknown>, b as ReadonlyArray<unknown>, depth + 1)
    case ranks.record:
      return compareTuples(namesAndValues(a as object), namesAndValues(b as object), depth + 1)
    default:
      return (a as string) < (b as string) ? -1 : (a as string) > (b as string) ? 1 : 0
  }
}

const ranks = { null: 0, boolean: 1, number: 2, string: 3, tuple: 4, record: 5 }

const rankOf = (key: unknown, depth: number): number => {
  switch (typeof key) {
    case "boolean":
      return ranks.boolean
    case "number":
    case "bigint":
      return ranks.number
    case "string":
      return ranks.string
    case "object":
      if (key === null) return ranks.null
      if (depth >= keyDepthMax) break
      if (Array.isArray(key)) return ranks.tuple
      if (isPlain(key)) return ranks.record
  }
  throw new UnorderedKey({
    message:
      `The key to sort by is (or holds) ${describeValue(key)}${
        depth >= keyDepthMax ? `, nested deeper than ${keyDepthMax} levels` : ""
      }, which has no place in the order of keys: null, booleans, numbers and bigints, strings, tuples and plain records of ` +
      "these. Sort by such a value, or give `compare`"
  })
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/** Numbers and bigints compare exactly with one another; what is neither less, more nor equal is NaN. */
const compareNumbers = (a: number, b: number): number => {
  if (a < b) return -1
  if (a > b) return 1
  return Number(a !== a) - Number(b !== b)
}

const compareTuples = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>, depth: number): number => {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const difference = compare(a[i], b[i], depth)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

const namesAndValues = (record: object): ReadonlyArray<unknown> =>
  Object.keys(record).sort().flatMap((name) => [name, (record as Record<string, unknown>)[name]])
