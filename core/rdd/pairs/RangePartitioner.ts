/**
 * RangePartitioner: partitions that are ranges of keys, so that sorting each sorts all of them.
 *
 * Bound i is the last key that belongs to partition i; what is beyond all bounds goes to one partition more. Spark samples the
 * data to find bounds; here nothing runs while a batch is planned, and a partitioner has to be the same in every process: the
 * program says them. Source: Spark's `RangePartitioner`.
 */
import { Schema } from "effect"
import { digest } from "../../protocol/Digest.ts"
import { describeValue } from "../../protocol/describeValue.ts"
import { canonicalKey } from "../KeyHash.ts"
import { InvalidPartitionCount, numPartitionsMax, type Partitioner } from "../Partitioner.ts"
import { compareKeys } from "./KeyOrder.ts"

/** Bounds that are in no strictly ascending order. */
export class InvalidBounds extends Schema.TaggedError<InvalidBounds>()("InvalidBounds", { message: Schema.String }) {}

/**
 * Ranges in the default order of keys, up to and including each bound, and one beyond; bounds ascend strictly, whatever
 * `ascending` says, which is true unless told otherwise: the highest range comes first where it is false.
 * Throws `InvalidBounds`, `InvalidPartitionCount`, and `UnhashableKey` of a bound that is no key.
 */
export const RangePartitioner = (
  bounds: ReadonlyArray<unknown>,
  options: { readonly ascending?: boolean | undefined } = {}
): Partitioner => {
  const ascending = options.ascending ?? true
  return byRange(`range ${ascending ? "up" : "down"} ${digest(canonicalKey(bounds))}`, bounds, ascending, compareKeys)
}

/** Ranges in an order of the user's; the name has to tell the order too where the partitioner is handed on. */
export const byRange = (
  name: string,
  bounds: ReadonlyArray<unknown>,
  ascending: boolean,
  compare: (a: any, b: any) => number
): Partitioner => {
  if (bounds.length >= numPartitionsMax) {
    throw new InvalidPartitionCount({
      message:
        `${bounds.length} bounds make more ranges than the ${numPartitionsMax} partitions that can be: give fewer`
    })
  }
  const wrong = bounds.findIndex((bound, i) => i > 0 && !(compare(bounds[i - 1], bound) < 0))
  if (wrong > 0) {
    throw new InvalidBounds({
      message: `Bound ${wrong}, ${describeValue(bounds[wrong])}, does not come after the one before it, ` +
        `${describeValue(bounds[wrong - 1])}: give the bounds in strictly ascending order, also for a descending sort`
    })
  }
  const last = bounds.length
  return {
    name,
    numPartitions: last + 1,
    partition: (key) => {
      let low = 0
      let high = last
      while (low < high) {
        const middle = (low + high) >>> 1
        if (compare(bounds[middle], key) < 0) low = middle + 1
        else high = middle
      }
      return ascending ? low : last - low
    }
  }
}
