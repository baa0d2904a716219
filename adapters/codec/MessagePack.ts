/**
 * MessagePack: the record codec of threads and of the simulation's borders.
 *
 * A message is a frame; a frame is a byte that names its form, then its data:
 *
 * | form | for | data |
 * | --- | --- | --- |
 * | plain | whatever the others are not for | length, MessagePack (`msgpackr`) |
 * | escaped | values that MessagePack would change | length, MessagePack of their escaped form (see `plainData`) |
 * | texts | long arrays of well-formed strings | count, lengths in UTF-16 units, UTF-8 text in chunks of about 4,096 units |
 * | integers, doubles | long arrays of numbers | count, the numbers |
 * | tuples | long arrays of arrays of one short length, as pairs are | count, length, frame of the first elements, ... |
 * | table | long arrays of records with the same few keys | count, number of keys, key, frame of its values, ... |
 * | array, record | short arrays and narrow records | count, (key,) frame, ... |
 * | text, integer, double | a well-formed string, a number of 32 bits, any other | UTF-8 text, the number |
 * | true, false, null, undefined | themselves | nothing |
 *
 * So the columns of a shuffle and the lines of a block travel as columns wherever they stand in the message, and the small messages
 * between driver and executors, all short records, are written here: `msgpackr`, which learns the shapes of records, takes three times
 * as long for what is so small. Texts are cut out of
 * chunks because a string that is cut out of a longer one keeps the longer one alive. A decoded value shares nothing with the
 * message, which may be reused. Damaged messages throw `DamagedData`, whoever made them: only plain data comes out of a message, of at
 * most so many places as it has bytes, nested no deeper than what may be encoded; nothing in it is evaluated.
 */
import { Packr } from "msgpackr"
import type { RecordCodec } from "../../core/protocol/RecordCodec.ts"
import { ByteReader, ByteWriter } from "./ByteWriter.ts"
import { Damage, DamagedData } from "./DamagedData.ts"
import { checkPacked, escapedNestingMax } from "./packedBounds.ts"
import { escape, inspect, nestingMax, rare, refusal, unescape } from "./plainData.ts"

const form = {
  plain: 1,
  escaped: 2,
  texts: 3,
  integers: 4,
  doubles: 5,
  tuples: 6,
  table: 7,
  array: 8,
  record: 9,
  text: 10,
  integer: 11,
  double: 12,
  true: 13,
  false: 14,
  null: 15,
  undefined: 16
} as const

/** Arrays from this length on are looked at as columns. */
const columnMin = 16
/** Records with more keys than this, and longer tuples, go to MessagePack as they are. */
const framedKeysMax = 16
/** Frames within frames, at most: below, everything is plain. */
const framesDeepMax = 5
const textChunkUnits = 4096

const packr = new Packr({ useRecords: true, moreTypes: true, structuredClone: false, useToJSON: false })
const writer = new ByteWriter()

const encode = (value: unknown): ArrayBuffer => {
  writer.start()
  try {
    writeFrame(value, 0)
  } catch (cause) {
    throw refusal(value) ?? cause
  }
  return writer.finish()
}

const decode = (bytes: ArrayBuffer): unknown => {
  const reader = new ByteReader(bytes)
  try {
    const value = readFrame(reader, 0)
    if (!reader.ended) throw new Damage("it goes on after its end")
    return value
  } catch (cause) {
    const reason = cause instanceof Damage ? cause.message : "this is nothing that was encoded here"
    throw DamagedData.at(reader.offset, bytes.byteLength, reason, cause)
  }
}

export const messagePack: RecordCodec = { encode, decode }

function writeFrame(value: unknown, depth: number): void {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) break
      writer.byte(form.text)
      return writer.text(value)
    case "number":
      return writeNumber(value)
    case "boolean":
      return writer.byte(value ? form.true : form.false)
    case "undefined":
      return writer.byte(form.undefined)
    case "object":
      if (value === null) return writer.byte(form.null)
      if (depth === framesDeepMax) break
      if (Array.isArray(value)) {
        if (value.length < columnMin) return writeShortArray(value, depth)
        if (writeColumn(value, depth)) return
      } else if (isNarrowRecord(value)) {
        return writeRecord(value, depth)
      }
  }
  writePacked(value)
}

