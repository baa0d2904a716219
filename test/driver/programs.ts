/**
 * Random programs: an input and a chain of operators, for comparing runs with the model and with each other.
 *
 * Every function is deterministic and free of state, so that a program is what its numbers say.
 */
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import * as Memory from "../../adapters/memory/mod.ts"
import * as Queue from "../../adapters/queue/mod.ts"
import { DStream, HashPartitioner, RDD } from "../../core/mod.ts"

type Step = (self: DStream.DStream<any>) => DStream.DStream<any>

/** A number of any record. */
const size = (record: unknown): number => typeof record === "number" ? Math.abs(record) : JSON.stringify(record).length

const pairs = DStream.mapToPair((record: unknown) => [`key ${size(record) % 4}`, record])

/** Some of the keys of `pairs`, and others. */
const otherPairs = DStream.mapToPair((record: unknown) => [`key ${size(record) % 3 + 2}`, record])

/** So few of each partition that a join of many with many stays small. */
const few = DStream.mapPartitions((records: ReadonlyArray<any>) => records.slice(0, 2))

/** Changes each batch, and is recorded with it. */
export const offset = (time: number): number => (time / 1000) % 7

export const steps: ReadonlyArray<Step> = [
  DStream.map((record) => [size(record), record]),
  DStream.filter((record) => size(record) % 3 !== 0),
  DStream.flatMap((record) => [record, size(record)]),
  DStream.mapPartitions((records) => [records.length, ...records]),
  DStream.mapEffect((record) => Effect.as(Effect.sleep(size(record) % 3), size(record)), { concurrency: 3 }),
  DStream.glom,
  DStream.repartition(3),
  DStream.count,
  DStream.countByValue(),
  DStream.reduce((a, b) => size(a) + size(b)),
  (self) => self.pipe(DStream.union(self.pipe(DStream.map((record) => -size(record))))),
  (self) => self.pipe(pairs, DStream.groupByKey({ numPartitions: 2 })),
  (self) => self.pipe(pairs, DStream.mapValues(size), DStream.reduceByKey((a, b) => a + b)),
  (self) => self.pipe(pairs, DStream.flatMapValues((record) => [record, size(record)]), DStream.groupByKey()),
  (self) =>
    self.pipe(
      pairs,
      // Combiners that change their first argument, as they may.
      DStream.combineByKey(
        (record: unknown) => [record],
        (all, record) => (all.push(record), all),
        (all, more) => (all.push(...more), all)
      )
    ),
  DStream.transform(
    (rdd, { time, sideValues }) => {
      const moved = rdd.pipe(RDD.map((record) => [sideValues.offset, record]))
      return time % 2000 === 0 ? moved : moved.pipe(RDD.union(RDD.of([time, 1, 2], 2)))
    },
    {
      sideValues: {
        offset: DStream.sideValue(
          Effect.map(Effect.clockWith((clock) => clock.currentTimeMillis), offset),
          Schema.Number
        )
      }
    }
  ),
  DStream.cache,
  DStream.persist("DISK_ONLY"),
  (self) => self.pipe(pairs, DStream.partitionBy(HashPartitioner(2)), DStream.cache, DStream.mapValues(size)),
  (self) => self.pipe(pairs, DStream.cogroup(self.pipe(few, otherPairs))),
  (self) => self.pipe(few, pairs, DStream.join(self.pipe(few, otherPairs), { numPartitions: 2 })),
  (self) => {
    // Spread as the join wants it, and read where it is.
    const sums = self.pipe(pairs, DStream.mapValues(size), DStream.reduceByKey((a, b) => a + b))
    return sums.pipe(DStream.fullOuterJoin(self.pipe(few, otherPairs)), DStream.rightOuterJoin(sums))
  },
  (self) =>
    self.pipe(
      few,
      DStream.transformWith(self, (rdd, that, { time }) =>
        rdd.pipe(
          RDD.keyBy(size),
          RDD.leftOuterJoin(RDD.keyBy(() => time / 1000)(that), { numPartitions: 3 })
        ))
    ),
  (self) =>
    DStream.transformAll(
      [self, self.pipe(DStream.count)],
      ([rdd, counts]) =>
        rdd.pipe(RDD.map(size), RDD.union(counts), RDD.distinct({ numPartitions: 2 }), RDD.sortBy((n) => n))
    ),
  DStream.transform((rdd) => rdd.pipe(RDD.keyBy(size), RDD.sortByKey({ bounds: [2, 9], ascending: false })))
]

export interface Program {
  /** Steps by number. */
  readonly chain: ReadonlyArray<number>
  /** Where the second output leaves the chain. */
  readonly fork: number
  readonly batches: ReadonlyArray<ReadonlyArray<number | string>>
  readonly numPartitions: number
  /** The records stand in the plan; else every process makes them itself. */
  readonly queue: boolean
}

export const program: fc.Arbitrary<Program> = fc.record({
  chain: fc.array(fc.nat(steps.length - 1), { minLength: 1, maxLength: 6 }),
  fork: fc.nat(5),
  batches: fc.array(
    fc.array(fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constantFrom("to", "be", "or", "not")), { maxLength: 12 }),
    {
      minLength: 1,
      maxLength: 4
    }
  ),
  numPartitions: fc.integer({ min: 1, max: 4 }),
  queue: fc.boolean()
})

/** The streams of both outputs; each call makes them anew, as every process does. */
export const streamsOf = (
  { chain, fork, batches, numPartitions, queue }: Program
): ReadonlyArray<DStream.DStream<any>> => {
  const input: DStream.DStream<any> = queue
    ? Queue.stream([...batches], { numPartitions })
    : Memory.batches(batches, numPartitions)
  const streams = [input]
  for (const step of chain) streams.push(steps[step]!(streams.at(-1)!))
  return [streams.at(-1)!, streams[Math.min(fork, chain.length)]!]
}
