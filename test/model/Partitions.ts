/**
 * Partitions: a data set as the reference model sees it, a list of lists, and what a shuffle does to it. Naive on purpose: one
 * list per step, keys compared one by one by their text.
 */
import type { Partitioner } from "../../core/rdd/Partitioner.ts"

export type Partitions = ReadonlyArray<ReadonlyArray<any>>

export type Pair = readonly [key: unknown, value: unknown]

export interface Combine {
  readonly create: (value: any) => unknown
  readonly mergeValue: (combined: any, value: any) => unknown
  readonly mergeCombiners: (a: any, b: any) => unknown
  readonly mapSide: boolean
}

/** All records, in the order of partitions. */
export const flat = (partitions: Partitions): ReadonlyArray<any> => partitions.flat(1)

/** Two keys are the same when this is: structure, not identity; 0 is -0, NaN is NaN, 1 is not "1". */
export function keyText(key: unknown): string {
  if (Array.isArray(key)) return `[${key.map(keyText).join()}]`
  if (typeof key === "object" && key !== null) {
    const fields = Object.keys(key).sort().map((name) => `${JSON.stringify(name)}:${keyText((key as any)[name])}`)
    return `{${fields.join()}}`
  }
  return typeof key === "string" ? JSON.stringify(key) : `${typeof key} ${String(key)}`
}

/** The pairs that go to each partition, in the order of partitions and records. */
export const spreadByKey = (pairs: Partitions, partitioner: Partitioner): Partitions =>
  Array.from(
    { length: partitioner.numPartitions },
    (_, target) => flat(pairs).filter(([key]) => partitioner.partition(key) === target)
  )

/** Record i of partition p goes to partition (p + i) mod n. */
export const spreadEvenly = (partitions: Partitions, count: number): Partitions =>
  Array.from(
    { length: count },
    (_, target) => partitions.flatMap((records, p) => records.filter((_, i) => (p + i) % count === target))
  )

/** The values of each key combined, keys in the order in which they first came. */
export function combineByKey(pairs: Partitions, partitioner: Partitioner, combine: Combine): Partitions {
  const combined = combine.mapSide ? pairs.map((part) => reduceKeys(part, combine.create, combine.mergeValue)) : pairs
  return spreadByKey(combined, partitioner).map((part) =>
    combine.mapSide
      ? reduceKeys(part, (value) => value, combine.mergeCombiners)
      : reduceKeys(part, combine.create, combine.mergeValue)
  )
}

function reduceKeys(
  pairs: ReadonlyArray<Pair>,
  create: (value: any) => unknown,
  merge: (combined: any, value: any) => unknown
): ReadonlyArray<Pair> {
  const found = new Map<string, [unknown, unknown]>()
  for (const [key, value] of pairs) {
    const known = found.get(keyText(key))
    if (known === undefined) found.set(keyText(key), [key, create(value)])
    else known[1] = merge(known[1], value)
  }
  return [...found.values()]
}

/** One record, or none where there are no records. */
export const reduction = (records: ReadonlyArray<any>, f: (a: any, b: any) => unknown): ReadonlyArray<unknown> =>
  records.length === 0 ? [] : [records.reduce((a, b) => f(a, b))]
