/**
 * produceApi: the Produce request, version 9, for one record batch that is encoded already. All replicas in sync must have it.
 */
import { Buffer } from "node:buffer"
import type { API, Reader } from "@platformatic/kafka"
import type { Package } from "./platformatic.ts"

export interface ProduceArguments {
  readonly topic: string
  readonly partition: number
  readonly batch: Uint8Array
  readonly transactionalId: string | null
  /** How long the leader may wait for the other replicas. */
  readonly timeoutMillis: number
}

export interface ProduceAnswer {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly baseOffset: bigint
}

const allInSync = -1

export const produceApi = ({ createAPI, Writer }: Package): API<[ProduceArguments], ProduceAnswer> =>
  createAPI(
    0,
    9,
    ({ batch, partition, timeoutMillis, topic, transactionalId }: ProduceArguments) =>
      Writer.create()
        .appendString(transactionalId)
        .appendInt16(allInSync)
        .appendInt32(timeoutMillis)
        .appendArray([topic], (writer, name) => {
          writer.appendString(name).appendArray([partition], (writer, number) => {
            writer.appendInt32(number).appendBytes(Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength))
          })
        })
        .appendTaggedFields(),
    (_correlation, _key, _version, reader) => answerOf(reader)
  )

const answerOf = (reader: Reader): ProduceAnswer => {
  const partitions = reader.readArray((reader) => {
    reader.readString()
    return reader.readArray(partitionOf)
  }).flat()
  if (partitions.length !== 1) throw new RangeError(`${partitions.length} partitions instead of one`)
  return partitions[0]!
}

const partitionOf = (reader: Reader): ProduceAnswer => {
  reader.readInt32() // its number
  const errorCode = reader.readInt16()
  const baseOffset = reader.readInt64()
  reader.readInt64() // when it was appended
  reader.readInt64() // where the log starts
  const recordErrors = reader.readArray((reader) => {
    reader.readInt32() // the record's place in the batch
    return reader.readNullableString()
  })
  const errorMessage = reader.readNullableString() ?? recordErrors.find((message) => message !== null) ?? null
  return { errorCode, errorMessage, baseOffset }
}
