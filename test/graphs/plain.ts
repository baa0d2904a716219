/**
 * Operators of random graphs that look at one batch of one stream.
 */
import { Effect } from "effect"
import { DStream, RDD } from "../../core/mod.ts"
import { storageLevels } from "../../core/receiving/StorageLevel.ts"
import { concat, hash, keyOf, small, type Stream, word } from "./Node.ts"
import { type Operator, operator, partitioners, shuffleText } from "./Operator.ts"

const ordered = { needsOrder: true } as const
const pairs = { onPairs: true } as const
const orderedPairs = { onPairs: true, needsOrder: true } as const

/** As Spark allows, changes its first argument. */
const append = (all: Array<unknown>, more: ReadonlyArray<unknown>) => (all.push(...more), all)

const records: ReadonlyArray<Operator> = [
  operator("map", ({ stream }, { n }) => ({ stream: stream.pipe(DStream.map((r) => [hash(r) % 50, n % 10])) })),
  operator("mapToPair", ({ stream }) => ({
    stream: stream.pipe(DStream.mapToPair((r) => [keyOf(r), hash(r) % 30])),
    isPairs: true
  })),
  operator("flatMap", ({ records, stream }, { n }) => ({
    stream: stream.pipe(DStream.flatMap((r) => Array.from({ length: hash([r, n]) % 3 }, (_, i) => [r, i]))),
    records: records * 2
  })),
  operator("filter", ({ isPairs, stream }, { n }) => ({
    stream: stream.pipe(DStream.filter((r) => hash([r, n]) % 4 !== 0)),
    isPairs
  })),
  operator("mapPartitions", ({ partitions, records, stream }) => ({
    stream: stream.pipe(DStream.mapPartitions((list) => [list.length, ...list.toReversed()])),
    records: records + partitions
  }), ordered),
  operator("glom", ({ stream }) => ({ stream: stream.pipe(DStream.glom) }), ordered),
  operator("repartition", ({ isPairs, stream }, { n }) => ({
    stream: stream.pipe(DStream.repartition(n % 4 + 1)),
    text: `${n % 4 + 1}`,
    isPairs,
    partitions: n % 4 + 1
  }), ordered),
  operator("mapEffect", ({ stream }, { n }) => ({
    stream: stream.pipe(
      DStream.mapEffect((r) => Effect.as(Effect.sleep(hash(r) % 3), [r, n % 7]), { concurrency: n % 3 + 1 })
    )
  })),
  operator("count", ({ stream }) => ({ stream: DStream.count(stream), records: 1, partitions: 1 }), { order: "makes" }),
  operator("countByValue", ({ stream }, { shuffle }) => ({
    stream: stream.pipe(DStream.map(keyOf), DStream.countByValue(shuffle)),
    text: shuffleText(shuffle),
    isPairs: true,
    partitions: 4
  })),
  operator("reduce", ({ stream }) => ({
    stream: stream.pipe(DStream.map(word), DStream.reduce(concat)),
    records: 1,
    partitions: 1
  }), ordered)
]

const levelOf = (n: number) => storageLevels[n % storageLevels.length]!

const kept: ReadonlyArray<Operator> = [
  operator("persist", ({ isPairs, stream }, { n }) => ({
    stream: stream.pipe(DStream.persist(levelOf(n))),
    text: levelOf(n),
    isPairs
  })),
  operator("cache", ({ isPairs, stream }) => ({ stream: DStream.cache(stream), isPairs })),
  operator("unpersist", ({ isPairs, stream }) => ({ stream: DStream.unpersist(stream), isPairs }))
]

const known = (n: number): ReadonlyArray<[unknown, number]> => [["a", n], [1, n + 1], ["a", n + 2], [[1, "x"], n]]

const transforms: ReadonlyArray<(stream: Stream, n: number) => readonly [Stream, string]> = [
  (stream) => [
    stream.pipe(DStream.transform((rdd, { time }) => {
      const moved = rdd.pipe(RDD.map((r): unknown => [time / 1000 % 7, r]))
      return time % 2000 === 0 ? moved : moved.pipe(RDD.union(RDD.of([time % 7, 1, 2], 2)))
    })),
    "other lineage by time"
  ],
  (stream, n) => [
    stream.pipe(DStream.transform((rdd) =>
      rdd.pipe(
        RDD.keyBy(keyOf),
        RDD.mapValues(small),
        RDD.join(RDD.of(known(n), 2), { numPartitions: n % 3 + 1 })
      )
    )),
    "join with a list"
  ],
  (stream, n) => [
    stream.pipe(
      DStream.transform((rdd) =>
        rdd.pipe(
          RDD.map(small),
          RDD.distinct({ numPartitions: 2 }),
          RDD.keyBy((r) => r),
          RDD.sortByKey({ bounds: [3, 6], ascending: n % 2 === 0 })
        )
      )
    ),
    "distinct and sorted"
  ]
]

const byKey: ReadonlyArray<Operator> = [
  operator("transform", ({ records, stream }, { m, n }) => {
    const [made, text] = transforms[m % transforms.length]!(stream, n)
    return { stream: made, text, records: records * 2 + 3, partitions: 12 }
  }, { needsData: true }),
  operator("mapValues", ({ stream }) => ({ stream: stream.pipe(DStream.mapValues(small)), isPairs: true }), pairs),
  operator("flatMapValues", ({ records, stream }) => ({
    stream: stream.pipe(DStream.flatMapValues((value) => [small(value), "more"].slice(hash(value) % 3))),
    isPairs: true,
    records: records * 2
  }), pairs),
  operator("reduceByKey", ({ stream }, { n, shuffle }) => ({
    stream: n % 2 === 0
      ? stream.pipe(DStream.mapValues(word), DStream.reduceByKey(concat, shuffle))
      : stream.pipe(DStream.mapValues(small), DStream.reduceByKey((a, b) => a + b, shuffle)),
    text: `${n % 2 === 0 ? "concat" : "sum"} ${shuffleText(shuffle)}`,
    isPairs: true,
    partitions: 4
  }), orderedPairs),
  operator("combineByKey", ({ stream }, { m, shuffle }) => ({
    stream: stream.pipe(DStream.combineByKey(
      (value: unknown) => [word(value)],
      (all, value) => append(all, [word(value)]) as Array<string>,
      (all, more) => append(all, more) as Array<string>,
      { ...shuffle, mapSideCombine: m % 2 === 0 }
    )),
    text: `${shuffleText(shuffle)}${m % 2 === 0 ? "" : " without map side combine"}`,
    isPairs: true,
    partitions: 4
  }), orderedPairs),
  operator("groupByKey", ({ stream }, { shuffle }) => ({
    stream: stream.pipe(DStream.groupByKey(shuffle)),
    text: shuffleText(shuffle),
    isPairs: true,
    partitions: 4
  }), orderedPairs),
  operator("partitionBy", ({ stream }, { n }) => ({
    stream: stream.pipe(DStream.partitionBy(partitioners[n % 3]!)),
    text: partitioners[n % 3]!.name,
    isPairs: true,
    partitions: 4
  }), pairs)
]

export const plain: ReadonlyArray<Operator> = [...records, ...kept, ...byKey]
