/**
 * Functions of the area kafka.
 */
import { Effect } from "effect"
import { describe, largestUntil } from "../../../adapters/kafka/reading/OffsetRange.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import { maxRecordsPerPartition } from "../../../core/rates/PartitionRates.ts"
import { DStream } from "../../../core/mod.ts"
import { batchMsDefault, runOutputs } from "../pipelines/run.ts"
import { type Json, onlyFields } from "../Vector.ts"
import { type Call, of } from "./call.ts"

const perPartition = (value: Json, partition: string): number | undefined =>
  typeof value === "object" ? value[partition] : value

/** Below zero there is no estimate yet. */
const maxMessagesPerPartition = (one: Json): unknown => {
  onlyFields("a case", one, [
    "batchMs",
    "estimatedRate",
    "initialRate",
    "maxRate",
    "minRate",
    "current",
    "latest",
    "expect"
  ])
  const { batchMs, current, estimatedRate, initialRate, latest, maxRate, minRate } = one
  const lags = new Map(Object.entries<number>(latest).map(([partition, end]) => [partition, end - current[partition]]))
  const limits = maxRecordsPerPartition({
    batchMillis: batchMs,
    rate: estimatedRate === null ? undefined : estimatedRate < 0 ? initialRate : estimatedRate,
    lags,
    maxRate: (partition) => perPartition(maxRate, partition),
    minRecords: minRate
  })
  return limits.size === 0 ? null : Object.fromEntries(limits)
}

/** How many elements each partition gives, by a real take: they are in order, so what came of each is known. */
const takePlan = (count: number, sizes: ReadonlyArray<number>) => {
  const taken: Record<string, number> = {}
  const stream = Memory.stream({
    numPartitions: sizes.length,
    read: ({ partition }) => Array.from({ length: sizes[partition]! }, () => partition)
  })
  const output = stream.pipe(DStream.foreachBatch((batch) =>
    Effect.map(batch.take(count), (partitions) => {
      for (const partition of partitions) taken[partition] = (taken[partition] ?? 0) + 1
    })
  ))
  return Effect.as(runOutputs([output], { batchMs: batchMsDefault, batches: 1 }), taken)
}

export const kafkaCalls: Readonly<Record<string, Call>> = {
  maxMessagesPerPartition: of(maxMessagesPerPartition),
  commit: of((ranges) =>
    Object.fromEntries(largestUntil(ranges).map(({ offset, partition, topic }) => [`${topic}-${partition}`, offset]))
  ),
  describe: of((ranges) => describe(ranges)),
  takePlan: of((count, sizes) => takePlan(count, sizes))
}
