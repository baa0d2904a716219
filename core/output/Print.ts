/**
 * Print: how a batch looks on the console, as Spark's `print` shows it.
 */
import type { Time } from "../time/Time.ts"

const rule = "-".repeat(43)

/** Tuples nested deeper than this are cut: most likely they hold themselves. */
const nestingMax = 100

/** A record: text as it is, tuples as `(a,b)`, other objects as JSON. */
export const formatRecord = (record: unknown): string => format(record, 0)

const format = (record: unknown, depth: number): string => {
  if (typeof record === "string") return record
  if (Array.isArray(record)) return formatTuple(record, depth)
  if (typeof record === "object" && record !== null) return formatObject(record)
  return String(record)
}

const formatTuple = (tuple: ReadonlyArray<unknown>, depth: number): string => {
  if (depth === nestingMax) return "(...)"
  let text = ""
  for (let i = 0; i < tuple.length; i++) text += (i === 0 ? "" : ",") + format(tuple[i], depth + 1)
  return `(${text})`
}

/** Never throws: a record that has no JSON shall not fail the batch that prints it. */
const formatObject = (record: object): string => {
  try {
    return JSON.stringify(record, (_, part) => {
      if (typeof part === "bigint") return String(part)
      return part instanceof Map || part instanceof Set ? [...part] : part
    }) ?? "undefined"
  } catch {
    return Object.prototype.toString.call(record)
  }
}

/** The first `limit` of the records under the batch's time, and the output's name if it has one; `...` says that there are more. */
export const formatBatch = (time: Time, records: ReadonlyArray<unknown>, limit: number, name?: string): string =>
  [
    rule,
    `Time: ${time} ms${name === undefined ? "" : ` (${name})`}`,
    rule,
    ...records.slice(0, limit).map(formatRecord),
    ...(records.length > limit ? ["..."] : []),
    ""
  ].join("\n")
