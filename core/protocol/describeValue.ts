/**
 * A few words for any value that stands where it should not: how messages say what a user wrote or returned instead.
 */
export const describeValue = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(shortened(value))
  if (typeof value === "bigint") return `${value}n`
  if (typeof value === "function") return value.name === "" ? "a function" : `a function (${value.name})`
  if (typeof value !== "object" || value === null) return String(value)
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array"
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1)
  return kind === "Object" ? "an object" : /^[AEIO]/.test(kind) ? `an ${kind}` : `a ${kind}`
}

const charactersMax = 60

const shortened = (text: string) => text.length > charactersMax ? `${text.slice(0, charactersMax)}...` : text

const recordCharactersMax = 100
/** Values within a record that are looked at. */
const recordValuesMax = 50

/** A record as JSON, shortened: its beginning, for people to know it by. Does not throw. */
export const describeRecord = (record: unknown): string => {
  const text = jsonOf(record) ?? describeValue(record)
  return text.length > recordCharactersMax ? `${text.slice(0, recordCharactersMax)}...` : text
}

const jsonOf = (record: unknown): string | undefined => {
  let seen = 0
  const bounded = (_key: string, value: unknown): unknown => {
    if (++seen > recordValuesMax) return undefined
    if (typeof value === "string") return value.slice(0, recordCharactersMax)
    if (typeof value !== "object" || value === null) return isJson(value) ? value : describeValue(value)
    if (Array.isArray(value)) return value.slice(0, recordValuesMax)
    return Object.prototype.toString.call(value) === "[object Object]" ? value : describeValue(value)
  }
  try {
    return typeof record === "object" || typeof record === "string" ? JSON.stringify(record, bounded) : undefined
  } catch {
    return undefined
  }
}

const isJson = (value: unknown): boolean => value === null || typeof value === "number" || typeof value === "boolean"