function writeNumber(value: number): void {
  if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
    writer.byte(form.integer)
    writer.integer(value)
  } else {
    writer.byte(form.double)
    writer.double(value)
  }
}

function writePacked(value: unknown): void {
  const escaped = inspect(value) === rare
  const packed = packr.pack(escaped ? escape(value) : value)
  writer.byte(escaped ? form.escaped : form.plain)
  writer.length(packed.length)
  writer.raw(packed)
}

/** Answers false, having written nothing, for an array that is no column. */
function writeColumn(values: ReadonlyArray<unknown>, depth: number): boolean {
  const first = values[0]
  if (typeof first === "string") return writeTexts(values)
  if (typeof first === "number") return writeNumbers(values)
  if (typeof first !== "object" || first === null) return false
  return Array.isArray(first) ? writeTuples(values, first.length, depth) : writeTable(values, first, depth)
}

function writeTexts(values: ReadonlyArray<unknown>): boolean {
  const lengths = new Uint32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const text = values[i]
    if (typeof text !== "string" || !text.isWellFormed()) return false
    lengths[i] = text.length
  }
  writer.byte(form.texts)
  writer.length(values.length)
  writer.aligned(lengths)
  forEachChunk(lengths, (from, to) => writer.text((values as ReadonlyArray<string>).slice(from, to).join("")))
  return true
}

/** Cuts a column of texts into runs of about `textChunkUnits`: writer and reader agree by the lengths alone. */
function forEachChunk(lengths: Uint32Array, run: (from: number, to: number) => void): void {
  let from = 0
  let units = 0
  for (let i = 0; i < lengths.length; i++) {
    units += lengths[i]!
    if (units >= textChunkUnits) {
      run(from, i + 1)
      from = i + 1
      units = 0
    }
  }
  if (from < lengths.length) run(from, lengths.length)
}

function writeNumbers(values: ReadonlyArray<unknown>): boolean {
  let integers = true
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value !== "number") return false
    if (integers && !((value | 0) === value && (value !== 0 || 1 / value > 0))) integers = false
  }
  const column = integers ? new Int32Array(values.length) : new Float64Array(values.length)
  for (let i = 0; i < values.length; i++) column[i] = values[i] as number
  writer.byte(integers ? form.integers : form.doubles)
  writer.length(values.length)
  writer.aligned(column)
  return true
}

/** One column for each place of tuples that are all of the same length. */
function writeTuples(values: ReadonlyArray<unknown>, width: number, depth: number): boolean {
  if (width === 0 || width > framedKeysMax) return false
  for (let i = 0; i < values.length; i++) {
    const tuple = values[i]
    if (!Array.isArray(tuple) || tuple.length !== width) return false
  }
  writer.byte(form.tuples)
  writer.length(values.length)
  writer.length(width)
  for (let k = 0; k < width; k++) {
    const column = new Array<unknown>(values.length)
    for (let i = 0; i < values.length; i++) column[i] = (values[i] as ReadonlyArray<unknown>)[k]
    writeFrame(column, depth + 1)
  }
  return true
}

function writeTable(values: ReadonlyArray<unknown>, first: object, depth: number): boolean {
  const keys = Object.keys(first)
  if (keys.length === 0 || keys.length > framedKeysMax || !keys.every(isPlainKey)) return false
  for (let i = 0; i < values.length; i++) if (!hasKeys(values[i], keys)) return false
  writer.byte(form.table)
  writer.length(values.length)
  writer.length(keys.length)
  for (const key of keys) {
    const column = new Array<unknown>(values.length)
    for (let i = 0; i < values.length; i++) column[i] = (values[i] as Record<string, unknown>)[key]
    writer.text(key)
    writeFrame(column, depth + 1)
  }
  return true
}

/** Whether a value is a record with just these keys, in this order. */
function hasKeys(value: unknown, keys: ReadonlyArray<string>): boolean {
  if (typeof value !== "object" || value === null || !isRecord(value)) return false
  let k = 0
  for (const key in value) if (keys[k++] !== key) return false
  return k === keys.length
}

const isRecord = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const isPlainKey = (key: string): boolean => key !== "__proto__" && key.isWellFormed()

function writeShortArray(values: ReadonlyArray<unknown>, depth: number): void {
  writer.byte(form.array)
  writer.length(values.length)
  for (let i = 0; i < values.length; i++) writeFrame(values[i], depth + 1)
}

