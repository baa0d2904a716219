/**
 * A node of a random graph: a stream and what is known of it, so that what is made of it is a program that runs, whose batches stay
 * small, and whose result is defined by the plan.
 *
 * The order of the records of a state is a matter of its tables. What follows from it is compared as a multiset per partition
 * (`isOrdered` is false), and is sorted before an operator in whose result the order would show.
 */
import { DStream } from "../../core/mod.ts"
import { keyText } from "../model/Partitions.ts"

export type Stream = DStream.DStream<any>
export type Pairs = DStream.DStream<readonly [any, any]>

export interface Node {
  readonly stream: Stream
  readonly text: string
  /** In batches. */
  readonly slide: number
  readonly batchMillis: number
  readonly isPairs: boolean
  readonly isOrdered: boolean
  /** Some batches have no data set. */
  readonly mayLack: boolean
  /** Estimates, for a batch. */
  readonly records: number
  readonly partitions: number
}

/** A whole number from 0 on, of any record, by its structure. */
export const hash = (record: unknown): number => {
  const text = keyText(record)
  let sum = 7
  for (let i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) % 10_007
  return sum
}

/** Keys of all kinds; some are alike but for their types. */
const keys = ["a", 1, "1", [1, "x"], null, { p: 1, q: [2] }, true, "true", 12n, -2.5]

export const keyOf = (record: unknown): unknown => keys[hash(record) % keys.length]

/** A whole number from 1 on. */
export const small = (value: unknown): number =>
  typeof value === "number" ? Math.abs(value % 9) + 1 : hash(value) % 9 + 1

/** Associative, and says the order of what it was given; long texts lose their ends. */
export const concat = (a: string, b: string): string => `${a}${b}`.slice(0, 80)

/** A short text of any value. */
export const word = (value: unknown): string => `${hash(value) % 100},`

const sorted = (records: ReadonlyArray<any>) =>
  records.map((record) => [keyText(record), record] as const).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
    .map(([, record]) => record)

/** Whatever order the records of each partition had, now they are in that of their texts. */
export const settled = (node: Node): Node =>
  node.isOrdered ? node : {
    ...node,
    isOrdered: true,
    stream: node.stream.pipe(DStream.mapPartitions(sorted)),
    text: `${node.text}.sorted`
  }

/** A batch without data set is an empty one. */
export const present = (node: Node): Node =>
  node.mayLack
    ? {
      ...node,
      mayLack: false,
      stream: node.stream.pipe(DStream.window(node.slide * node.batchMillis)),
      text: `${node.text}.window(${node.slide})`
    }
    : node

export const pairsOf = (node: Node): Node =>
  node.isPairs ? node : {
    ...node,
    isPairs: true,
    stream: node.stream.pipe(DStream.mapToPair((record) => [keyOf(record), record])),
    text: `${node.text}.toPairs`
  }

const fewMax = 3
const recordsMax = 40
const partitionsMax = 9

/** Few records of each partition, and few partitions, where there could be many. */
export const tamed = (node: Node): Node => {
  let tame = node
  if (tame.partitions > partitionsMax) {
    const { stream, text } = settled(tame)
    tame = { ...tame, stream: stream.pipe(DStream.repartition(3)), text: `${text}.repartition(3)`, partitions: 3 }
    tame = { ...tame, isOrdered: true }
  }
  if (tame.records > recordsMax) {
    const { stream, text } = settled(tame)
    tame = {
      ...tame,
      isOrdered: true,
      stream: stream.pipe(DStream.mapPartitions((records) => records.slice(0, fewMax))),
      text: `${text}.few`,
      records: tame.partitions * fewMax
    }
  }
  return tame
}
