/**
 * The tables beside the vectors: which test meets a vector in words, and where the project differs on purpose.
 * Each is a table of a Markdown file; its first column is the id of a vector.
 */
import { readFileSync } from "node:fs"

export type Row = ReadonlyArray<string>

const here = new URL("./", import.meta.url)

const cellsOf = (line: string): Row => line.split("|").slice(1, -1).map((cell) => cell.trim().replace(/^`(.*)`$/, "$1"))

/** The rows of all tables of a file, without their heads. */
export const rowsOf = (file: string): ReadonlyArray<Row> =>
  readFileSync(new URL(file, here), "utf8").split("\n").filter((line) => line.startsWith("|")).map(cellsOf)
    .filter(([id]) => id!.includes("/"))

export interface Behaviour {
  readonly file: string
  readonly test: string
}

/** By vector: the tests that meet it together; the file `not yet` stands before a capability that it waits for. */
export const behaviours = (): ReadonlyMap<string, ReadonlyArray<Behaviour>> => {
  const tests = new Map<string, Array<Behaviour>>()
  for (const [id, file, test] of rowsOf("behaviours.md")) {
    tests.set(id!, [...tests.get(id!) ?? [], { file: file!, test: test! }])
  }
  return tests
}

export interface Deviation {
  /** The section of the design it follows from, or empty. */
  readonly section: string
  readonly reason: string
}

/** By vector: why the project differs. */
export const deviations = (): ReadonlyMap<string, Deviation> =>
  new Map(rowsOf("deviations.md").map(([id, section, reason]) => [id!, { section: section!, reason: reason! }]))
