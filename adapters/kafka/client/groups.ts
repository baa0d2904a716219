/**
 * groups: the offsets that groups committed, from outside of their members.
 */
import { Effect } from "effect"
import type { CommittedOffset, KafkaCluster } from "../KafkaCluster.ts"
import type { Coordinators } from "./Coordinators.ts"
import { check, codeOf, firstFailure, noMember, offsetTopics, placeOf, placesOf } from "./answers.ts"

type Groups = Pick<KafkaCluster, "committedOffsets" | "commitOffsets">

export interface Committer {
  readonly generation: number
  readonly memberId: string
}

export const makeGroups = (coordinators: Coordinators): Groups => {
  const committedOffsets: Groups["committedOffsets"] = Effect.fnUntraced(function* (group, partitions, { stable }) {
    if (partitions.length === 0) return []
    const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, parts]) => ({
      name,
      partitionIndexes: parts.map(({ partition }) => partition)
    }))
    const asked = coordinators.at(
      "group",
      group,
      "OffsetFetch",
      codeOf,
      (broker, subject) =>
        Effect.map(
          broker.request(({ offsetFetch }) => offsetFetch, [[{ groupId: group, topics }], stable], subject),
          (answer) => ({
            ...(answer.errorCode === 0
              ? firstFailure(answer.topics.flatMap(placesOf))
              : { errorCode: answer.errorCode }),
            topics: answer.topics
          })
        )
    )
    const { topics: found, ...failed } = yield* asked
    yield* check(failed, { request: "OffsetFetch", name: `the group ${group}`, ...placeOf(failed) })
    return found.flatMap(({ name, partitions }) =>
      partitions.flatMap(({ committedOffset, metadata, partitionIndex }): ReadonlyArray<CommittedOffset> =>
        committedOffset < 0n
          ? []
          : [{ topic: name, partition: partitionIndex, offset: Number(committedOffset), metadata: metadata ?? "" }]
      )
    )
  })
  const commitOffsets: Groups["commitOffsets"] = (group, offsets) =>
    commitAs(coordinators, group, noMember, offsets, "only its members may commit while it has some")
  return { committedOffsets, commitOffsets }
}

export const commitAs = Effect.fnUntraced(function* (
  coordinators: Coordinators,
  group: string,
  { generation, memberId }: Committer,
  offsets: ReadonlyArray<CommittedOffset>,
  hint?: string
) {
  if (offsets.length === 0) return
  const failed = yield* coordinators.at("group", group, "OffsetCommit", codeOf, (broker, subject) =>
    Effect.map(
      broker.request(
        ({ offsetCommit }) => offsetCommit,
        [group, generation, memberId, null, offsetTopics(offsets)],
        subject
      ),
      ({ topics }) => firstFailure(topics.flatMap(placesOf))
    ))
  yield* check(failed, { request: "OffsetCommit", name: `the group ${group}`, ...placeOf(failed) }, hint)
})
