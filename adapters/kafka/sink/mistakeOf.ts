/**
 * mistakeOf: what is wrong with the options of a sink. Types tell it; programs without types are told here, where they are loaded.
 */
import { connectionMistake, connectionOptions, unknownOption } from "../connectionMistake.ts"
import type { KafkaConnection } from "../KafkaConnection.ts"
import type { KafkaSinkOptions } from "./sink.ts"
import { describeValue } from "../../../core/protocol/describeValue.ts"
import { millisOrNaN } from "../../../core/time/Time.ts"
import { compressions } from "../records/RecordBatch.ts"

const functions = ["key", "headers", "timestamp", "partition"] as const
const durations = ["deliveryTimeout", "transactionTimeout"] as const

/** Brokers take no topic of another name. */
const topicName = /^[A-Za-z0-9._-]{1,249}$/

const optionNames: ReadonlyArray<string> = [
  ...connectionOptions,
  ...Object.keys(
    {
      topic: true,
      compression: true,
      batchBytes: true,
      deliveryTimeout: true,
      transactionTimeout: true,
      value: true,
      key: true,
      headers: true,
      timestamp: true,
      partition: true,
      guarantee: true
    } satisfies Record<Exclude<keyof KafkaSinkOptions<unknown>, keyof KafkaConnection> | "guarantee", true>
  )
]

export const mistakeOf = (options: { readonly [name: string]: any }): string | undefined => {
  const { batchBytes, compression, guarantee, topic, value } = options
  const mistake = connectionMistake(options) ?? unknownOption(options, optionNames)
  if (mistake !== undefined) return mistake
  if (typeof topic !== "string" || !topicName.test(topic)) {
    return `topic is ${describeValue(topic)}; give its name: letters, digits, ".", "_" and "-"`
  }
  if (typeof value !== "function") {
    return `value is ${describeValue(value)}; give a function from a record to a text, a Uint8Array or null`
  }
  const noFunction = functions.find((name) => options[name] !== undefined && typeof options[name] !== "function")
  if (noFunction !== undefined) {
    return `${noFunction} is ${describeValue(options[noFunction])}; give a function of the record`
  }
  if (compression !== undefined && !compressions.includes(compression)) {
    return `compression is ${describeValue(compression)}; there are ${compressions.join(", ")}`
  }
  if (guarantee !== undefined && guarantee !== "transactional" && guarantee !== "at-least-once") {
    return `guarantee is ${describeValue(guarantee)}; give "transactional" or "at-least-once"`
  }
  if (batchBytes !== undefined && !(Number.isInteger(batchBytes) && batchBytes > 0)) {
    return `batchBytes is ${describeValue(batchBytes)}; give a whole number of bytes`
  }
  const noDuration = durations.find((name) => options[name] !== undefined && !(millisOrNaN(options[name]) > 0))
  return noDuration === undefined
    ? undefined
    : `${noDuration} is ${describeValue(options[noDuration])}; give a duration such as "1 minute"`
}
