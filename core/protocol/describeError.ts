/**
 * A sentence for any error, as people see it: a tag or a name, and the message.
 */
export const describeError = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return String(error)
  const { _tag, name, message } = error as {
    readonly _tag?: unknown
    readonly name?: unknown
    readonly message?: unknown
  }
  const title = typeof _tag === "string" ? _tag : typeof name === "string" ? name : "Error"
  return typeof message === "string" && message !== "" ? `${title}: ${message}` : title
}
