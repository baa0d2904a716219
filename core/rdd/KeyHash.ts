/**
 * KeyHash: what a key is, when two keys are the same, and a hash that is the same in every process and on every platform.
 *
 * A key is a string, number, bigint, boolean or null, or a tuple (array) or plain record of keys. Keys are compared by structure:
 * 0 is -0, NaN is NaN, 1 is not 1n and not "1"; records compare by their own enumerable string keys in any order. Anything else
 * (undefined, a function, a class instance, a Map, a Date) is refused with `UnhashableKey`, for its identity or its text would
 * differ between processes.
 *
 * - `canonicalKey` is the text of a tuple or record. Every part of it says its own type and length, so that it is prefix-free:
 *   two texts are equal exactly when the keys are the same.
 * - `hashKey` is a 32-bit integer: strings by their UTF-16 code units, numbers by value (integers of 32 bits) or by their IEEE
 *   bits, tuples and records by their canonical text. It is part of the lineage: changing it moves keys to other partitions.
 */
import { Schema } from "effect"
import { permanent } from "../protocol/permanent.ts"

/** How deep tuples and records in a key may be nested: a cyclic key ends here. */
export const keyDepthMax = 32

/** The key of a record cannot be compared between processes. */
export class UnhashableKey extends Schema.TaggedError<UnhashableKey>()("UnhashableKey", {
  /** What was found, such as `undefined` or `Date`. */
  type: Schema.String,
  message: Schema.String
}) {
  get [permanent]() {
    return true
  }
}

/** The finalizer of MurmurHash3: every bit of the input moves half of the output's. */
const mix = (bits: number): number => {
  let hash = bits
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** The hash of a string, for those who know that it is one. */
export const hashString = (text: string): number => {
  let hash = 0x811c9dc5 | 0
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash)
}

const doubleBits = new DataView(new ArrayBuffer(8))

const hashNumber = (value: number): number => {
  if (value === (value | 0)) return mix(value | 0)
  if (value !== value) return mix(0x7ff80000)
  doubleBits.setFloat64(0, value)
  return mix(Math.imul(doubleBits.getInt32(0), 0x9e3779b1) ^ doubleBits.getInt32(4))
}

/** The hash of a key, a 32-bit integer. Throws `UnhashableKey`. */
export const hashKey = (key: unknown): number => {
  switch (typeof key) {
    case "string":
      return hashString(key)
    case "number":
      return hashNumber(key)
    case "boolean":
      return key ? 0x5bd1e995 : 0x1b873593
    default:
      return hashString(canonicalKey(key))
  }
}

/** Whether a key can be looked up as it is: not a tuple or record, whose text must be taken. */
export const isPrimitiveKey = (key: unknown): boolean => {
  switch (typeof key) {
    case "string":
    case "number":
    case "bigint":
    case "boolean":
      return true
    default:
      return key === null
  }
}

/** A text that two keys share exactly when they are the same. Throws `UnhashableKey`. */
export const canonicalKey = (key: unknown): string => {
  const text = textOf(key, 0)
  if (text === undefined) throw unhashable(key, "The key", 0)
  return text
}

/** Undefined where the value is not a key; `unhashable` then looks why. */
const textOf = (value: unknown, depth: number): string | undefined => {
  switch (typeof value) {
    case "string":
      return "s" + value.length + ":" + value
    case "number":
      return "n" + value + ";"
    case "bigint":
      return "i" + value + ";"
    case "boolean":
      return value ? "t" : "f"
    case "object":
      if (value === null) return "z"
      return depth < keyDepthMax ? textOfComposite(value, depth) : undefined
    default:
      return undefined
  }
}

const textOfComposite = (value: object, depth: number): string | undefined => {
  if (Array.isArray(value)) {
    let text = "a" + value.length + ":"
    for (let i = 0; i < value.length; i++) {
      const element = textOf(value[i], depth + 1)
      if (element === undefined) return undefined
      text += element
    }
    return text
  }
  if (!isPlainRecord(value)) return undefined
  const names = Object.keys(value).sort()
  let text = "r" + names.length + ":"
  for (const name of names) {
    const element = textOf((value as Record<string, unknown>)[name], depth + 1)
    if (element === undefined) return undefined
    text += name.length + ":" + name + element
  }
  return text
}

const isPlainRecord = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === null || prototype === Object.prototype) && Object.getOwnPropertySymbols(value).length === 0
}

/** The error for a value that is not a key: names the first part of it that cannot be in one. */
const unhashable = (value: unknown, path: string, depth: number): UnhashableKey => {
  const parts = typeof value !== "object" || value === null || depth >= keyDepthMax
    ? []
    : Array.isArray(value)
    ? Array.from(value, (element, i) => [`${path}[${i}]`, element] as const)
    : isPlainRecord(value)
    ? Object.keys(value).sort().map((name) => [`${path}.${name}`, (value as Record<string, unknown>)[name]] as const)
    : []
  const part = parts.find(([, element]) => textOf(element, depth + 1) === undefined)
  if (part !== undefined) return unhashable(part[1], part[0], depth + 1)
  const type = depth >= keyDepthMax ? `nested deeper than ${keyDepthMax} levels` : typeName(value)
  return new UnhashableKey({
    type,
    message:
      `${path} is ${type}, which cannot be (part of) a key: keys are strings, numbers, bigints, booleans, null, and ` +
      "arrays and plain records of these. Map the record to such a key first, such as one of its fields or an array of them"
  })
}

const typeName = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return value === undefined ? "undefined" : `a ${typeof value}`
  if (Object.getOwnPropertySymbols(value).length > 0) return "a record with symbols as names"
  const name: unknown = value.constructor?.name
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an object of unknown class"
}
