/**
 * Partitioner: which partition a key belongs to.
 */

export interface Partitioner {
  readonly numPartitions: number
  /** The partition of a key, 0 <= p < numPartitions. */
  readonly partition: (key: unknown) => number
  /** Two partitioners with the same name and number of partitions spread keys alike. */
  readonly name: string
}
