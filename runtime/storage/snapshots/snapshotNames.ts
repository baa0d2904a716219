/**
 * snapshotNames: how the files of snapshots are called: `PREFIX/OPERATOR/PARTITION/TIME`, the prefix ending in `state`; a version that was
 * written again has `.2` behind it, and so on. What a file builds on its own description says.
 */
import type { PartitionIndex, StreamId } from "../../../core/protocol/Ids.ts"
import type { Time } from "../../../core/time/Time.ts"
import { nameOf } from "../StableStorage.ts"

export interface SnapshotName {
  readonly operator: StreamId
  readonly partition: PartitionIndex
  readonly time: Time
}

/** `attempt`: 1, or more where a version was written before. */
export const snapshotName = (prefix: string, { operator, partition, time }: SnapshotName, attempt: number): string =>
  `${prefix}/${nameOf(operator)}/${partition}/${time}${attempt === 1 ? "" : `.${attempt}`}`

/** undefined: this is no file of a snapshot. */
export const snapshotOf = (name: string): SnapshotName | undefined => {
  const [, operator, partition, time] = /(?:^|\/)state\/([^/]+)\/(\d+)\/(-?\d+)(?:\.\d+)?$/.exec(name) ?? []
  if (operator === undefined) return undefined
  try {
    return {
      operator: operator === "%" ? "" : decodeURIComponent(operator),
      partition: Number(partition),
      time: Number(time)
    }
  } catch {
    return undefined
  }
}
