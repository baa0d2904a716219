/**
 * KafkaRecord: a record as programs see it, whoever read it: the direct stream, the receiver or a batch reading. Plain data.
 */
import type { Millis } from "../../core/time/Time.ts"

/** A key may be there more than once; the order is kept. */
export interface KafkaHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface KafkaRecord<K = Uint8Array, V = Uint8Array> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** When it was made, or, where the topic says so, appended. -1: it has none. */
  readonly timestamp: Millis
  readonly key: K | null
  /** null: a tombstone. */
  readonly value: V | null
  readonly headers: ReadonlyArray<KafkaHeader>
}
