/**
 * A sentence for any error, as people see it: a tag or a name, and the message; where there is no message, what it holds, as
 * JSON within limits. Whatever was thrown, this does not throw.
 */

/** Longest form of what an error without a message holds. */
const fieldsCharactersMax = 1000
/** Values of it that are looked at. */
const valuesMax = 100

export const describeError = (error: unknown): string => {
  try {
    return typeof error === "object" && error !== null ? describeObject(error) : String(error)
  } catch {
    return "an error without a text"
  }
}

const describeObject = (error: object): string => {
  const { _tag, name, message } = error as {
    readonly _tag?: unknown
    readonly name?: unknown
    readonly message?: unknown
  }
  const title = typeof _tag === "string" ? _tag : typeof name === "string" ? name : undefined
  if (typeof message === "string" && message !== "") return `${title ?? "Error"}: ${message}`
  const fields = fieldsOf(error)
  if (title === undefined) return fields === undefined || fields === "{}" ? kindOf(error) : fields
  return fields === undefined || fields === "{}" ? title : `${title}: ${fields}`
}

const kindOf = (error: object): string => Object.prototype.toString.call(error).slice("[object ".length, -1)

/** The fields of an object besides its title, as JSON; undefined: they have no such form. */
const fieldsOf = (error: object): string | undefined => {
  let seen = 0
  const bounded = (key: string, value: unknown): unknown => {
    if (++seen > valuesMax) return undefined
    if (typeof value === "bigint") return `${value}n`
    if (typeof value === "string") return value.slice(0, fieldsCharactersMax)
    if (Array.isArray(value) && value.length > valuesMax) return value.slice(0, valuesMax)
    return value === error && key !== "" ? "itself" : value
  }
  try {
    const { _tag, name: _, ...fields } = error as { readonly _tag?: unknown; readonly name?: unknown }
    const text = JSON.stringify(Array.isArray(error) ? error : fields, bounded)
    return text.length > fieldsCharactersMax ? `${text.slice(0, fieldsCharactersMax)}...` : text
  } catch {
    return undefined
  }
}
