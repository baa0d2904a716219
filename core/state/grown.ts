/**
 * Typed arrays that grow by doubling: what belongs to a slot lies in one of them beside the table of keys.
 */

const capacityFor = (capacity: number, length: number): number => {
  let doubled = Math.max(capacity, 16)
  while (doubled < length) doubled *= 2
  return doubled
}

/** The array itself where it has room for `length`, else a longer copy, zeros at its end. */
export const grownIntegers = (array: Int32Array, length: number): Int32Array => {
  if (length <= array.length) return array
  const longer = new Int32Array(capacityFor(array.length, length))
  longer.set(array)
  return longer
}

/** As `grownIntegers`, of numbers. */
export const grownNumbers = (array: Float64Array, length: number): Float64Array => {
  if (length <= array.length) return array
  const longer = new Float64Array(capacityFor(array.length, length))
  longer.set(array)
  return longer
}
