/**
 * Partitioning: by which partitioner several RDDs of pairs are brought together, and a shuffle only where there is need of one.
 *
 * What is spread by a partitioner of the same name and number is spread alike, and stays where it is.
 * Source: Spark's `Partitioner.defaultPartitioner`.
 */
import { HashPartitioner, type Partitioner } from "../Partitioner.ts"
import { type AnyRDD, partitionBy, type RDD, type ShuffleOptions } from "../RDD.ts"

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

/** Pairs where the partitioner says their key belongs: the RDD itself, if they are there already. */
export const spreadBy = (partitioner: Partitioner) => <K, V>(self: RDD<readonly [K, V]>): RDD<readonly [K, V]> =>
  self.partitioner?.name === partitioner.name && self.partitioner.numPartitions === partitioner.numPartitions
    ? self
    : partitionBy(partitioner)(self)
