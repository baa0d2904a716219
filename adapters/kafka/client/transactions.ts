/**
 * transactions: producers' identities, and what belongs to their transactions, from the coordinator of the transactional id.
 */
import { Effect } from "effect"
import type { CommittedOffset, KafkaCluster, TopicPartition, TransactionalProducer } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { Brokers } from "./Brokers.ts"
import { refusalOf, type Subject } from "./network/codes.ts"
import type { Coordinators } from "./Coordinators.ts"

/** As Java's producer has it. */
const transactionMillisDefault = 60_000
const notAttempted = 55
/** Not as a member of the group. */
export const noMember = { generation: -1, memberId: "" } as const

type Transactions = Pick<KafkaCluster, "initProducer" | "addPartitions" | "addOffsets" | "endTransaction">

export const makeTransactions = (brokers: Brokers, coordinators: Coordinators): Transactions => {
  const initProducer: Transactions["initProducer"] = Effect.fnUntraced(
    function* ({ transactionMillis, transactionalId }) {
      const request = "InitProducerId"
      // -1 and -1: a new epoch, whoever had the one before.
      const values: [string | null, number, bigint, number] = [
        transactionalId ?? null,
        transactionMillis ?? transactionMillisDefault,
        -1n,
        -1
      ]
      const answer = transactionalId === undefined
        ? yield* brokers.anyBroker(({ initProducerId }) => initProducerId, values, { request })
        : yield* coordinators.at(
          "transactional id",
          transactionalId,
          request,
          codeOf,
          (broker, subject) =>
            broker.request(
              ({ initProducerId }) => initProducerId,
              values,
              subject
            )
        )
      yield* check(answer, subjectOf(request, transactionalId))
      return { id: answer.producerId, epoch: answer.producerEpoch }
    }
  )

  const addPartitions: Transactions["addPartitions"] = Effect.fnUntraced(function* (producer, partitions) {
    const request = "AddPartitionsToTxn"
    const { epoch, id, transactionalId } = producer
    const topics = byTopic(partitions).map(([name, parts]) => ({
      name,
      partitions: parts.map(({ partition }) => partition)
    }))
    const values = [{ transactionalId, producerId: id, producerEpoch: epoch, verifyOnly: false, topics }]
    const failed = yield* coordinators.at(
      "transactional id",
      transactionalId,
      request,
      codeOf,
      (broker, subject) =>
        Effect.map(
          broker.request(({ addPartitionsToTxn }) => addPartitionsToTxn, [values], subject),
          (answer) =>
            firstFailure(answer.resultsByTransaction.flatMap(({ topicResults }) =>
              topicResults.flatMap(({ name, resultsByPartition }) =>
                resultsByPartition.map(({ partitionErrorCode, partitionIndex }) => ({
                  topic: name,
                  partition: partitionIndex,
                  errorCode: partitionErrorCode
                }))
              )
            ))
        )
    )
    yield* check(failed, { ...subjectOf(request, transactionalId), ...placeOf(failed) })
  })

  const addOffsets: Transactions["addOffsets"] = Effect.fnUntraced(function* (producer, group, offsets) {
    const { epoch, id, transactionalId } = producer
    const announced = yield* coordinators.at(
      "transactional id",
      transactionalId,
      "AddOffsetsToTxn",
      codeOf,
      (broker, subject) =>
        broker.request(({ addOffsetsToTxn }) => addOffsetsToTxn, [transactionalId, id, epoch, group], subject)
    )
    yield* check(announced, subjectOf("AddOffsetsToTxn", transactionalId))
    const failed = yield* coordinators.at("group", group, "TxnOffsetCommit", codeOf, (broker, subject) =>
      Effect.map(
        broker.request(
          ({ txnOffsetCommit }) => txnOffsetCommit,
          [transactionalId, group, id, epoch, noMember.generation, noMember.memberId, null, offsetTopics(offsets)],
          subject
        ),
        ({ topics }) => firstFailure(topics.flatMap(placesOf))
      ))
    yield* check(failed, { request: "TxnOffsetCommit", name: `the group ${group}`, ...placeOf(failed) })
  })

  const endTransaction: Transactions["endTransaction"] = Effect.fnUntraced(
    function* ({ epoch, id, transactionalId }, outcome) {
      const answer = yield* coordinators.at(
        "transactional id",
        transactionalId,
        "EndTxn",
        codeOf,
        (broker, subject) =>
          broker.request(
            ({ endTxn }) => endTxn,
            [transactionalId, id, epoch, outcome === "commit"],
            subject
          )
      )
      yield* check(answer, subjectOf("EndTxn", transactionalId))
    }
  )

  return { initProducer, addPartitions, addOffsets, endTransaction }
}

const subjectOf = (
  request: string,
  transactionalId: TransactionalProducer["transactionalId"] | undefined
): Subject => ({
  request,
  ...(transactionalId === undefined ? {} : { name: `the transactional id ${transactionalId}` })
})

interface Coded {
  readonly errorCode: number
}

export const codeOf = ({ errorCode }: Coded): number => errorCode

export const check = ({ errorCode }: Coded, subject: Subject, brokerSays?: string): Effect.Effect<void, KafkaError> =>
  errorCode === 0 ? Effect.void : Effect.fail(refusalOf(errorCode, subject, brokerSays))

type Place = TopicPartition & Coded

/** An error code of 0: all went well. Where one failed, others may not have been tried. */
export const firstFailure = (places: ReadonlyArray<Place>): Coded & Partial<Place> => {
  const failed = places.filter(({ errorCode }) => errorCode !== 0)
  return failed.find(({ errorCode }) => errorCode !== notAttempted) ?? failed[0] ?? { errorCode: 0 }
}

export const placeOf = ({ partition, topic }: Partial<TopicPartition>): Partial<TopicPartition> =>
  topic === undefined || partition === undefined ? {} : { topic, partition }

export const placesOf = (
  { name, partitions }: {
    readonly name: string
    readonly partitions: ReadonlyArray<Coded & { readonly partitionIndex: number }>
  }
): ReadonlyArray<Place> =>
  partitions.map(({ errorCode, partitionIndex }) => ({ topic: name, partition: partitionIndex, errorCode }))

const byTopic = <A extends TopicPartition>(partitions: ReadonlyArray<A>): ReadonlyArray<[string, ReadonlyArray<A>]> => [
  ...Map.groupBy(partitions, ({ topic }) => topic)
]

export const offsetTopics = (offsets: ReadonlyArray<CommittedOffset>) =>
  byTopic(offsets).map(([name, parts]) => ({
    name,
    partitions: parts.map(({ metadata, offset, partition }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata
    }))
  }))
