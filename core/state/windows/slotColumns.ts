/**
 * What belongs to slots lies in typed arrays beside the table of keys: they grow by doubling; and lists of slots in ascending order,
 * so that a pass over many of them goes through memory in its order, which is several times as fast.
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

/** Fewer than one in so many slots are sorted, more are counted. */
const countedFromOneIn = 16

/** The same slots in ascending order; all are below `slots`. */
export const ascending = (list: Int32Array, slots: number): Int32Array => {
  if (list.length * countedFromOneIn < slots) return list.sort()
  const counts = new Int32Array(slots)
  for (let i = 0; i < list.length; i++) counts[list[i]!]!++
  let to = 0
  for (let slot = 0; slot < slots; slot++) {
    for (let count = counts[slot]!; count > 0; count--) list[to++] = slot
  }
  return list
}
