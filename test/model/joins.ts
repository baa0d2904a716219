/**
 * Joins as the reference model has them: for each key, in the order of first appearance on the left and then on the right, all
 * values of each side, looked for one by one.
 */
import type { Partitioner } from "../../core/rdd/Partitioner.ts"
import { keyText, type Pair, type Partitions, spreadByKey } from "./Partitions.ts"

type Values = ReadonlyArray<unknown>

/** What each kind makes of the values of a key: the values of its pairs. */
const kinds: Record<string, (left: Values, right: Values) => Values> = {
  cogroup: (left, right) => [[left, right]],
  join: (left, right) => product(left, right),
  leftOuterJoin: (left, right) => product(left, orNull(right)),
  rightOuterJoin: (left, right) => product(orNull(left), right),
  fullOuterJoin: (left, right) => product(orNull(left), orNull(right))
}

export const isJoin = (kind: string): boolean => Object.hasOwn(kinds, kind)

export const joined = (kind: string, left: Partitions, right: Partitions, partitioner: Partitioner): Partitions => {
  const others = spreadByKey(right, partitioner)
  return spreadByKey(left, partitioner).map((pairs, i) => joinPartition(kinds[kind]!, pairs, others[i]!))
}

const joinPartition = (
  pairsOf: (left: Values, right: Values) => Values,
  left: ReadonlyArray<Pair>,
  right: ReadonlyArray<Pair>
): ReadonlyArray<Pair> => {
  const keys = new Map([...left, ...right].toReversed().map(([key]) => [keyText(key), key]))
  const inOrder = [...new Set([...left, ...right].map(([key]) => keyText(key)))]
  const of = (pairs: ReadonlyArray<Pair>, text: string) =>
    pairs.filter(([key]) => keyText(key) === text).map(([, v]) => v)
  return inOrder.flatMap((text) =>
    pairsOf(of(left, text), of(right, text)).map((value): Pair => [keys.get(text), value])
  )
}

const product = (left: Values, right: Values): Values => left.flatMap((one) => right.map((other) => [one, other]))

const orNull = (values: Values): Values => values.length === 0 ? [null] : values
