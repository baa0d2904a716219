/**
 * Plain data: what may cross an executor's border, and how the rare kinds of it travel.
 *
 * Plain are: strings, numbers, bigints, booleans, null, undefined, arrays, records (objects whose prototype is
 * `Object.prototype` or null), Map, Set, Date, ArrayBuffer and its views, of just these classes: a subclass would lose its own
 * fields and methods. (An array of a subclass becomes an array, a Buffer a Uint8Array.) Everything else, above all class instances
 * and functions, would lose its nature on the way; it is refused with the path, the type and the remedy.
 *
 * `inspect` is the one walk before encoding; it answers
 * - `simple`: MessagePack carries the value as it is;
 * - `rare`: something in it MessagePack would change (-0, lone surrogates, `__proto__` as a key, very wide records); the value
 *   goes through `escape` and comes back through `unescape`.
 * Symbol keys, extra properties of arrays and the difference between a hole and `undefined` are not data.
 */
import { Buffer } from "node:buffer"

/** Values nested deeper than this are refused: most likely they refer to themselves. */
export const nestingMax = 500

/** Records with more keys travel as lists of keys and values: MessagePack's record shapes are made for narrow ones. */
const recordKeysMax = 64

export type Kind = 0 | 1
export const simple: Kind = 0
export const rare: Kind = 1

/** Throws for what is not plain data; `refusal` then says what and where. */
export const inspect = (value: unknown): Kind => walk(value, 0)

function walk(value: unknown, depth: number): Kind {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? simple : rare
    case "number":
      return value === 0 && 1 / value < 0 ? rare : simple
    case "object":
      return value === null ? simple : walkObject(value, depth)
    case "function":
    case "symbol":
      throw notPlain()
    default:
      return simple
  }
}

function walkObject(value: object, depth: number): Kind {
  if (depth >= nestingMax) throw notPlain()
  let kind: Kind = simple
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (walk(value[i], depth + 1) === rare) kind = rare
    return kind
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return walkRecord(value, depth)
  if (prototype === Map.prototype) {
    for (const [key, item] of value as Map<unknown, unknown>) {
      if (walk(key, depth + 1) === rare || walk(item, depth + 1) === rare) kind = rare
    }
    return kind
  }
  if (prototype === Set.prototype) {
    for (const item of value as Set<unknown>) if (walk(item, depth + 1) === rare) kind = rare
    return kind
  }
  if (!builtIns.has(prototype)) throw notPlain()
  return simple
}

function walkRecord(value: object, depth: number): Kind {
  let kind: Kind = simple
  let keys = 0
  for (const key in value) {
    keys++
    // Names that MessagePack's own machinery uses: __proto__, __keys__, constructor.
    if (key.charCodeAt(0) === 95 || key === "constructor" || !key.isWellFormed()) kind = rare
    if (walk((value as Record<string, unknown>)[key], depth + 1) === rare) kind = rare
  }
  return keys > recordKeysMax ? rare : kind
}

const notPlain = () => new Error("not plain data")

/** Classes of views of an ArrayBuffer that travel; a Buffer does too, as a Uint8Array. */
export const viewKinds: ReadonlyArray<new (buffer: ArrayBuffer) => ArrayBufferView> = [
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array
]

/** Prototypes of what travels whole. */
const builtIns: ReadonlySet<unknown> = new Set(
  [Date, ArrayBuffer, Buffer, ...viewKinds].map(({ prototype }) => prototype)
)

const isPlainBuiltIn = (value: object): boolean => builtIns.has(Object.getPrototypeOf(value))

/** The error for the first thing in `root` that is not plain data, with path, type and remedy; undefined: all of it is. */
export const refusal = (root: unknown): Error | undefined => {
  const found = offender(root, "the value", 0)
  return found && new Error(
    `Cannot send ${found.path} to another executor: it is ${found.type}. Records are plain data (strings, numbers, bigints, ` +
      `booleans, null, arrays, records, Map, Set, Date, typed arrays): map it to such before the shuffle or the output.`
  )
}

interface Offender {
  readonly path: string
  readonly type: string
}

