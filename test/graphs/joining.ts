/**
 * Operators of random graphs that bring streams together.
 */
import { DStream, RDD } from "../../core/mod.ts"
import { keyOf, type Node, type Pairs, settled, small, type Stream } from "./Node.ts"
import { type Numbers, type Operator, operator, shuffleText } from "./Operator.ts"

type Join = (that: Pairs, options: Numbers["shuffle"]) => (self: Pairs) => Stream

const few = (records: ReadonlyArray<any>) => records.slice(0, 2)

/** A join of many with many stays small. What has its few by itself is left as it is, spread as it is. */
const thin = (node: Node): Stream =>
  node.records <= 12 ? node.stream : settled(node).stream.pipe(DStream.mapPartitions(few))

const joins: Record<string, Join> = {
  cogroup: DStream.cogroup,
  join: DStream.join,
  leftOuterJoin: DStream.leftOuterJoin,
  rightOuterJoin: DStream.rightOuterJoin,
  fullOuterJoin: DStream.fullOuterJoin
}

const binary = { isBinary: true, needsData: true } as const

const joined = (name: string, join: Join): Operator =>
  operator(name, (one, { shuffle }, other) => ({
    stream: thin(one).pipe(join(thin(other), shuffle)),
    text: shuffleText(shuffle),
    isPairs: true,
    partitions: 4,
    records: 80
  }), { ...binary, onPairs: true, needsOrder: name === "cogroup" })

const both = (one: Node, other: Node) => ({
  records: one.records + other.records,
  partitions: one.partitions + other.partitions
})

export const joining: ReadonlyArray<Operator> = [
  operator("union", (one, _, other) => ({
    stream: one.stream.pipe(DStream.union(other.stream)),
    isPairs: one.isPairs && other.isPairs,
    ...both(one, other)
  }), binary),
  operator("unionAll", (one, _, other) => ({
    stream: DStream.unionAll([one.stream, other.stream, one.stream]),
    isPairs: one.isPairs && other.isPairs,
    records: 2 * one.records + other.records,
    partitions: 2 * one.partitions + other.partitions
  }), binary),
  ...Object.entries(joins).map(([name, join]) => joined(name, join)),
  operator("transformWith", (one, { n }, other) => ({
    stream: one.stream.pipe(DStream.transformWith(
      other.stream,
      (rdd, that, { time }) =>
        rdd.pipe(
          RDD.keyBy(keyOf),
          RDD.mapValues(small),
          RDD.union(that.pipe(RDD.mapToPair((r: unknown): [unknown, number] => [keyOf(r), time % 5]))),
          RDD.reduceByKey((a, b) => a + b, { numPartitions: n % 3 + 1 })
        )
    )),
    isPairs: true,
    ...both(one, other),
    partitions: 3
  }), { ...binary, order: "keeps" }),
  operator("transformAll", (one, _, other) => ({
    stream: DStream.transformAll(
      [one.stream, other.stream, one.stream],
      ([a, b, c]) => RDD.unionAll<unknown>([a, b.pipe(RDD.map((r) => [r])), c.pipe(RDD.count)])
    ),
    records: one.records + other.records + 1,
    partitions: one.partitions + other.partitions + 1
  }), binary)
]
