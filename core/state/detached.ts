/**
 * detached: a key that outlives its batch, without the text that it was cut from.
 *
 * Engines keep what was cut from a longer text as a view of that text (V8: from 13 code units on), so that a key of a hundred characters
 * can hold 32 KiB of records, or a file's whole block. Joined and cut once more it is a view of itself alone.
 */
const viewMin = 13

export const detached = (key: unknown): unknown => {
  if (typeof key === "string") return key.length < viewMin ? key : ` ${key}`.slice(1)
  if (typeof key !== "object" || key === null) return key
  if (Array.isArray(key)) return key.map(detached)
  const copy = Object.fromEntries(Object.entries(key).map(([name, value]) => [name, detached(value)]))
  return Object.getPrototypeOf(key) === null ? Object.setPrototypeOf(copy, null) : copy
}
