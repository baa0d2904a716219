/**
 * Bytes and values as damage or an enemy leaves them: pieces cut, flipped, zeroed, spliced; values in which something is what nobody wrote.
 */
import fc from "fast-check"

const at = fc.nat(20_000)

/** One damage to bytes. */
export const change = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("cut" as const), at }),
  fc.record({ kind: fc.constant("zero" as const), at, length: fc.integer({ min: 1, max: 600 }) }),
  fc.record({
    kind: fc.constant("copy" as const),
    at,
    from: at,
    length: fc.integer({ min: 1, max: 300 })
  }),
  fc.record({ kind: fc.constant("insert" as const), at, bytes: fc.uint8Array({ minLength: 1, maxLength: 80 }) }),
  fc.record({ kind: fc.constant("huge" as const), at })
)

export type Change = typeof change extends fc.Arbitrary<infer C> ? C : never

/** `huge`: four bytes become the largest number of four bytes. */
export const changed = (bytes: Uint8Array, one: Change): Uint8Array => {
  const at = one.at % (bytes.length + 1)
  const copy = bytes.slice()
  switch (one.kind) {
    case "flip":
      if (copy.length > 0) copy[at % copy.length]! ^= 1 << one.bit
      return copy
    case "cut":
      return copy.subarray(0, at)
    case "zero":
      return copy.fill(0, at, at + one.length)
    case "huge":
      return copy.fill(255, at, at + 4)
    case "copy": {
      const from = one.from % (bytes.length + 1)
      return copy.copyWithin(at, from, from + one.length)
    }
    case "insert":
      return Uint8Array.from([...copy.subarray(0, at), ...one.bytes, ...copy.subarray(at)])
  }
}

/** So many lists, one in another. */
export const nested = (depth: number): unknown => {
  let value: unknown = []
  for (let level = 1; level < depth; level++) value = [value]
  return value
}

/** What may stand where something else belongs. */
const hostile = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    undefined,
    -1,
    -0,
    0.5,
    NaN,
    Infinity,
    2 ** 32 - 1,
    Number.MAX_SAFE_INTEGER,
    -Number.MAX_SAFE_INTEGER,
    1e308,
    10n ** 30n,
    "",
    "__proto__",
    "constructor",
    "../../../../etc/passwd",
    "epochs/00000001/log/00000001",
    "x".repeat(100_000),
    [],
    {},
    new Map(),
    new Set([1]),
    new Date(NaN),
    new Uint8Array(3),
    JSON.parse('{"__proto__": {"kind": "Sealed"}, "constructor": {"prototype": 1}, "toString": 1}'),
    nested(400)
  ),
  fc.jsonValue({ maxDepth: 2 })
)

const numbers = fc.constantFrom(
  0,
  -1,
  1,
  7,
  999,
  1000,
  3000,
  1_000_000_007_000,
  2 ** 31,
  2 ** 32 - 1,
  Number.MAX_SAFE_INTEGER,
  -Number.MAX_SAFE_INTEGER
)
const texts = fc.constantFrom(
  "",
  "__proto__",
  "constructor",
  "toString",
  "a/b/../../c",
  "sums",
  "out",
  "lines/1/0/1",
  "x".repeat(10_000)
)

/**
 * One thing that was put into a value: `path` chooses the way to where it is put, at most all the way down. `alike`: it is of the kind
 * of what was there.
 */
export const intrusion = fc.record({
  path: fc.array(fc.nat(1000), { minLength: 1, maxLength: 12, size: "max" }),
  how: fc.oneof(
    { weight: 3, arbitrary: fc.constant("alike" as const) },
    { weight: 1, arbitrary: fc.constantFrom("replace" as const, "remove" as const, "repeat" as const) }
  ),
  by: hostile,
  number: numbers,
  text: texts
})

export type Intrusion = typeof intrusion extends fc.Arbitrary<infer I> ? I : never

/** A copy of plain data in which one value is another, is not there, or stands twice. */
export const intruded = (value: unknown, one: Intrusion): unknown => {
  const [first, ...path] = one.path
  if (first === undefined || typeof value !== "object" || value === null) return instead(value, one)
  const rest = { ...one, path }
  if (Array.isArray(value)) {
    if (value.length === 0) return one.how === "alike" ? value : one.by
    const index = first % value.length
    if (path.length > 0) return value.with(index, intruded(value[index], rest))
    if (one.how === "remove" || (one.how === "alike" && first % 2 === 0)) return value.toSpliced(index, 1)
    return one.how === "replace" ? value.with(index, one.by) : [...value, value[index]]
  }
  const keys = Object.keys(value)
  if (Object.getPrototypeOf(value) !== Object.prototype || keys.length === 0) return instead(value, one)
  const key = keys[first % keys.length]!
  const { [key]: old, ...others } = value as Record<string, unknown>
  if (path.length > 0 || one.how === "alike") return { ...others, [key]: intruded(old, rest) }
  return one.how === "remove" ? others : { ...others, [key]: one.how === "repeat" ? [old, old] : one.by }
}

const instead = (value: unknown, { by, how, number, text }: Intrusion): unknown => {
  if (how !== "alike") return by
  switch (typeof value) {
    case "number":
      return number
    case "string":
      return text
    case "boolean":
      return !value
    default:
      return value
  }
}
