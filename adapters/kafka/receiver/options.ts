/**
 * The options of a receiver with nothing left out, and what is wrong with them, told where the program is built.
 */
import { describeValue } from "../../../core/protocol/describeValue.ts"
import { type Millis, millisOf } from "../../../core/time/Time.ts"
import { type GroupStreamOptions, type Reading, readingOf, validate } from "../options.ts"
import type { OffsetAt } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"

export interface GroupOptions<K, V> {
  readonly reading: Reading<K, V>
  readonly group: string
  readonly topics: ReadonlyArray<string>
  readonly start: OffsetAt
  readonly gatherMillis: Millis
  readonly sessionMillis: Millis
  readonly rebalanceMillis: Millis
}

/** Throws a KafkaError (Options). */
export const groupOptionsOf = <K, V>(options: GroupStreamOptions<K, V>): GroupOptions<K, V> => {
  const given: Readonly<Record<string, unknown>> = { ...options }
  validate(given, ["topics", "group"])
  if (given["topics"] instanceof RegExp) throw refusal("topics are names, not a pattern", given["topics"])
  if (given["partitions"] !== undefined) {
    throw refusal("partitions are given by the group: leave the option out", given["partitions"])
  }
  const start: OffsetAt | { readonly offsets: unknown } = options.start ?? "latest"
  if (typeof start === "object" && "offsets" in start) {
    throw refusal("start is about partitions of which the group has committed nothing, and cannot be offsets", start)
  }
  const { gatherInterval = "100 millis", rebalanceTimeout = "1 minute", sessionTimeout = "45 seconds" } = options
  return {
    group: options.group,
    topics: typeof options.topics === "string" ? [options.topics] : [...new Set(options.topics)],
    reading: readingOf(options),
    start,
    gatherMillis: millisOf(gatherInterval),
    sessionMillis: millisOf(sessionTimeout),
    rebalanceMillis: millisOf(rebalanceTimeout)
  }
}

const refusal = (rule: string, value: unknown): KafkaError =>
  new KafkaError({
    reason: "Options",
    message: `Of a receiver of Kafka ${rule}, and is ${describeValue(value)}; Kafka.directStream takes it`
  })
