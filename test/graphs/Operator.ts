/**
 * How an operator of a random graph is described: what it needs of its parents, what it makes of them.
 */
import { HashPartitioner } from "../../core/mod.ts"
import type { Partitioner } from "../../core/rdd/Partitioner.ts"
import { hash, type Node, type Stream } from "./Node.ts"

export interface Operator {
  readonly name: string
  /** The parents as pairs. */
  readonly onPairs: boolean
  /** The order of the parent's records shows in the result. */
  readonly needsOrder: boolean
  /** Brings two streams of one slide together. */
  readonly isBinary: boolean
  /** A batch without data set fails, or is none. */
  readonly needsData: boolean
  /** `keeps`: as the parents are. */
  readonly order: "keeps" | "makes" | "loses"
  readonly apply: (parent: Node, numbers: Numbers, other: Node) => Made
}

/** Two random numbers, and what operators are often given, made of them. */
export interface Numbers {
  readonly n: number
  readonly m: number
  readonly shuffle: { readonly numPartitions?: number; readonly partitioner?: Partitioner }
  /** In batches of the parent's slide. */
  readonly window: number
  readonly windowSlide: number
}

export interface Made {
  readonly stream: Stream
  /** What it was given, for people. */
  readonly text?: string
  readonly isPairs?: boolean
  /** Unless told: as the first parent. */
  readonly slide?: number
  readonly records?: number
  readonly partitions?: number
  readonly lacks?: boolean
  readonly isOrdered?: boolean
}

const byHash: Partitioner = { name: "by test hash", numPartitions: 3, partition: (key) => hash(key) % 3 }
const allInLast: Partitioner = { name: "all in the last", numPartitions: 2, partition: () => 1 }

export const partitioners = [HashPartitioner(2), byHash, allInLast]

const shuffleOf = (n: number): Numbers["shuffle"] => {
  if (n % 6 < 2) return {}
  return n % 6 < 5 ? { numPartitions: n % 6 - 1 } : { partitioner: partitioners[n % 3]! }
}

export const numbersOf = (n: number, m: number): Numbers => ({
  n,
  m,
  shuffle: shuffleOf(n),
  window: m % 4 + 1,
  windowSlide: n % 5 < 3 ? 1 : n % 5 - 1
})

export const shuffleText = ({ numPartitions, partitioner }: Numbers["shuffle"]): string =>
  partitioner !== undefined ? partitioner.name : numPartitions === undefined ? "" : `${numPartitions} partitions`

/** Partitions after a shuffle, at most. */
export const spreadOver = 4

export const shuffled = { partitions: spreadOver, lacks: undefined }

/** The slide in milliseconds. */
export const millisOf = ({ batchMillis, slide }: Pick<Node, "batchMillis" | "slide">): number => slide * batchMillis

/** Window and slide in milliseconds, and what is known of a windowed stream. */
export const windowOf = (parent: Node, { window, windowSlide }: Numbers) => ({
  durations: [window * millisOf(parent), windowSlide * millisOf(parent)] as const,
  known: {
    slide: windowSlide * parent.slide,
    lacks: false,
    text: `${window * parent.slide}, ${windowSlide * parent.slide}`
  }
})

const defaults = {
  onPairs: false,
  needsOrder: false,
  isBinary: false,
  needsData: false,
  order: "keeps"
} as const

export const operator = (
  name: string,
  apply: Operator["apply"],
  options: Partial<Omit<Operator, "name" | "apply">> = {}
): Operator => ({ name, apply, ...defaults, ...options })
