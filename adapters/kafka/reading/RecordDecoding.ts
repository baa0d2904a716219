/**
 * RecordDecoding: the bytes of a fetch to records with keys and values as the program wants them, and what becomes of poison records.
 *
 * The record codec makes all records of a fetch in one pass; the deserializers then work on them in place. A record whose key or value
 * cannot be decoded fails the batch, is left out, or goes to a dead-letter topic before what comes after it is worked on.
 */
import { Effect } from "effect"
import { describeError } from "../../../core/protocol/describeError.ts"
import { permanent } from "../../../core/protocol/permanent.ts"
import type { Fetched } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import type { KafkaRecord } from "../KafkaRecord.ts"
import { decode, type DecodeOptions, type PartFormat } from "../records/decode.ts"
import type { Reading } from "../options.ts"

/** What was fetched of a partition; of its records those from `from` to before `until` are wanted. */
export interface Piece extends Pick<Fetched, "bytes" | "aborted"> {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly until: number
}

export interface DecodedPiece<A> {
  readonly records: ReadonlyArray<A>
  /** All before it is dealt with. */
  readonly next: number
}

export type DecodeRecords<A> = (piece: Piece) => Effect.Effect<DecodedPiece<A>, KafkaError>

/** A record that cannot be decoded, as it is at the broker, and why. */
export interface PoisonRecord {
  readonly record: KafkaRecord
  readonly why: string
}

/** Where poison records go; they are dealt with when it returns. */
export type BuryRecords = (poison: ReadonlyArray<PoisonRecord>) => Effect.Effect<void, KafkaError>

/** `bury`: where poison records go if they are not to fail the batch. */
export const make = <K, V>(reading: Reading<K, V>, bury: BuryRecords | undefined): DecodeRecords<KafkaRecord<K, V>> => {
  const { key, maxBatchBytes: decompressedMax, value } = reading
  const tell = makeTeller()
  return (piece) =>
    Effect.suspend(() => {
      const records: Array<any> = []
      try {
        const options = { ...piece, decompressedMax }
        const { invalid, next } = decode(piece.bytes, { ...options, key: key.reads, value: value.reads }, records)
        const poison = deserialize(records, reading, invalid)
        if (poison.size === 0) return Effect.succeed({ records, next })
        if (reading.onPoison === "fail") return Effect.fail(undecodable(records, poison))
        const rest = { records: records.filter((_, place) => !poison.has(place)), next }
        const left = poisonRecords(piece.bytes, options, poison)
        return Effect.as(Effect.andThen(bury === undefined ? Effect.void : bury(left), tell(left)), rest)
      } catch (error) {
        if (error instanceof KafkaError) return Effect.fail(error)
        throw error
      }
    })
}

/** Decodes keys and values in place; gives the places of those that cannot be, in order, and why. */
function deserialize(
  records: Array<{ key: unknown; value: unknown }>,
  { key, value }: Reading,
  invalid: ReadonlyArray<number>
): ReadonlyMap<number, string> {
  const poison = new Map<number, string>()
  for (const place of invalid) poison.set(place, "it is not UTF-8")
  const decodeKey = key.decode
  const decodeValue = value.decode
  if (decodeKey === undefined && decodeValue === undefined) return poison
  for (let place = 0; place < records.length; place++) {
    const record = records[place]!
    let part = "key"
    try {
      if (decodeKey !== undefined && record.key !== null) record.key = decodeKey(record.key)
      part = "value"
      if (decodeValue !== undefined && record.value !== null) record.value = decodeValue(record.value)
    } catch (error) {
      poison.set(place, `its ${part}: ${describeError(error)}`)
    }
  }
  return new Map(Array.from(poison).sort(([a], [b]) => a - b))
}

/** Poison records again, as bytes. Read in the same way all records have the places that they had. */
const poisonRecords = (
  bytes: Uint8Array,
  options: Omit<DecodeOptions<PartFormat, PartFormat>, "key" | "value">,
  poison: ReadonlyMap<number, string>
): ReadonlyArray<PoisonRecord> => {
  const raw: Array<KafkaRecord> = []
  decode(bytes, { ...options, key: "bytes", value: "bytes" }, raw)
  return Array.from(poison, ([place, why]) => ({ record: raw[place]!, why }))
}

const undecodable = (
  records: ReadonlyArray<KafkaRecord<any, any>>,
  poison: ReadonlyMap<number, string>
): KafkaError => {
  const [[place, why]] = poison as unknown as Iterable<[number, string]> & [[number, string]]
  const { offset, partition, topic } = records[place]!
  const message =
    `The record at offset ${offset} of ${topic}/${partition} cannot be decoded, ${why}: correct who writes it or how it ` +
    `is decoded, or say what shall become of such records with onPoison: "skip" or { deadLetterTopic }`
  return Object.assign(new KafkaError({ reason: "Undecodable", topic, partition, offset, message }), {
    [permanent]: true
  })
}

/** Counts, and tells when the count has doubled: a topic full of poison does not fill the log. */
const makeTeller = () => {
  let count = 0
  let tellAt = 1
  return (poison: ReadonlyArray<PoisonRecord>): Effect.Effect<void> =>
    Effect.suspend(() => {
      count += poison.length
      if (count < tellAt) return Effect.void
      tellAt = 2 * count
      const { record: { offset, partition, topic }, why } = poison[0]!
      return Effect.logWarning(
        `${count} records could not be decoded and were left out so far, now the one at offset ${offset} of ${topic}/${partition}, ${why}`
      )
    })
}