function isNarrowRecord(value: object): value is Record<string, unknown> {
  if (!isRecord(value)) return false
  let keys = 0
  for (const key in value) if (++keys > framedKeysMax || !isPlainKey(key)) return false
  return true
}

function writeRecord(record: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(record)
  writer.byte(form.record)
  writer.length(keys.length)
  for (const key of keys) {
    writer.text(key)
    writeFrame(record[key], depth + 1)
  }
}

function readFrame(reader: ByteReader, depth: number): unknown {
  if (depth > framesDeepMax) throw new Damage("its parts are nested too deeply")
  const kind = reader.byte()
  switch (kind) {
    case form.text:
      return reader.text()
    case form.integer:
      return reader.integer()
    case form.double:
      return reader.double()
    case form.true:
      return true
    case form.false:
      return false
    case form.null:
      return null
    case form.undefined:
      return undefined
  }
  const count = reader.length()
  if (count > reader.size) throw new Damage("it announces more than it holds")
  switch (kind) {
    case form.plain:
      return unpack(reader.raw(count), nestingMax)
    case form.escaped:
      return unescape(unpack(reader.raw(count), escapedNestingMax))
    case form.texts:
      return readTexts(reader, count)
    case form.integers: {
      const { buffer, offset } = reader.aligned(count * 4)
      return Array.from(new Int32Array(buffer, offset, count))
    }
    case form.doubles: {
      const { buffer, offset } = reader.aligned(count * 8)
      return Array.from(new Float64Array(buffer, offset, count))
    }
    case form.tuples:
      return readTuples(reader, count, depth)
    case form.table:
      return readTable(reader, count, depth)
    case form.array: {
      const values: Array<unknown> = []
      for (let i = 0; i < count; i++) values.push(readFrame(reader, depth + 1))
      return values
    }
    case form.record: {
      const record: Record<string, unknown> = {}
      for (let i = 0; i < count; i++) {
        const key = readKey(reader)
        record[key] = readFrame(reader, depth + 1)
      }
      return record
    }
    default:
      throw new Damage(`there is no form ${kind}`)
  }
}

function unpack(packed: Uint8Array, nestedMax: number): unknown {
  checkPacked(packed, nestedMax)
  return packr.unpack(packed)
}

function readTexts(reader: ByteReader, count: number): Array<string> {
  const { buffer, offset } = reader.aligned(count * 4)
  const lengths = new Uint32Array(buffer, offset, count)
  const texts = new Array<string>(count)
  forEachChunk(lengths, (from, to) => {
    const chunk = reader.text()
    let position = 0
    for (let i = from; i < to; i++) texts[i] = chunk.slice(position, position += lengths[i]!)
    if (position !== chunk.length) throw new Damage("a run of texts has not the length that was announced")
  })
  return texts
}

function readTuples(reader: ByteReader, count: number, depth: number): Array<unknown> {
  const columns: Array<ReadonlyArray<unknown>> = []
  for (let width = reader.length(); width > 0; width--) columns.push(readColumn(reader, count, depth))
  if (columns.length === 0) throw new Damage("tuples have no places")
  if (columns.length === 2) {
    const [firsts, seconds] = columns as [ReadonlyArray<unknown>, ReadonlyArray<unknown>]
    return Array.from(firsts, (first, i) => [first, seconds[i]])
  }
  return Array.from({ length: count }, (_, i) => columns.map((column) => column[i]))
}

function readTable(reader: ByteReader, count: number, depth: number): Array<unknown> {
  let keys = reader.length()
  if (keys === 0) throw new Damage("a table has no columns")
  const records: Array<Record<string, unknown>> = []
  for (let i = 0; i < count; i++) records.push({})
  for (; keys > 0; keys--) {
    const key = readKey(reader)
    const column = readColumn(reader, count, depth)
    for (let i = 0; i < count; i++) records[i]![key] = column[i]
  }
  return records
}

function readColumn(reader: ByteReader, count: number, depth: number): ReadonlyArray<unknown> {
  const column = readFrame(reader, depth + 1)
  if (!Array.isArray(column) || column.length !== count) {
    throw new Damage("a column has not the length of its table")
  }
  return column
}

function readKey(reader: ByteReader): string {
  const key = reader.text()
  if (key === "__proto__") throw new Damage("a record has the key __proto__")
  return key
}
