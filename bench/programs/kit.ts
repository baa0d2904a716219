/**
 * What the programs of the workloads share.
 */
import * as Memory from "../../adapters/memory/mod.ts"
import { lines } from "../data.ts"

export { DStream, StateSpec, StreamingApp } from "../../core/mod.ts"
export { Memory }

/** Of programs that are measured at full load: a batch is always due. */
export const fullLoad = { batchDuration: "20 millis", settings: { missedTicks: "coalesce" } } as const

/** As `fullLoad`, and no tick is left out: of programs whose batches are counted. */
export const everyTick = { batchDuration: "20 millis", settings: { missedTicks: "replay" } } as const

/** Every ten batches, as Spark does. */
export const checkpointInterval = "200 millis"

export const add = (a: number, b: number): number => a + b

/** So many lines a batch in each of two partitions. */
export const lineStream = (perPartition: number) =>
  Memory.stream({
    numPartitions: 2,
    read: ({ partition }) => linesOf(partition, perPartition),
    records: () => perPartition
  })

const made = new Map<string, ReadonlyArray<string>>()

/** Lines of data set 42, made once in the process or thread that reads them. */
export const linesOf = (partition: number, count: number): ReadonlyArray<string> => {
  const key = `${partition}/${count}`
  const known = made.get(key)
  if (known !== undefined) return known
  const fresh = lines(42, partition, count)
  made.set(key, fresh)
  return fresh
}

/** What the outputs of a program add up to in the driver: the loop written by hand has to come to the same. */
export const checked = { sum: 0 }

export const check = (value: number): void => void (checked.sum += value)
