/**
 * All values of a topic by the `fetch` of a plain consumer, on one thread: one request a partition, in turns, the next one under way while the
 * answer is worked on. The client's stream of messages takes over twice as long with this
 * limit, and a third longer at its best.
 */
import * as process from "node:process"
import { Consumer } from "@platformatic/kafka"

export interface Topic {
  readonly bootstrapBrokers: Array<string>
  readonly topic: string
}

interface Place {
  readonly partition: number
  readonly node: number
  offset: bigint
}

/** Of one answer. */
const bytesMax = 1_048_576
const readCommitted = 1

/** Returns, at the end of all partitions, the milliseconds since the first request. */
export const readAll = async ({ bootstrapBrokers, topic }: Topic, each: (value: string) => void): Promise<number> => {
  const consumer = new Consumer({ clientId: "bench", groupId: `bench-${process.pid}`, bootstrapBrokers })
  const { id, partitions } = (await consumer.metadata({ topics: [topic] })).topics.get(topic)!
  const ask = ({ node, offset, partition }: Place) =>
    consumer.fetch({
      node,
      maxBytes: bytesMax,
      isolationLevel: readCommitted,
      topics: [{
        topicId: id,
        partitions: [
          { partition, fetchOffset: offset, partitionMaxBytes: bytesMax, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
        ]
      }]
    })
  const places = Object.entries(partitions).map(([n, { leader }]): Place => ({
    partition: Number(n),
    node: leader,
    offset: 0n
  }))
  const began = performance.now()
  let asked = places.shift()
  let next = asked && ask(asked)
  while (asked !== undefined) {
    const [found] = (await next!).responses[0]!.partitions
    const batches = found!.records ?? []
    const last = batches.at(-1)
    if (last !== undefined) asked.offset = last.firstOffset + BigInt(last.lastOffsetDelta) + 1n
    if (asked.offset < found!.lastStableOffset) places.push(asked)
    asked = places.shift()
    next = asked && ask(asked)
    for (const { records } of batches) for (const { value } of records) each(value!.toString())
  }
  const millis = performance.now() - began
  await consumer.close(true)
  return millis
}
