/**
 * Note: a number and a few words that stand in Kafka, that outlive every program and that only one program at a time can change: the
 * committed offset of a group, written in transactions of the transactional id of the same name.
 *
 * | step | what it does |
 * | --- | --- |
 * | take | whoever had the id is fenced, what it left open is decided; then what is noted is read |
 * | transact | one transaction of what the work puts into it, and of what is noted now: both count, or neither does |
 *
 * So between a `take` and the `transact` that follows nobody else has changed the note: who tries is fenced, or has fenced this one
 * (`Fenced`). Where the answer to a commit is lost, `take` tells what became of it. What Kafka does not promise: it forgets committed
 * offsets after offsets.retention.minutes (a week) without a commit, and when the topic is deleted.
 */
import { Effect, Exit, Option } from "effect"
import type { Millis } from "../../../core/time/Time.ts"
import type { CommittedOffset, KafkaCluster, TopicPartition, TransactionalProducer } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { Patience } from "./Patience.ts"

export interface NotePlace {
  readonly cluster: KafkaCluster
  /** Of the group and of the transactions. */
  readonly id: string
  /** The group's offset of which partition it is; it has to be there. */
  readonly where: TopicPartition
  /** After so long without an end brokers abort a transaction. */
  readonly transactionMillis: Millis
}

/** What is noted. */
export interface Noted {
  readonly number: number
  readonly text: string
}

export interface TakenNote {
  readonly producer: TransactionalProducer
  readonly noted: Noted | undefined
}

/** How long an abort may hold up whoever gives up. */
const abortMillisMax = 2000

export const take = (place: NotePlace, patience: Patience): Effect.Effect<TakenNote, KafkaError> =>
  Effect.gen(function* () {
    const { cluster, id, transactionMillis } = place
    const identity = yield* patience.retry(cluster.initProducer({ transactionalId: id, transactionMillis }))
    return { producer: { ...identity, transactionalId: id }, noted: yield* read(place, patience) }
  })

/** What is noted, when no transaction is under way that might change it. */
export const read = (
  { cluster, id, where }: NotePlace,
  patience: Patience
): Effect.Effect<Noted | undefined, KafkaError> =>
  Effect.map(
    patience.retry(cluster.committedOffsets(id, [where], { stable: true })),
    ([found]) => found === undefined ? undefined : { number: found.offset, text: found.metadata }
  )

/** `Unavailable`: nobody knows whether it was done; `take` finds out. */
export const transact = (
  { cluster, id, where }: NotePlace,
  producer: TransactionalProducer,
  { number, text }: Noted,
  patience: Patience,
  work?: {
    readonly partitions: ReadonlyArray<TopicPartition>
    readonly produce: Effect.Effect<unknown, KafkaError>
  }
): Effect.Effect<void, KafkaError> => {
  const offset: CommittedOffset = { ...where, offset: number, metadata: text }
  const addOffsets = patience.retry(cluster.addOffsets(producer, id, [offset]))
  // One after the other: brokers have a producer wait that asks for two things of its transaction at once.
  const filled = work === undefined
    ? addOffsets
    : patience.retry(cluster.addPartitions(producer, work.partitions)).pipe(
      Effect.andThen(work.produce),
      Effect.andThen(addOffsets)
    )
  return Effect.onExit(
    Effect.andThen(filled, cluster.endTransaction(producer, "commit")),
    (exit) => Exit.isSuccess(exit) || isUnavailable(exit) ? Effect.void : abort(cluster, producer)
  )
}

/** Whoever goes on begins with `take`, which ends what is open. */
const isUnavailable = (exit: Exit.Exit<unknown, KafkaError>): boolean =>
  Option.exists(Exit.findErrorOption(exit), ({ isRetryable }) => isRetryable)

/** Left open it would hold up readers until its time is over. */
const abort = (cluster: KafkaCluster, producer: TransactionalProducer): Effect.Effect<void> =>
  Effect.ignore(
    Effect.timeoutOption(Effect.interruptible(cluster.endTransaction(producer, "abort")), abortMillisMax)
  )
