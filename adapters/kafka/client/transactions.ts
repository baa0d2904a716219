/**
 * transactions: producers' identities, and what belongs to their transactions, from the coordinator of the transactional id.
 */
import { Effect } from "effect"
import type { KafkaCluster, TransactionalProducer } from "../KafkaCluster.ts"
import { byTopic, check, codeOf, firstFailure, noMember, offsetTopics, placeOf, placesOf } from "./answers.ts"
import type { Brokers } from "./Brokers.ts"
import type { Subject } from "./network/codes.ts"
import type { Coordinators } from "./Coordinators.ts"

/** As Java's producer has it. */
const transactionMillisDefault = 60_000

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
