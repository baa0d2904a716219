/**
 * Print: how a batch looks on the console, as Spark's `print` shows it.
 */
import type { Time } from "../time/Time.ts"

const rule = "-".repeat(43)

/** A record: text as it is, tuples as `(a,b)`, other objects as JSON. */
export const formatRecord = (record: unknown): string => {
  if (typeof record === "string") return record
  if (Array.isArray(record)) return `(${record.map(formatRecord).join(",")})`
  if (typeof record === "object" && record !== null) return formatObject(record)
  return String(record)
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

/** The first `limit` of the records under the batch's time; `...` says that there are more. */
export const formatBatch = (time: Time, records: ReadonlyArray<unknown>, limit: number): string =>
  [
    rule,
    `Time: ${time} ms`,
    rule,
    ...records.slice(0, limit).map(formatRecord),
    ...(records.length > limit ? ["..."] : []),
    ""
  ].join("\n")
