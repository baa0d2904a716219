/**
 * A conformance vector: one recorded behaviour, as the files in `vectors/` hold it. `vectors/README.md` describes the format.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Whatever JSON holds: vectors are read by the adapter of their kind. */
export type Json = any

export interface Vector {
  readonly id: string
  readonly kind: string
  readonly [field: string]: Json
}

export interface VectorFile {
  readonly area: string
  readonly vectors: ReadonlyArray<Vector>
}

/** Which part of a vector no adapter knows; such a vector fails. */
export class UnknownWord extends Error {
  constructor(what: string, word: unknown) {
    super(`unknown ${what} ${typeof word === "string" ? `"${word}"` : JSON.stringify(word)}`)
  }
}

/** A known word that needs a capability which comes later. */
export class NotYet extends Error {
  readonly capability: string
  constructor(capability: string) {
    super(`not yet: ${capability}`)
    this.capability = capability
  }
}

/** What a vector or one of its steps held and should not have, or the other way round. */
export class Mismatch extends Error {
  readonly expected: unknown
  readonly actual: unknown
  constructor(where: string, expected: unknown, actual: unknown) {
    super(where)
    this.expected = expected
    this.actual = actual
  }
}

/** Looks a word up in a table of adapters. */
export const known = <A>(what: string, table: Readonly<Record<string, A>>, word: string): A => {
  if (typeof word !== "string" || !Object.hasOwn(table, word)) throw new UnknownWord(what, word)
  return table[word]!
}

/** All fields of an entry have to be known: one that is passed over would pass for met. */
export const onlyFields = (what: string, entry: Json, fields: ReadonlyArray<string>): void => {
  for (const field of Object.keys(entry)) if (!fields.includes(field)) throw new UnknownWord(`field of ${what}`, field)
}

/** The vector files of a directory, in order of name. Files without vectors (settings, vocabulary) are passed over. */
export const readVectorFiles = (directory: string): ReadonlyArray<VectorFile> =>
  readdirSync(directory).filter((name) => name.endsWith(".json")).sort().flatMap((name) => {
    const content = JSON.parse(readFileSync(join(directory, name), "utf8"))
    return Array.isArray(content.vectors) ? [{ area: String(content.area), vectors: content.vectors }] : []
  })
