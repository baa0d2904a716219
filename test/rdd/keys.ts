/**
 * Keys for properties, with many that are nearly the same, and a naive sameness to compare with.
 */
import fc from "fast-check"

export const keys: fc.Arbitrary<unknown> = fc.letrec<{ key: unknown }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(
      "",
      "1",
      "a",
      "t",
      "z",
      "n1;",
      "s1:a",
      "a1:n1;",
      "r0:",
      0,
      -0,
      1,
      0.1,
      NaN,
      Infinity,
      2 ** 40,
      1n,
      true,
      false,
      null
    ),
    fc.string({ maxLength: 3, unit: "binary" }),
    fc.integer({ min: -3, max: 3 }),
    fc.double(),
    fc.bigInt({ min: -3n, max: 3n }),
    fc.array(tie("key"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "a1:", ""), tie("key"), { maxKeys: 3, noNullPrototype: true })
  )
})).key

export const sameKey = (a: unknown, b: unknown): boolean => {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b || (a !== a && b !== b)
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameKey((a as any)[name], (b as any)[name]))
}
