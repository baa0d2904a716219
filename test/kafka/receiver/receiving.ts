/**
 * Receivers of a group over a model of a broker, without an engine around them.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { readingOf } from "../../../adapters/kafka/options.ts"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import type { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { receive } from "../../../adapters/kafka/receiver/GroupReceiver.ts"
import type { GroupOptions } from "../../../adapters/kafka/receiver/options.ts"
import { type Store, StoreError } from "../../../core/receiving/Receiver.ts"
import * as Local from "../../driver/local.ts"
import { brokers } from "../direct/run.ts"

/** Time in steps that are small enough for what waits. */
export const pass = (millis: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust(20), Local.settled), { times: Math.ceil(millis / 20) - 1 })

/** Time, where nothing but heartbeats and pauses is waited for. */
export const passLong = (millis: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust(1000), Local.settled), { times: Math.ceil(millis / 1000) - 1 })

const emptyStore: Store<any> = {
  single: () => true,
  chunk: () => true,
  ready: Effect.void,
  array: () => Effect.void,
  iterator: () => Effect.void,
  bytes: () => Effect.void,
  highWaterMark: () => undefined,
  reportError: () => {},
  restart: () => {},
  stop: () => {}
}

/** A store whose blocks are safe when the test says so. */
export const slowStore = () => {
  const blocks: Array<{ readonly values: ReadonlyArray<unknown>; readonly end: (error?: StoreError) => void }> = []
  const store: Store<any> = {
    ...emptyStore,
    array: (records) =>
      Effect.callback<void, StoreError>((resume) => {
        const end = (error?: StoreError) => resume(error === undefined ? Effect.void : Effect.fail(error))
        blocks.push({ values: records.map(({ value }) => value), end })
      })
  }
  return { blocks, store }
}

/** A store whose blocks are safe at once. */
export const quickStore = () => {
  const values: Array<unknown> = []
  const reports: Array<string> = []
  const store: Store<any> = {
    ...emptyStore,
    array: (records) => Effect.sync(() => void values.push(...records.map(({ value }) => value))),
    reportError: (message) => void reports.push(message)
  }
  return { values, reports, store }
}

type Options =
  & Partial<Pick<GroupOptions<unknown, unknown>, "start" | "topics">>
  & Partial<Pick<Kafka.ReadOptions<unknown, unknown>, "onLoss" | "onPoison" | "value">>

export const receiving = (kafka: KafkaModel, store: Store<any>, options: Options = {}) => {
  const { start = "earliest", topics = ["t"], ...reading } = options
  return Effect.forkScoped(
    receive({
      reading: readingOf({ brokers, value: Kafka.text, ...reading } as Kafka.ReadOptions<unknown, unknown>),
      group: "g",
      topics,
      start,
      gatherMillis: 100,
      sessionMillis: 45_000,
      rebalanceMillis: 60_000
    }, store).pipe(Effect.provideService(Kafka.ConnectKafka, kafka.connect), Effect.scoped)
  )
}
