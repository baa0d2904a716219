/**
 * sink: puts each batch of a stream into a topic.
 *
 * | guarantee | how | a batch that is run again |
 * | --- | --- | --- |
 * | transactional | one transaction for each batch and partition, with the commit id in it (`PartitionWriter`, `OutputNote`) | is there once |
 * | at-least-once | an idempotent producer (`IdempotentWriter`) | is there again |
 *
 * Kafka cannot take a batch at once that several executors write: each partition is committed by itself. Executors write; the driver
 * only fences.
 */
import { Effect, Semaphore } from "effect"
import * as Sink from "../../../core/output/Sink.ts"
import { type DurationInput, millisOf } from "../../../core/time/Time.ts"
import type { KafkaCluster } from "../KafkaCluster.ts"
import type { KafkaConnection } from "../KafkaConnection.ts"
import { KafkaError } from "../KafkaError.ts"
import type { NewRecord } from "../records/encode.ts"
import type { Compression } from "../records/RecordBatch.ts"
import * as IdempotentWriter from "./IdempotentWriter.ts"
import { mistakeOf } from "./mistakeOf.ts"
import type { NotePlace } from "./Note.ts"
import * as OutputNote from "./OutputNote.ts"
import * as PartitionNote from "./PartitionNote.ts"
import * as PartitionWriter from "./PartitionWriter.ts"
import { Patience, reworded } from "./Patience.ts"
import { type RecordOptions, route } from "./routing.ts"
import { homes, type SinkHome } from "./SinkHome.ts"

export interface KafkaSinkOptions<A> extends KafkaConnection, RecordOptions<A> {
  /** It has to be there. */
  readonly topic: string
  /** none */
  readonly compression?: Compression | undefined
  /** Most bytes of a batch of records, before compression; 1 MB is what brokers take unless they are told otherwise. 900,000 */
  readonly batchBytes?: number | undefined
  /** How long it goes on with a partition of a batch while brokers are away. 2 minutes */
  readonly deliveryTimeout?: DurationInput | undefined
  /** After so long brokers abort a transaction whose executor is gone; till then readers of what is committed wait. 1 minute */
  readonly transactionTimeout?: DurationInput | undefined
}

export type KafkaSink<A, G extends "transactional" | "at-least-once"> = Sink.PartitionSink<
  A,
  KafkaError | Sink.Fenced,
  never,
  G
>

/** Exactly once, unless `guarantee` is "at-least-once". Throws a KafkaError for options that cannot be. */
export const sink: {
  <A>(options: KafkaSinkOptions<A> & { readonly guarantee: "at-least-once" }): KafkaSink<A, "at-least-once">
  <A>(
    options: KafkaSinkOptions<A> & { readonly guarantee?: "transactional" | undefined }
  ): KafkaSink<A, "transactional">
} = (options: KafkaSinkOptions<any> & { readonly guarantee?: unknown }): KafkaSink<any, any> => {
  const mistake = mistakeOf(options)
  if (mistake !== undefined) {
    throw new KafkaError({ reason: "Options", message: `Kafka.sink cannot be made: ${mistake}` })
  }
  const { batchBytes = 900_000, compression = "none" } = options
  const resolved: Resolved = {
    ...options,
    batchBytes,
    compression,
    deliveryMillis: millisOf(options.deliveryTimeout ?? "2 minutes"),
    transactionMillis: millisOf(options.transactionTimeout ?? "1 minute")
  }
  return options.guarantee === "at-least-once" ? atLeastOnce(resolved) : transactional(resolved)
}

interface Resolved extends KafkaSinkOptions<any> {
  readonly batchBytes: number
  readonly compression: Compression
  readonly deliveryMillis: number
  readonly transactionMillis: number
}

const transactional = (options: Resolved): KafkaSink<any, "transactional"> => {
  const home = homes(options, options.topic, () => new Map<string, PartitionWriter.Seat>())
  const placeOf = (cluster: KafkaCluster) => (id: string): NotePlace => ({
    cluster,
    id,
    where: { topic: options.topic, partition: 0 },
    transactionMillis: options.transactionMillis
  })
  return Sink.perPartition({
    name: "kafka",
    guarantee: "transactional",
    fence: (output) =>
      trying(
        (cluster) => `take the output "${output.output}" over at ${cluster}`,
        options,
        home,
        ({ cluster }, patience) => OutputNote.fence(output, placeOf(cluster), patience)
      ),
    write: (records, context) =>
      writing(records, context, options, home, ({ cluster, producers }, routed, patience) => {
        const seat = seatOf(producers, PartitionNote.idOf(context, context.partition))
        return PartitionWriter.write(seat, routed, context, { ...options, placeOf: placeOf(cluster) }, patience)
      })
  })
}

const seatOf = (seats: Map<string, PartitionWriter.Seat>, id: string): PartitionWriter.Seat => {
  const known = seats.get(id)
  if (known !== undefined) return known
  const seat: PartitionWriter.Seat = { one: Semaphore.makeUnsafe(1), taken: undefined }
  seats.set(id, seat)
  return seat
}

const atLeastOnce = (options: Resolved): KafkaSink<any, "at-least-once"> => {
  const home = homes(options, options.topic, (): IdempotentWriter.Lanes => new Map())
  return Sink.perPartition({
    name: "kafka",
    guarantee: "at-least-once",
    write: (records, context) =>
      writing(
        records,
        context,
        options,
        home,
        ({ cluster, producers }, routed, patience) =>
          IdempotentWriter.write(producers, routed, { ...options, cluster }, patience)
      )
  })
}

/** Partitions without records have nothing to do with brokers. */
const writing = <P, E>(
  records: ReadonlyArray<any>,
  context: Sink.PartitionContext,
  options: Resolved,
  home: Effect.Effect<SinkHome<P>, KafkaError>,
  write: (
    home: SinkHome<P>,
    routed: ReadonlyMap<number, ReadonlyArray<NewRecord>>,
    patience: Patience
  ) => Effect.Effect<void, KafkaError | E>
): Effect.Effect<void, KafkaError | E> => {
  if (records.length === 0) return Effect.void
  const { commitId, partition, time } = context
  const { topic } = options
  return trying(
    (cluster) => `put partition ${partition} of the batch of ${time} ms into the topic ${topic} of ${cluster}`,
    options,
    home,
    (home, patience) =>
      Effect.gen(function* () {
        const numPartitions = yield* home.numPartitions(patience)
        const routed = yield* Effect.try({
          try: () => route(records, options, { time, commitId, topic, numPartitions }),
          catch: (error) => error as KafkaError
        })
        yield* write(home, routed, patience)
      })
  )
}

/** With the patience of its options; errors say what could not be done. */
const trying = <P, E>(
  what: (cluster: string) => string,
  { deliveryMillis }: Resolved,
  home: Effect.Effect<SinkHome<P>, KafkaError>,
  work: (home: SinkHome<P>, patience: Patience) => Effect.Effect<void, E | KafkaError>
): Effect.Effect<void, E | KafkaError> =>
  Effect.flatMap(home, (at) => {
    const doing = what(at.cluster.name)
    return Effect.flatMap(Patience.begin(doing, deliveryMillis), (patience) => work(at, patience)).pipe(
      Effect.mapError((error) =>
        error instanceof KafkaError ? reworded(error, `cannot ${doing}: ${error.message}`) : error
      )
    )
  })
