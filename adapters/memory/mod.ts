/**
 * Memory: inputs that are part of the program itself, for tests, benchmarks and examples.
 *
 * Their records are a function of the batch, the same in every process that loads the program, so nothing has to travel and any
 * batch can be read again.
 */
import { Effect } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import { chunkOf } from "../../core/dstream/InputDStream.ts"
import { cut } from "../../core/rdd/RDD.ts"
import type { Time } from "../../core/time/Time.ts"

export { testReceiver, type Timed, timed } from "./TestReceiver.ts"

/** Which part of the stream is asked for. */
export interface Part {
  /** 0 for the first batch after zero time. */
  readonly batch: number
  readonly time: Time
  readonly partition: number
}

/** A stream whose partitions are what `read` gives; it has to give the same whenever it is asked. */
export const stream = <A>(options: {
  readonly numPartitions: number
  readonly read: (part: Part) => ReadonlyArray<A>
  /** How many records a partition has, for what listeners are told; without it, `read` is asked. */
  readonly records?: (part: Part) => number
}): DStream.DStream<A> =>
  DStream.fromInput<A, never, never>("memory", {
    kind: "direct",
    planner: Effect.succeed({
      plan: ({ time, zeroTime, batchMillis }) =>
        Effect.sync(() => {
          const batch = (time - zeroTime) / batchMillis - 1
          const records = Array.from({ length: options.numPartitions }, (_, partition) => {
            const part = { batch, time, partition }
            return options.records?.(part) ?? options.read(part).length
          })
          return {
            records: records.reduce((a, b) => a + b, 0),
            partitions: records.map((count) => ({ kind: "source" as const, value: batch, records: count }))
          }
        })
    }),
    reader: Effect.succeed({
      read: ({ value, time, partition }) =>
        Effect.sync(() => chunkOf(options.read({ batch: value as number, time, partition })))
    })
  }, options)

/**
 * One list per batch, cut into partitions in order; empty batches afterwards. `undefined` (or null) in the place of a list:
 * no data set at that time.
 */
export const batches = <A>(
  lists: ReadonlyArray<ReadonlyArray<A> | undefined | null>,
  numPartitions = 1
): DStream.DStream<A> => {
  const parts = lists.map((list) => list && cut(list, numPartitions))
  const empty: ReadonlyArray<A> = []
  return DStream.fromInput<A, never, never>("batches", {
    kind: "direct",
    planner: Effect.succeed({
      plan: ({ time, zeroTime, batchMillis }) =>
        Effect.sync(() => {
          const batch = (time - zeroTime) / batchMillis - 1
          if (batch < parts.length && !parts[batch]) return undefined
          const partitions = Array.from({ length: numPartitions }, (_, partition) => ({
            kind: "source" as const,
            value: batch,
            records: (parts[batch]?.[partition] ?? empty).length
          }))
          return { records: partitions.reduce((sum, part) => sum + part.records, 0), partitions }
        })
    }),
    reader: Effect.succeed({
      read: ({ value, partition }) => Effect.sync(() => chunkOf(parts[value as number]?.[partition] ?? empty))
    })
  }, { lists, numPartitions })
}
