/**
 * insertion: the statements that put rows into a table, in bounded pieces: at most so many rows, parameters and bytes each.
 *
 * The rows of a piece are a power of two, so that a database sees at most ten different texts, which it can keep prepared. With a
 * key, a row takes the place of the one that has its key; of the rows of a batch that have one key, the last counts.
 */
import type { SqlRow } from "./rows.ts"
import type { Dialect, Parameter } from "./SqlTarget.ts"

const bytesPerStatementMax = 1 << 20

export interface Insertion {
  readonly statement: (rows: number) => string
  /** Most rows of a statement, a power of two. */
  readonly rowsMax: number
}

/** Rows from `start` up to `end`, not with it, by their place among all that are written. */
export interface Piece {
  readonly start: number
  readonly end: number
}

/** Quoted: taken as it is written. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A schema stands before a dot. */
export const quotedTable = (table: string): string => table.split(".").map(quoted).join(".")

export const intoTable = (
  dialect: Dialect,
  table: string,
  columns: ReadonlyArray<string>,
  key: ReadonlyArray<string> | undefined
): Insertion => {
  const width = columns.length
  const into = `INSERT INTO ${quotedTable(table)} (${columns.map(quoted).join(", ")}) VALUES `
  const conflict = key === undefined ? "" : onConflict(columns, key)
  const values = (row: number) =>
    `(${columns.map((_, column) => dialect.placeholder(row * width + column + 1)).join(", ")})`
  const texts = new Map<number, string>()
  return {
    rowsMax: powerOfTwoUpTo(Math.min(dialect.rowsPerStatement, Math.floor(dialect.parametersMax / width))),
    statement: (rows) => {
      const text = texts.get(rows) ?? into + Array.from({ length: rows }, (_, row) => values(row)).join(", ") + conflict
      texts.set(rows, text)
      return text
    }
  }
}

const onConflict = (columns: ReadonlyArray<string>, key: ReadonlyArray<string>): string => {
  const set = columns.filter((column) => !key.includes(column)).map(quoted).map((name) => `${name} = excluded.${name}`)
  return ` ON CONFLICT (${key.map(quoted).join(", ")}) DO ${
    set.length === 0 ? "NOTHING" : `UPDATE SET ${set.join(", ")}`
  }`
}

/** The user's own statement, once for each row. */
export const byStatement = (statement: string): Insertion => ({ rowsMax: 1, statement: () => statement })

const powerOfTwoUpTo = (count: number): number => 2 ** Math.floor(Math.log2(Math.max(1, count)))

export const piecesOf = (rows: ReadonlyArray<SqlRow>, rowsMax: number): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  for (let start = 0; start < rows.length;) {
    let count = powerOfTwoUpTo(Math.min(rowsMax, rows.length - start))
    while (count > 1 && bytesOf(rows, start, start + count) > bytesPerStatementMax) count /= 2
    pieces.push({ start, end: start + count })
    start += count
  }
  return pieces
}

const bytesOf = (rows: ReadonlyArray<SqlRow>, start: number, end: number): number => {
  let bytes = 0
  for (let i = start; i < end; i++) for (const value of rows[i]!) bytes += sizeOf(value)
  return bytes
}

const sizeOf = (value: Parameter): number => typeof value === "string" || value instanceof Uint8Array ? value.length : 8

/** Which rows of a batch are written, by their place: of those with one key the last. A row with a null in its key is alone. */
export const lastOfEachKey = (rows: ReadonlyArray<SqlRow>, key: ReadonlyArray<number>): ReadonlyArray<number> => {
  const last = new Map<string, number>()
  rows.forEach((row, index) => {
    const values = key.map((column) => row[column]!)
    const isAlone = values.some((value) => value === null)
    const text = isAlone ? `alone ${index}` : values.map(keyText).join(" ")
    // Where it comes last, for the order of writing.
    last.delete(text)
    last.set(text, index)
  })
  return [...last.values()]
}

/** Numbers and bigints are one kind, as for databases. */
const keyText = (value: Parameter): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (value instanceof Date) return `at ${value.getTime()}`
  return value instanceof Uint8Array ? `bytes ${value.join(",")}` : String(value)
}
