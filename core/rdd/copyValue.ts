/**
 * copyValue: a copy of a combined value, so that a merge may change its first argument while what others may still
 * read stays.
 *
 * Arrays, plain objects, Maps, Sets and typed arrays are copied, however deep; everything else (primitives,
 * functions, instances of classes) is handed on as it is: a combiner over instances has to merge without changing
 * them.
 */

export const copyValue = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(copyValue)
  if (value instanceof Map) return new Map(Array.from(value, ([key, one]) => [copyValue(key), copyValue(one)]))
  if (value instanceof Set) return new Set(Array.from(value, copyValue))
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return (value as Uint8Array).slice()
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  const copy: Record<string, unknown> = Object.create(prototype as object | null)
  for (const [key, one] of Object.entries(value)) {
    // defined, not assigned: a key of a user's may be called __proto__
    Object.defineProperty(copy, key, { value: copyValue(one), writable: true, enumerable: true, configurable: true })
  }
  return copy
}

/**
 * What a combination of values begins with: `made` from `value`. Where that is the value itself, it is copied: it belongs to a
 * record that others may read, and merges may change it.
 */
export const owned = (made: unknown, value: unknown): unknown =>
  made === value && typeof made === "object" ? copyValue(made) : made

/** A column of values that may be changed; the same array where there is nothing that could be. */
export const copyColumn = (values: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  values.some((value) => typeof value === "object" && value !== null) ? values.map(copyValue) : values
