/**
 * A Kafka stream in a whole engine, on the virtual clock, over a model of a broker.
 */
import { Effect, Layer, Logger, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Kafka from "../../../adapters/kafka/mod.ts"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { AnyOutput } from "../../../core/dstream/Output.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { Collected } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"

export const brokers = "model:9092"
export const batchMillis = 1000

export interface Running<A> {
  readonly batches: Collected<A>
  readonly messages: ReadonlyArray<string>
  readonly events: ReadonlyArray<StreamingEvent>
  readonly context: Effect.Success<ReturnType<typeof Local.start>>
  /** Lets so many batches go by. */
  readonly advance: (batches: number) => Effect.Effect<void>
}

export interface Setup extends Local.LocalOptions {
  readonly connect?: Kafka.ConnectKafka
  readonly outputs?: ReadonlyArray<AnyOutput>
}

/** A model with a topic `t`. */
export const modelWith = (partitions: number): Effect.Effect<KafkaModel> =>
  Effect.tap(KafkaModel.make, (kafka) => Effect.sync(() => kafka.createTopic("t", partitions)))

export const start = Effect.fnUntraced(function* <A>(
  kafka: KafkaModel,
  stream: DStream.DStream<A, any>,
  setup: Setup = {}
): Effect.fn.Return<Running<A>, unknown, Scope.Scope> {
  const { connect = kafka.connect, outputs = [], ...options } = setup
  const batches: Collected<A> = []
  const messages: Array<string> = []
  const events: Array<StreamingEvent> = []
  const app = StreamingApp.make({
    name: "kafka",
    batchDuration: batchMillis,
    outputs: [stream.pipe(DStream.collectTo(batches)), ...outputs],
    layer: Layer.succeed(Kafka.ConnectKafka, connect)
  })
  const logger = Logger.make(({ message }) => void messages.push(String(message)))
  const context = yield* Local.start(app as StreamingApp.StreamingApp, {
    ...options,
    observers: [(event) => void events.push(event)]
  }).pipe(Effect.provide(Logger.layer([logger])))
  return {
    batches,
    messages,
    events,
    context: context as any,
    advance: (count) =>
      Effect.asVoid(Effect.repeat(Effect.andThen(TestClock.adjust(batchMillis), Local.settled), { times: count - 1 }))
  }
})

/** What each batch holds. */
export const valuesOf = (batches: Collected<Kafka.KafkaRecord<any, any>>): ReadonlyArray<ReadonlyArray<unknown>> =>
  batches.map(({ records }) => records.map(({ value }) => value))

/** The events of one kind. */
export const eventsOf = <K extends StreamingEvent["kind"]>(
  events: ReadonlyArray<StreamingEvent>,
  kind: K
): ReadonlyArray<Extract<StreamingEvent, { readonly kind: K }>> =>
  events.filter((event): event is Extract<StreamingEvent, { readonly kind: K }> => event.kind === kind)

export const text = { brokers, value: Kafka.text, start: "earliest" } as const
