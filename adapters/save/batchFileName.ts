/**
 * batchFileName: how a saved batch is called: `prefix-TIME.suffix`, with the batch time in milliseconds; an empty prefix or suffix
 * drops its separator too. Source: Spark Streaming's `StreamingContext.rddToFileName`.
 */
import type { Time } from "../../core/time/Time.ts"

export const batchFileName = (
  prefix: string | null | undefined,
  suffix: string | null | undefined,
  time: Time
): string => (isEmpty(prefix) ? "" : `${prefix}-`) + time + (isEmpty(suffix) ? "" : `.${suffix}`)

const isEmpty = (text: string | null | undefined): boolean => text === "" || text === null || text === undefined

/** Spark's name of a partition's file. */
export const partFileName = (partition: number): string => `part-${String(partition).padStart(5, "0")}`
