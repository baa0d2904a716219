/**
 * rows: what a sink's `row` makes of the records of a partition, looked at before it leaves the executor: as many values as there are
 * columns, each of which the database can hold. A value that it would change silently (NaN for SQLite) is refused.
 */
import { describeError } from "../../core/protocol/describeError.ts"
import { describeValue } from "../../core/protocol/describeValue.ts"
import { permanent } from "../../core/protocol/permanent.ts"
import { SqlSinkError } from "./SqlSinkError.ts"
import type { Dialect, Parameter } from "./SqlTarget.ts"

export type SqlRow = ReadonlyArray<Parameter>

export interface RowShape {
  readonly output: string
  readonly partition: number
  readonly dialect: Dialect
  /** Of the table; undefined: the statement knows. */
  readonly columns: ReadonlyArray<string> | undefined
}

/** Throws SqlSinkError for the first record of which there is no row. */
export const rowsOf = <A>(
  records: ReadonlyArray<A>,
  row: (record: A) => ReadonlyArray<Parameter>,
  shape: RowShape
): ReadonlyArray<SqlRow> => records.map((record, index) => rowOf(record, index, row, shape))

const rowOf = <A>(record: A, index: number, row: (record: A) => unknown, shape: RowShape): SqlRow => {
  let values: unknown
  try {
    values = row(record)
  } catch (error) {
    throw failed(shape, index, `row failed: ${describeError(error)}`)
  }
  const mistake = mistakeOf(values, shape)
  // It can only come again.
  if (mistake !== undefined) throw Object.assign(failed(shape, index, mistake), { [permanent]: true })
  return values as SqlRow
}

const failed = ({ output, partition }: RowShape, record: number, why: string): SqlSinkError =>
  new SqlSinkError({
    reason: "Row",
    row: { partition, record },
    message:
      `cannot make a row for output "${output}" at record ${record} of partition ${partition}, counted from 0: ${why}`
  })

const mistakeOf = (values: unknown, { columns, dialect }: RowShape): string | undefined => {
  if (!Array.isArray(values)) return `row gave ${describeValue(values)}; it has to give an array of values`
  if (columns !== undefined && values.length !== columns.length) {
    return `row gave ${values.length} values for ${columns.length} columns (${columns.join(", ")})`
  }
  if (values.length > dialect.parametersMax) {
    return `row gave ${values.length} values, and a statement of ${dialect.name} takes ${dialect.parametersMax}`
  }
  for (let i = 0; i < values.length; i++) {
    const why = isParameter(values[i]) ? dialect.unfit(values[i]) : unknownValue(values[i])
    if (why !== undefined) return `the value of ${columns === undefined ? `parameter ${i + 1}` : columns[i]} is ${why}`
  }
  return undefined
}

export const isParameter = (value: unknown): value is Parameter =>
  value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean" ||
  typeof value === "bigint" || value instanceof Uint8Array ||
  (value instanceof Date && !Number.isNaN(value.getTime()))

const unknownValue = (value: unknown): string => {
  if (value === undefined) return "undefined; write null where there is none"
  if (value instanceof Date) return "an invalid Date"
  return `${describeValue(value)}; values are null, booleans, numbers, bigints, texts, Dates and Uint8Arrays: ` +
    "for a column of JSON write JSON.stringify(value)"
}

/** What would become another text, or a part of it. */
export const unfitText = (value: Parameter): string | undefined => {
  if (typeof value !== "string") return undefined
  if (!value.isWellFormed()) {
    return "a text with half of a surrogate pair, which UTF-8 cannot hold; write value.toWellFormed()"
  }
  return value.includes("\0") ? "a text with a NUL character, which databases do not hold; take it out" : undefined
}
