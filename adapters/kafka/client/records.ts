/**
 * records: record batches from and to the leader of a partition, as they are.
 */
import { Effect } from "effect"
import type { KafkaCluster } from "../KafkaCluster.ts"
import type { Brokers } from "./Brokers.ts"
import { duplicateSequence, kafkaError, refusalOf, unknownTopicId } from "./network/codes.ts"
import { nothing } from "./network/fetchApi.ts"

/** Brokers take no request of more (socket.request.max.bytes), and close the connection. */
const batchBytesMax = 100 * 1024 * 1024 - 64 * 1024

export const fetch = (brokers: Brokers): KafkaCluster["fetch"] =>
  Effect.fnUntraced(function* ({ id, isolation, maxBytes, offset, partition, topic, waitMillis }) {
    const subject = { request: "Fetch", topic, partition, offset }
    const replaced = () =>
      kafkaError(
        "TopicReplaced",
        subject,
        `The topic ${topic} is not the one that was read so far: it was deleted and created again. ` +
          "Start anew, with another name of the stream or without its checkpoint, if its records are to be read from the beginning"
      )
    const answer = yield* brokers.atLeader(subject, "Fetch", ({ broker, leaderEpoch, topicId }) => {
      // Who knows another id knows an old one, or wants one: the brokers are asked which it is.
      if (id !== undefined && id !== topicId) return Effect.succeed({ ...nothing, errorCode: unknownTopicId })
      const committed = isolation === "committed"
      return broker.request(
        ({ fetch }) => fetch,
        [{ topicId, partition, leaderEpoch, offset, maxBytes, waitMillis, committed }],
        subject,
        waitMillis
      )
    })
    if (answer.errorCode === unknownTopicId && id !== undefined) return yield* replaced()
    if (answer.errorCode !== 0) return yield* refusalOf(answer.errorCode, subject)
    return {
      bytes: answer.bytes,
      logStart: Number(answer.logStart),
      highWatermark: Number(answer.highWatermark),
      lastStable: Number(answer.lastStable),
      aborted: answer.aborted.map(({ firstOffset, producerId }) => ({ producerId, firstOffset: Number(firstOffset) }))
    }
  })

export const produce = (brokers: Brokers): KafkaCluster["produce"] =>
  Effect.fnUntraced(function* ({ batch, partition, topic, transactionalId }) {
    const subject = { request: "Produce", topic, partition }
    if (batch.byteLength > batchBytesMax) {
      return yield* kafkaError(
        "TooLarge",
        subject,
        `A batch of ${batch.byteLength} bytes for ${topic}/${partition} is more than brokers ` +
          "take in one request (100 MiB): write smaller records or smaller batches"
      )
    }
    const timeoutMillis = brokers.settings.requestMillis
    const answer = yield* brokers.atLeader(subject, "Produce", ({ broker }) =>
      broker.request(
        ({ produce }) => produce,
        [{ topic, partition, batch, transactionalId: transactionalId ?? null, timeoutMillis }],
        subject,
        timeoutMillis
      ))
    // It is there already, longer ago than the broker remembers offsets: then the answer has -1.
    if (answer.errorCode !== 0 && answer.errorCode !== duplicateSequence) {
      return yield* refusalOf(answer.errorCode, subject, answer.errorMessage)
    }
    return Number(answer.baseOffset)
  })
