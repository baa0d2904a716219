/**
 * InvalidSnapshot: what was to be restored is not what a store's `snapshot` gave, or what gave it is not this store's partition. Such a
 * version has to be made again from one before it.
 */
import { Schema } from "effect"
import { describeValue } from "../../protocol/describeValue.ts"
import type { Time } from "../../time/Time.ts"
import type { StatePartition } from "../StateStore.ts"
import { SnapshotDamaged } from "./SnapshotFile.ts"
import { StateRefused } from "./StateRefused.ts"

export class InvalidSnapshot extends Schema.TaggedError<InvalidSnapshot>()("InvalidSnapshot", {
  operator: Schema.String,
  partition: Schema.Number,
  message: Schema.String
}) {}

/** What is told where a snapshot could not be restored: that the program refuses it, or that it is damaged. */
export const unreadable = (error: unknown, time: Time, { operator, partition }: StatePartition) => {
  if (error instanceof StateRefused || error instanceof SnapshotDamaged) return error
  const message =
    `The snapshot of version ${time} ms of partition ${partition} of the state of "${operator}" cannot be ` +
    `restored: ${error instanceof Error ? error.message : String(error)}`
  return new InvalidSnapshot({ operator, partition, message })
}

/** Throws where a key belongs elsewhere: the program spreads its keys in another way than when they were written. */
export const refuseStrays = (keys: ReadonlyArray<unknown>, { operator, owns, partition }: StatePartition): void => {
  const stray = keys.findIndex((key) => !owns(key))
  if (stray >= 0) throw StateRefused.otherKeys(operator, describeValue(keys[stray]), partition)
}
