/**
 * The same lines again and again into a topic by plain idempotent producers, on one thread. There are two, side by side: one encodes while the
 * other waits for its answer, and each keeps its own order.
 */
import { Producer, stringSerializers } from "@platformatic/kafka"
import { lines } from "../data.ts"
import type { Topic } from "./fetchLoop.ts"

/** 900 kB: about as many as one batch takes, of which a broker accepts 1 MiB. */
const perSend = 9000
const partitions = 4

export interface Rounds {
  readonly warmup: number
  readonly measured: number
  /** Of one round. */
  readonly records: number
}

/** Returns the milliseconds of each measured round: from its first send to its last answer. */
export const produceRounds = async (
  { bootstrapBrokers, topic }: Topic,
  { measured, records, warmup }: Rounds
): Promise<ReadonlyArray<number>> => {
  const all = lines(42, 0, records)
  const producers = [0, 1].map(() =>
    new Producer({ clientId: "bench", bootstrapBrokers, serializers: stringSerializers, idempotent: true })
  )
  const millis: Array<number> = []
  for (let round = 0; round < warmup + measured; round++) {
    const began = performance.now()
    let sends = 0
    await Promise.all(producers.map(async (producer) => {
      while (sends * perSend < records) {
        const at = sends * perSend
        const partition = sends++ % partitions
        const messages = all.slice(at, at + perSend).map((value) => ({ topic, partition, value }))
        await producer.send({ messages })
      }
    }))
    if (round >= warmup) millis.push(performance.now() - began)
  }
  await Promise.all(producers.map((producer) => producer.close()))
  return millis
}
