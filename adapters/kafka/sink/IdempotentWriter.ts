/**
 * IdempotentWriter: puts a partition of a batch into the topic at least once: whatever is sent again because its answer was lost is there
 * once, but a batch that is run again is there again.
 *
 * Each partition of the topic has a channel with a producer's id of its own, for one at a time. Where the brokers have lost track of it
 * (a sequence that they do not expect, an id that they do not know), or a send was interrupted, it begins anew with another id. What
 * had been sent and whose answer is not known by then may be there twice.
 */
import { Effect, Exit, Result, Semaphore } from "effect"
import type { KafkaCluster } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { NewRecord } from "../records/encode.ts"
import type { Compression } from "../records/RecordBatch.ts"
import { Channel } from "./Channel.ts"
import type { Patience } from "./Patience.ts"

export interface WriterOptions {
  readonly cluster: KafkaCluster
  readonly topic: string
  readonly compression: Compression
  readonly batchBytes: number
}

/** The channel of a partition of the topic. */
interface Lane {
  readonly one: Semaphore.Semaphore
  channel: Channel | undefined
}

export type Lanes = Map<number, Lane>

/** Partitions of the topic that are written at once. */
const sentAtOnce = 8
const restartsMax = 5

export const write = (
  lanes: Lanes,
  routed: ReadonlyMap<number, ReadonlyArray<NewRecord>>,
  options: WriterOptions,
  patience: Patience
): Effect.Effect<void, KafkaError> =>
  Effect.forEach(routed, ([partition, records]) => {
    const lane = laneOf(lanes, partition)
    return lane.one.withPermit(send(lane, partition, records, options, patience))
  }, { concurrency: sentAtOnce, discard: true })

const laneOf = (lanes: Lanes, partition: number): Lane => {
  const known = lanes.get(partition)
  if (known !== undefined) return known
  const lane: Lane = { one: Semaphore.makeUnsafe(1), channel: undefined }
  lanes.set(partition, lane)
  return lane
}

const send = (
  lane: Lane,
  partition: number,
  records: ReadonlyArray<NewRecord>,
  { batchBytes, cluster, compression, topic }: WriterOptions,
  patience: Patience
): Effect.Effect<void, KafkaError> =>
  Effect.gen(function* () {
    let sent = 0
    for (let tries = 0;; tries++) {
      if (lane.channel === undefined) {
        const producer = yield* patience.retry(cluster.initProducer({}))
        lane.channel = new Channel({ cluster, where: { topic, partition }, producer, compression, batchBytes })
      }
      const result = yield* Effect.result(
        Effect.onExit(
          lane.channel.send(records.slice(sent), patience, (more) => sent += more),
          (exit) => Exit.isSuccess(exit) ? Effect.void : Effect.sync(() => lane.channel = undefined)
        )
      )
      if (Result.isSuccess(result)) return
      const { reason } = result.failure
      if ((reason !== "Other" && reason !== "Fenced") || tries >= restartsMax) return yield* result.failure
      yield* patience.pause(result.failure, tries)
    }
  })
