/**
 * plainCopy: what becomes of a value that travels from an executor to the driver: a copy, if it is plain data; else it is told what
 * cannot travel, and where.
 */
import { describeValue } from "../../core/protocol/describeValue.ts"

/** Throws a TypeError for functions, symbols, and instances of classes but Date, Map, Set and bytes. */
export const plainCopy = (value: unknown, path = "prepared"): unknown => {
  if (typeof value === "function" || typeof value === "symbol") throw cannotTravel(value, path)
  if (typeof value !== "object" || value === null || value instanceof Date) return value
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) return value.map((one, index) => plainCopy(one, `${path}[${index}]`))
  if (value instanceof Set) return new Set(Array.from(value, (one) => plainCopy(one, path)))
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, one]) => [plainCopy(key, path), plainCopy(one, path)]))
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw cannotTravel(value, path)
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plainCopy(one, `${path}.${key}`)]))
}

const cannotTravel = (value: unknown, path: string) =>
  new TypeError(`prepare has to give plain data, and ${path} is ${describeValue(value)}`)
