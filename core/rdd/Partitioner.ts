/**
 * Partitioner: which partition a key belongs to. It is part of the lineage, so it must answer alike in every process.
 *
 * `HashPartitioner` spreads by `hashKey`. A partitioner of the user's is asked through `partitionOf`, which holds it to its range.
 * Source: Spark's `Partitioner` and `HashPartitioner`.
 */
import { Schema } from "effect"
import { permanent } from "../protocol/permanent.ts"
import { hashKey } from "./KeyHash.ts"

export interface Partitioner {
  readonly numPartitions: number
  /** The partition of a key, 0 <= p < numPartitions. */
  readonly partition: (key: unknown) => number
  /** Two partitioners with the same name and number of partitions spread keys alike. */
  readonly name: string
}

/** Whether what one of them has spread is spread as the other would. */
export const spreadAlike = (a: Partitioner, b: Partitioner): boolean =>
  a.name === b.name && a.numPartitions === b.numPartitions

/** How many partitions a shuffle may have. */
export const numPartitionsMax = 65_536

/** A partitioner was asked to spread over a number of partitions that cannot be. */
export class InvalidPartitionCount extends Schema.TaggedError<InvalidPartitionCount>()("InvalidPartitionCount", {
  message: Schema.String
}) {}

/** A partitioner gave a partition that does not exist. */
export class PartitionOutOfRange extends Schema.TaggedError<PartitionOutOfRange>()("PartitionOutOfRange", {
  partitioner: Schema.String,
  numPartitions: Schema.Number,
  message: Schema.String
}) {
  get [permanent]() {
    return true
  }
}

/** Spreads keys evenly by their structural hash. Throws `InvalidPartitionCount`. */
export const HashPartitioner = (numPartitions: number): Partitioner => {
  if (!Number.isInteger(numPartitions) || numPartitions < 1 || numPartitions > numPartitionsMax) {
    throw new InvalidPartitionCount({
      message:
        `A HashPartitioner cannot spread over ${numPartitions} partitions: ask for an integer from 1 to ${numPartitionsMax}`
    })
  }
  return { name: "hash", numPartitions, partition: (key) => (hashKey(key) & 0x7fffffff) % numPartitions }
}

/** The partition of a key as the partitioner says, held to its range. Throws `PartitionOutOfRange`. */
export const partitionOf = (partitioner: Partitioner, key: unknown): number => {
  const partition = partitioner.partition(key)
  if (partition >>> 0 === partition && partition < partitioner.numPartitions) return partition
  throw new PartitionOutOfRange({
    partitioner: partitioner.name,
    numPartitions: partitioner.numPartitions,
    message:
      `Partitioner "${partitioner.name}" put a key of type ${key === null ? "null" : typeof key} into partition ` +
      `${String(partition)}: make it answer an integer from 0 to ${partitioner.numPartitions - 1} for every key`
  })
}
