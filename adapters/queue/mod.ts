/**
 * Queue: a stream of data sets that the driver's process puts in a queue, for tests and for programs that feed themselves.
 *
 * The queue lives in the driver; what a batch takes is recorded in its plan, records included. It cannot be read again after the
 * driver is lost. Source: Spark Streaming's `queueStream`.
 */
import { Effect, Schema } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import { describeValue } from "../../core/protocol/describeValue.ts"
import { cut } from "../../core/rdd/RDD.ts"

export interface Options<A> {
  /** Take one data set per batch (default), or all that wait. */
  readonly oneAtATime?: boolean | undefined
  /** The data set of a batch for which nothing waits: empty, unless told otherwise; `null` for none at all. */
  readonly defaultRecords?: ReadonlyArray<A> | null | undefined
  /** Partitions of a data set; 1. */
  readonly numPartitions?: number | undefined
}

/** What is given as a queue, or was put in it, is no list of records. */
export class InvalidQueue extends Schema.TaggedError<InvalidQueue>()("InvalidQueue", { message: Schema.String }) {}

/**
 * Each list in `queue` is a data set; batches take them from the front, in order. Add to it while the app runs. What is no list
 * fails the batch that would take it, and is gone from the queue. Throws `InvalidQueue` if there is no queue.
 */
export const stream = <A>(queue: Array<ReadonlyArray<A>>, options: Options<A> = {}): DStream.DStream<A> => {
  validate(queue, options)
  const { oneAtATime = true, numPartitions = 1 } = options
  const take = (): ReadonlyArray<ReadonlyArray<A>> | undefined => {
    const taken = queue.splice(0, oneAtATime ? 1 : queue.length)
    const wrong = taken.findIndex((list) => !Array.isArray(list))
    if (wrong !== -1) {
      queue.unshift(...taken.filter((_, index) => index !== wrong))
      throw invalid("A data set in the queue", taken[wrong], "push a list of records, queue.push([record])")
    }
    if (taken.length > 0) return taken
    return options.defaultRecords === null ? undefined : [options.defaultRecords ?? []]
  }
  return DStream.fromInput<A, never, never>("queue", {
    kind: "direct",
    inProcess: true,
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

/** Programs are not always type-checked before they run. */
const validate = (queue: unknown, options: Options<unknown>): void => {
  if (!Array.isArray(queue)) throw invalid("The queue", queue, "give an array of lists of records")
  const { defaultRecords } = options
  if (defaultRecords !== undefined && defaultRecords !== null && !Array.isArray(defaultRecords)) {
    throw invalid("The default data set", defaultRecords, "give a list of records, or null for none")
  }
}

const invalid = (what: string, value: unknown, remedy: string) =>
  new InvalidQueue({ message: `${what} is ${describeValue(value)}, not an array: ${remedy}` })
