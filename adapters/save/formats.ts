/**
 * formats: how the records of a partition stand in a file.
 *
 * | format | what | what it cannot give back, and therefore refuses |
 * | --- | --- | --- |
 * | text | a line per record, as `print` shows it | (it is for people: nothing is refused) |
 * | jsonl | a line of JSON per record | bigint, NaN and infinities, Date, bytes, Map, Set, instances of classes, functions |
 * | msgpack | records as MessagePack, one after the other, readable by any MessagePack library | Map, Set, instances of classes, functions, bigints beyond 64 bits |
 *
 * Both object formats refuse `undefined` but as a property, where it is as if it were not there.
 */
import { Packr } from "msgpackr"
import { formatRecord } from "../../core/output/Print.ts"
import { describeValue } from "../../core/protocol/describeValue.ts"

/** Bytes of a record in a file. Throws for a record that the format cannot give back. */
export type Encode = (record: unknown) => string | Uint8Array

export const text: Encode = (record) => `${formatRecord(record)}\n`

export const jsonl: Encode = (record) => {
  refuse(record, isJson, "JSON lines cannot give that back", `map it to what JSON has, or save with format: "msgpack"`)
  return `${JSON.stringify(record)}\n`
}

const packr = new Packr({ useRecords: false, mapsAsObjects: true })

export const msgpack: Encode = (record) => {
  refuse(record, isPackable, "MessagePack cannot give that back", "map it to plain data before it is saved")
  // The packer's buffer is used again for the next record.
  return Uint8Array.from(packr.pack(withoutUndefined(record)))
}

const isJson = (value: unknown): boolean =>
  typeof value === "string" || typeof value === "boolean" || value === null || Number.isFinite(value)

const isPackable = (value: unknown): boolean =>
  isJson(value) || typeof value === "number" || value instanceof Uint8Array || value instanceof Date ||
  (typeof value === "bigint" && value >= -(2n ** 63n) && value < 2n ** 64n)

/** Values nested deeper than this are refused: most likely they refer to themselves. */
const nestingMax = 500

/** Throws, with its path, for the first value that is neither a leaf of the format nor an array or a record of such. */
const refuse = (record: unknown, isLeaf: (value: unknown) => boolean, why: string, remedy: string): void => {
  const visit = (value: unknown, path: string, depth: number): void => {
    if (isLeaf(value)) return
    if (depth > nestingMax) {
      throw new TypeError(`a record is nested deeper than ${nestingMax} at its ${path.slice(0, 60)}`)
    }
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) visit(value[i], `${path}[${i}]`, depth + 1)
      return
    }
    if (!isRecord(value)) {
      const where = path === "" ? "a record is" : `a record's ${path.replace(/^\./, "")} is`
      throw new TypeError(`${where} ${describeValue(value)}: ${why}; ${remedy}`)
    }
    for (const key in value) if (value[key] !== undefined) visit(value[key], `${path}.${key}`, depth + 1)
  }
  visit(record, "", 0)
}

const isRecord = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null || "toJSON" in value) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** The same record; a copy only where there is something to leave out. */
const withoutUndefined = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const items = value.map(withoutUndefined)
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  if (!isRecord(value)) return value
  let changed = false
  const entries: Array<[string, unknown]> = []
  for (const [key, item] of Object.entries(value)) {
    const kept = withoutUndefined(item)
    changed ||= kept !== item || item === undefined
    if (item !== undefined) entries.push([key, kept])
  }
  return changed ? Object.fromEntries(entries) : value
}
