/**
 * Chains of operators that a test makes up, as outputs of one app: CHAINS in Config is a list of lists of [operator, number].
 * An operator that needs pairs is given pairs; functions that reduce are not commutative, so that every change of order shows.
 */
import { Config, Effect, Schema } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, RDD, StreamingApp } from "../../../core/mod.ts"
import type { AnySideValue } from "../../../core/dstream/SideValue.ts"
import { collect, RUN } from "./collected.ts"

export type Chain = ReadonlyArray<readonly [operator: string, number: number]>

/** A small whole number of any record. */
const numberOf = (value: unknown): number => {
  let sum = 7
  const text = describe(value)
  for (let i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) % 10_007
  return sum
}

const describe = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(describe)}]`
  if (typeof value === "object" && value !== null) return `{${Object.entries(value).map(([k, v]) => k + describe(v))}}`
  return `${typeof value} ${String(value)}`
}

/** undefined is no key. */
const keyable = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(keyable)
  if (typeof value !== "object" || value === null) return value === undefined ? null : value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, keyable(item)]))
}

const strange = [0, -0, NaN, "", "text", "\ud800", 12n, true, null, undefined, [1, "a"], { a: 1, b: [2] }]

const recordOf = (seed: number): unknown => {
  const n = numberOf(seed)
  return n % 3 === 0 ? strange[n % strange.length] : n % 3 === 1 ? n % 20 : `word ${n % 15}`
}

const input = (numPartitions: number) =>
  Memory.stream<any>({
    numPartitions,
    read: ({ batch, partition }) => {
      const count = numberOf([batch, partition, numPartitions]) % 60
      return Array.from({ length: partition === 1 ? 0 : count }, (_, i) => recordOf(batch * 999 + partition * 99 + i))
    }
  })

type Stream = DStream.DStream<any>
type Operator = (stream: Stream, n: number) => Stream

const pairs: Operator = (stream, n) => stream.pipe(DStream.mapToPair((x) => [numberOf(x) % (n * 3), numberOf(x)]))
const onPairs = (f: (stream: DStream.DStream<[any, any]>, n: number) => Stream): Operator => (stream, n) =>
  f(pairs(stream, n), n)
const join = (a: unknown, b: unknown): string => `${describe(a)}|${describe(b)}`.slice(0, 2000)

export const operators: Readonly<Record<string, (side: AnySideValue) => Operator>> = {
  map: () => (stream, n) => stream.pipe(DStream.map((x) => [n, x])),
  mapToPair: () => pairs,
  flatMap: () => (stream, n) => stream.pipe(DStream.flatMap((x) => Array.from({ length: numberOf(x) % n }, () => x))),
  filter: () => (stream, n) => stream.pipe(DStream.filter((x) => numberOf(x) % (n + 1) !== 0)),
  mapValues: () => onPairs((stream, n) => stream.pipe(DStream.mapValues((value) => ({ value, n })))),
  flatMapValues: () =>
    onPairs((stream, n) => stream.pipe(DStream.flatMapValues((value) => [value, n].slice(value % 3)))),
  mapPartitions: () => (stream) =>
    stream.pipe(DStream.mapPartitions((records) => [records.length, ...records].reverse())),
  glom: () => (stream) => stream.pipe(DStream.glom),
  union: () => (stream, n) => stream.pipe(DStream.union(input(n))),
  repartition: () => (stream, n) => stream.pipe(DStream.repartition(n)),
  transform: (side) => (stream, n) =>
    stream.pipe(DStream.transform(
      (rdd, { sideValues }) => {
        const batch = sideValues.side as number
        const marked = rdd.pipe(RDD.map((x) => `${describe(x)} in ${batch}`))
        return batch % 2 === 0 ? marked : marked.pipe(RDD.repartition(n))
      },
      { sideValues: { side } }
    )) as Stream,
  reduceByKey: () =>
    onPairs((stream, n) => stream.pipe(DStream.mapValues(String), DStream.reduceByKey(join, { numPartitions: n }))),
  combineByKey: () =>
    onPairs((stream) =>
      stream.pipe(DStream.combineByKey(
        (value) => [value],
        (values: Array<number>, value: number) => [...values, value],
        (a, b) => [...a, ...b]
      ))
    ),
  groupByKey: () =>
    onPairs((stream, n) => stream.pipe(n === 1 ? DStream.groupByKey() : DStream.groupByKey({ numPartitions: n }))),
  reduce: () => (stream) => stream.pipe(DStream.reduce(join)),
  count: () => (stream) => stream.pipe(DStream.count),
  countByValue: () => (stream) => stream.pipe(DStream.map(keyable), DStream.countByValue()),
  mapEffect: () => (stream, n) =>
    stream.pipe(DStream.mapEffect(
      (x) => numberOf(x) % 2 === 0 ? Effect.succeed({ x }) : Effect.as(Effect.yieldNow, x),
      { concurrency: n }
    ))
}

export default Effect.gen(function* () {
  const run = yield* RUN
  const chains: ReadonlyArray<Chain> = JSON.parse(yield* Config.String("CHAINS"))
  let batches = 0
  const side = DStream.sideValue(Effect.sync(() => batches++), Schema.Int)
  const outputs = chains.map((chain, index) =>
    chain.reduce<Stream>((stream, [name, n]) => operators[name]!(side)(stream, n), input(1 + index % 4))
      .pipe(collect(run, `chain ${index}`))
  )
  return StreamingApp.make({
    name: "chains",
    batchDuration: "100 millis",
    outputs,
    settings: { defaultParallelism: 3 }
  })
})
