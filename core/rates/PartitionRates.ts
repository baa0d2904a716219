/**
 * PartitionRates: how many records a batch may take of each partition of an input that is read by position, such as a topic.
 *
 * The rate of the whole input is shared among its partitions by their lag, and each share is held below the partition's own
 * maximum; without a rate the maximum alone counts. Shares are real numbers, cut to whole records after they were multiplied
 * with the batch's length; whatever the share, a partition may give `minRecords`. Source: Spark Streaming's
 * `DirectKafkaInputDStream.maxMessagesPerPartition`, which holds back partitions without a maximum where others have one.
 */
import type { Millis } from "../time/Time.ts"

export interface PartitionRates<Partition> {
  readonly batchMillis: Millis
  /** Records a second of the whole input; undefined, or not above zero: no limit of this kind. */
  readonly rate: number | undefined
  /** Records that wait in each partition; fewer than none are none. */
  readonly lags: ReadonlyMap<Partition, number>
  /** Records a second of a partition; undefined, or not above zero: no limit of this kind. */
  readonly maxRate: (partition: Partition) => number | undefined
  /** Records that a batch may always take of a partition. 1. (`spark.streaming.kafka.minRatePerPartition`) */
  readonly minRecords?: number | undefined
}

/** The most records of each partition; one that is not named may give all it has. */
export const maxRecordsPerPartition = <Partition>(
  { batchMillis, rate, lags, maxRate, minRecords = 1 }: PartitionRates<Partition>
): ReadonlyMap<Partition, number> => {
  const waiting = [...lags].map(([partition, lag]) => [partition, Math.max(0, lag)] as const)
  const total = waiting.reduce((sum, [, lag]) => sum + lag, 0)
  const limits = new Map<Partition, number>()
  for (const [partition, lag] of waiting) {
    const own = aboveZero(maxRate(partition))
    const share = aboveZero(rate) === undefined || total === 0 ? undefined : lag / total * rate!
    const limit = share === undefined ? own : Math.min(share, own ?? Infinity)
    if (limit !== undefined) limits.set(partition, Math.max(minRecords, Math.floor(batchMillis / 1000 * limit)))
  }
  return limits
}

const aboveZero = (rate: number | undefined): number | undefined => rate !== undefined && rate > 0 ? rate : undefined
