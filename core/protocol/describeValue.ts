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
