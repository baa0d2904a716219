/**
 * Queue: a stream of data sets that the driver's process puts in a queue, for tests and for programs that feed themselves.
 *
 * The queue lives in the driver; what a batch takes is recorded in its plan, records included. It cannot be read again after the
 * driver is lost. Source: Spark Streaming's `queueStream`.
 */
import { Effect } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import { cut } from "../../core/rdd/RDD.ts"

export interface Options<A> {
  /** Take one data set per batch (default), or all that wait. */
  readonly oneAtATime?: boolean | undefined
  /** The data set of a batch for which nothing waits: empty, unless told otherwise; `null` for none at all. */
  readonly defaultRecords?: ReadonlyArray<A> | null | undefined
  /** Partitions of a data set; 1. */
  readonly numPartitions?: number | undefined
}

/** Each list in `queue` is a data set; batches take them from the front. Add to it while the app runs. */
export const stream = <A>(queue: Array<ReadonlyArray<A>>, options: Options<A> = {}): DStream.DStream<A> => {
  const { oneAtATime = true, numPartitions = 1 } = options
  const take = (): ReadonlyArray<ReadonlyArray<A>> | undefined => {
    const taken = queue.splice(0, oneAtATime ? 1 : queue.length)
    if (taken.length > 0) return taken
    return options.defaultRecords === null ? undefined : [options.defaultRecords ?? []]
  }
  return DStream.fromInput<A, never, never>("queue", {
    kind: "direct",
    planner: Effect.succeed({
      plan: () =>
        Effect.sync(() => {
          const lists = take()
          return lists && {
            records: lists.reduce((sum, list) => sum + list.length, 0),
            partitions: lists.flatMap((list) => cut(list, numPartitions)).map((records) => ({
              kind: "records" as const,
              records
            }))
          }
        })
    }),
    reader: Effect.die(new Error("the records of a queue stream stand in the batch plan"))
  }, { queue, options })
}