function offender(value: unknown, path: string, depth: number): Offender | undefined {
  if (typeof value === "function") return { path, type: `a function (${value.name || "without a name"})` }
  if (typeof value === "symbol") return { path, type: "a symbol" }
  if (typeof value !== "object" || value === null) return undefined
  if (depth >= nestingMax) {
    return { path: shorten(path), type: `nested deeper than ${nestingMax} levels, or refers to itself` }
  }
  for (const [name, item] of children(value)) {
    const found = offender(item, path + name, depth + 1)
    if (found !== undefined) return found
  }
  return isPlain(value) ? undefined : { path, type: `an instance of the class ${className(value)}` }
}

const isPlain = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null || prototype === Map.prototype ||
    prototype === Set.prototype || builtIns.has(prototype)
}

function* children(value: object): Iterable<readonly [name: string, item: unknown]> {
  if (!isPlain(value)) return
  if (value instanceof Map) {
    for (const [key, item] of value) {
      yield [`.key(${describeKey(key)})`, key]
      yield [`.get(${describeKey(key)})`, item]
    }
  } else if (value instanceof Set) {
    let index = 0
    for (const item of value) yield [`.values[${index++}]`, item]
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) yield [`[${i}]`, value[i]]
  } else if (!isPlainBuiltIn(value)) {
    for (const key of Object.keys(value)) yield [`.${shorten(key)}`, (value as Record<string, unknown>)[key]]
  }
}

const className = (value: object): string => {
  const constructor: unknown = Object.getPrototypeOf(value)?.constructor
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : "without a name"
}

const describeKey = (key: unknown): string =>
  typeof key === "string" ? JSON.stringify(shorten(key)) : typeof key === "object" ? "an object" : String(key)

const shorten = (text: string): string => text.length <= 80 ? text : `${text.slice(0, 77)}...`

/** What `escape` puts in place of a value that would not travel as it is; everything else stands for itself. */
type Escaped =
  | readonly ["array", ReadonlyArray<unknown>]
  | readonly ["record", ReadonlyArray<unknown>, ReadonlyArray<unknown>]
  | readonly ["map", ReadonlyArray<unknown>, ReadonlyArray<unknown>]
  | readonly ["set", ReadonlyArray<unknown>]
  | readonly ["text", Uint16Array]
  | readonly ["minus zero"]

/** A value of nothing but simple parts; only for values that `inspect` has let pass. */
export const escape = (value: unknown): unknown => {
  if (typeof value === "string" && !value.isWellFormed()) return ["text", codeUnits(value)] satisfies Escaped
  if (Object.is(value, -0)) return ["minus zero"] satisfies Escaped
  if (typeof value !== "object" || value === null || isPlainBuiltIn(value)) return value
  // Array.from reads holes too
  if (Array.isArray(value)) return ["array", Array.from(value, escape)] satisfies Escaped
  if (value instanceof Map) {
    return ["map", Array.from(value.keys(), escape), Array.from(value.values(), escape)] satisfies Escaped
  }
  if (value instanceof Set) return ["set", Array.from(value, escape)] satisfies Escaped
  return ["record", Object.keys(value).map(escape), Object.values(value).map(escape)] satisfies Escaped
}

/** What `escape` was given. Records are built key by key, so that no key can reach a prototype. */
export const unescape = (value: unknown): unknown => {
  if (!Array.isArray(value)) return value
  const escaped = value as unknown as Escaped
  switch (escaped[0]) {
    case "array":
      return escaped[1].map(unescape)
    case "record": {
      const record = {}
      escaped[1].forEach((key, i) =>
        Object.defineProperty(record, unescape(key) as string, {
          value: unescape(escaped[2][i]),
          configurable: true,
          enumerable: true,
          writable: true
        })
      )
      return record
    }
    case "map":
      return new Map(escaped[1].map((key, i) => [unescape(key), unescape(escaped[2][i])]))
    case "set":
      return new Set(escaped[1].map(unescape))
    case "text":
      return textOf(escaped[1])
    case "minus zero":
      return -0
  }
}

/** The UTF-16 code units of a text: its form when it has lone surrogates. */
export const codeUnits = (text: string): Uint16Array => {
  const units = new Uint16Array(text.length)
  for (let i = 0; i < units.length; i++) units[i] = text.charCodeAt(i)
  return units
}

export const textOf = (units: Uint16Array): string => {
  let text = ""
  for (let i = 0; i < units.length; i += 4096) text += String.fromCharCode(...units.subarray(i, i + 4096))
  return text
}
