/**
 * Partitioning: by which partitioner several RDDs of pairs are brought together.
 *
 * Source: Spark's `Partitioner.defaultPartitioner`.
 */
import { HashPartitioner, type Partitioner } from "../Partitioner.ts"
import type { AnyRDD, ShuffleOptions } from "../RDD.ts"

/**
 * The one that is asked for; else a hash over as many partitions as are asked for; else that of the parents which has the most
 * partitions, unless a parent has ten times as many; else a hash over as many partitions as the largest parent has.
 */
export const defaultPartitioner = (
  parents: ReadonlyArray<AnyRDD>,
  options: ShuffleOptions | undefined
): Partitioner => {
  if (options?.partitioner !== undefined) return options.partitioner
  if (options?.numPartitions !== undefined) return HashPartitioner(options.numPartitions)
  let most = 1
  let widest: Partitioner | undefined
  for (const { numPartitions, partitioner } of parents) {
    most = Math.max(most, numPartitions)
    if (partitioner !== undefined && partitioner.numPartitions > (widest?.numPartitions ?? 0)) widest = partitioner
  }
  return widest !== undefined && most < 10 * widest.numPartitions ? widest : HashPartitioner(most)
}
