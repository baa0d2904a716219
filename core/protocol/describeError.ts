/**
 * A sentence for any error, as people see it: a tag or a name, and the message; where there is no message, what it holds, as
 * JSON within limits; then what it was caused by, and that in turn, as far as it says more. Whatever was thrown, this does not
 * throw.
 */

/** Longest form of what an error without a message holds. */
const fieldsCharactersMax = 1000
/** Values of it that are looked at. */
const valuesMax = 100

/** Causes that are told: they may go round. */
const causesMax = 10

export const describeError = (error: unknown): string => withCauses(textOf(error), error)

/** What was said of an error, with its causes in the first line, but those that it names already. */
export const withCauses = (text: string, error: unknown): string => {
  try {
    const [first, ...rest] = text.split("\n")
    let told = first!
    for (let cause = causeOf(error), n = 0; cause !== undefined && n < causesMax; cause = causeOf(cause), n++) {
      if (!text.includes(messageIn(cause)) && !told.includes(messageIn(cause))) {
        told += `; caused by ${firstLine(textOf(cause))}`
      }
    }
    return [told, ...rest].join("\n")
  } catch {
    return text
  }
}

const causeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "cause" in error ? error.cause ?? undefined : undefined

const firstLine = (text: string): string => text.split("\n", 1)[0]!

/** What it says without its title: others may have said it under their own. */
const messageIn = (error: unknown): string =>
  firstLine(error instanceof Error && error.message !== "" ? error.message : textOf(error))

const textOf = (error: unknown): string => {
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
  if (error instanceof AggregateError) {
    const all = error.errors.slice(0, causesMax).map(textOf).join(", ")
    return error.message === "" ? all : `${title}: ${error.message} (${all})`
  }
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
    // causes are told by themselves
    const { _tag, name: _name, cause: _cause, ...fields } = error as Readonly<Record<string, unknown>>
    const text = JSON.stringify(Array.isArray(error) ? error : fields, bounded)
    return text.length > fieldsCharactersMax ? `${text.slice(0, fieldsCharactersMax)}...` : text
  } catch {
    return undefined
  }
}
