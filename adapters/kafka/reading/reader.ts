/**
 * reader: what reads ranges of offsets in an executor, for the direct stream and for batch reading: one connection, which lives as long as
 * the executor.
 */
import { Effect, type Scope } from "effect"
import type { InputReader } from "../../../core/dstream/InputDStream.ts"
import { ConnectKafka, type KafkaCluster } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { KafkaRecord } from "../KafkaRecord.ts"
import * as DeadLetters from "./DeadLetters.ts"
import type { OffsetRange } from "./OffsetRange.ts"
import type { Reading } from "../options.ts"
import { Outage } from "./Outage.ts"
import * as RangeReader from "./RangeReader.ts"
import * as RecordDecoding from "./RecordDecoding.ts"

/** A connection, and how what is fetched over it becomes records. */
export interface Connected<K, V> {
  readonly cluster: KafkaCluster
  readonly decode: RecordDecoding.DecodeRecords<KafkaRecord<K, V>>
}

export const connect = Effect.fnUntraced(function* <K, V>(
  reading: Reading<K, V>,
  outage: Outage
): Effect.fn.Return<Connected<K, V>, KafkaError, Scope.Scope> {
  const cluster = yield* (yield* ConnectKafka)(reading.connection)
  const { maxUnavailableMillis, onPoison } = reading
  const bury = typeof onPoison === "string"
    ? undefined
    : DeadLetters.make({ cluster, outage, topic: onPoison.deadLetterTopic, maxUnavailableMillis })
  return { cluster, decode: RecordDecoding.make(reading, bury) }
})

export const make = Effect.fnUntraced(function* <K, V>(
  reading: Reading<K, V>
): Effect.fn.Return<InputReader<KafkaRecord<K, V>, KafkaError>, KafkaError, Scope.Scope> {
  const outage = new Outage("what reads from there waits until it answers")
  const connected = yield* connect(reading, outage)
  const densities = new Map<string, number>()
  return {
    read: ({ value }) =>
      Effect.try({
        try: () => RangeReader.make({ ...connected, reading, outage, densities }, value as OffsetRange),
        catch: (error) => error as KafkaError
      })
  }
})
