/**
 * storageName: which names StableStorage takes. Every making asks here before it does anything, so that a name that one of them
 * could not bear is refused by all, and none leads out of its place.
 */
import { StorageError } from "./StableStorage.ts"

/** What object stores allow. */
export const nameLengthMax = 1024
/** What common file systems allow. */
export const partLengthMax = 255

const part = /^[A-Za-z0-9_%-][A-Za-z0-9._%-]*$/

const mistakeOf = (name: string): string | undefined => {
  if (name.length > nameLengthMax) return `has ${name.length} characters, more than ${nameLengthMax}`
  for (const one of name.split("/")) {
    if (one.length > partLengthMax) return `has a part of ${one.length} characters, more than ${partLengthMax}`
    if (!part.test(one)) return `has the part ${JSON.stringify(one)}: take nameOf for parts that may be any text`
  }
  return undefined
}

/** undefined: it is one. */
export const invalidName = (name: string): StorageError | undefined => {
  const mistake = mistakeOf(name)
  const shown = name.length > 200 ? `${name.slice(0, 200)}...` : name
  return mistake === undefined
    ? undefined
    : new StorageError({ reason: "Invalid", name: shown, message: `"${shown}" is no name for storage: it ${mistake}` })
}

/** A range whose numbers make no sense, as they may come from a damaged file. */
export const invalidRange = (
  name: string,
  range: { readonly offset: number; readonly length: number } | undefined
): StorageError | undefined => {
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0
  if (range === undefined || (isCount(range.offset) && isCount(range.length))) return undefined
  return new StorageError({
    reason: "Invalid",
    name,
    message: `${name} cannot be read from ${range.offset} on for ${range.length} bytes: offset and length are counts`
  })
}
