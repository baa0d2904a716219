/**
 * Beginnings: where a partition goes on, or begins. Pure.
 *
 * Beside each offset that is committed stands which topic it is of, how many partitions the topic had when the group began with it, and under
 * which leader its records were read.
 *
 * | of the partition | of the topic | then |
 * | --- | --- | --- |
 * | an offset is committed | | it goes on there |
 * | nothing is committed | nothing is known | it begins as `start` says |
 * | nothing is committed | it had the partition when the group began | as `start` says |
 * | nothing is committed | the partition, or the topic, came later | at its first record |
 * | | the offsets are of another topic of this name | the topic was replaced: the policy for losses |
 */
import type { CommittedOffset, OffsetAt, TopicInfo, TopicPartition } from "../KafkaCluster.ts"

/** What the group knows of a topic. */
export interface Begun {
  /** The topic's (`TopicInfo.id`); undefined: it was not there. */
  readonly id: string | undefined
  /** How many partitions it had when the group began with it: others came later. */
  readonly partitions: number
}

/** What stands beside an offset. */
export interface Beside extends Begun {
  /** Of a leader whose log went up to there; undefined: not known. */
  readonly leaderEpoch?: number | undefined
}

export type Beginning =
  | { readonly kind: "goes on"; readonly offset: number; readonly leaderEpoch: number | undefined }
  | { readonly kind: "begins"; readonly at: OffsetAt }
  | { readonly kind: "replaced" }

export const textOf = ({ id, leaderEpoch, partitions }: Beside): string =>
  JSON.stringify({ id, partitions, leaderEpoch })

/** undefined: another program wrote it. */
export const besideOf = (text: string): Beside | undefined => {
  try {
    const read: unknown = JSON.parse(text)
    if (typeof read !== "object" || read === null) return undefined
    const { id, leaderEpoch, partitions } = read as Record<string, unknown>
    if (typeof id !== "string" || !Number.isSafeInteger(partitions)) return undefined
    const begun = { id, partitions: partitions as number }
    return Number.isSafeInteger(leaderEpoch) ? { ...begun, leaderEpoch: leaderEpoch as number } : begun
  } catch {
    return undefined
  }
}

/**
 * What the group knows of a topic: by the offsets committed of it, or, where there are none, by what this member found before. Who consumed
 * without us committed for all partitions that it had.
 */
export const knownOf = (
  { id }: TopicInfo,
  committed: ReadonlyArray<CommittedOffset>,
  before: Begun | undefined
): Begun | undefined => {
  const read = committed.flatMap(({ metadata }) => besideOf(metadata) ?? [])
  const known = read.find((one) => one.id === id) ?? before ?? read[0]
  return known ?? (committed.length > 0 ? { id, partitions: 0 } : undefined)
}

export const beginningOf = (
  { partition }: TopicPartition,
  { id }: TopicInfo,
  committed: CommittedOffset | undefined,
  known: Begun | undefined,
  start: OffsetAt
): Beginning => {
  const beside = committed === undefined ? undefined : besideOf(committed.metadata)
  const of = committed === undefined ? known : beside
  if (of?.id !== undefined && of.id !== id) return { kind: "replaced" }
  if (committed !== undefined) return { kind: "goes on", offset: committed.offset, leaderEpoch: beside?.leaderEpoch }
  return { kind: "begins", at: known === undefined || partition < known.partitions ? start : "earliest" }
}

/** Of a topic that a partition is begun of now. */
export const begunHere = ({ id, partitions }: TopicInfo, before: Begun | undefined): Begun => ({
  id,
  partitions: before?.partitions ?? partitions.length
})
