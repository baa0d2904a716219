/**
 * snapshotStorage: what snapshots of states need of storage: objects that are created whole, under names that nobody has taken, read and
 * removed. Every `StableStorage` is such a one; so is a `BlockStorage` that all executors of a run share, where nothing need outlive it.
 */
import { Effect } from "effect"
import type { BlockStorage, BlockStorageError } from "../BlockStorage.ts"
import { NameTaken, type StableStorage, StorageError } from "../StableStorage.ts"

export type SnapshotStorage = Pick<StableStorage, "create" | "read" | "remove">

/**
 * Of blocks. Whether a name is taken is asked before: of two executors that write one name at the same moment the later may win.
 * Such a snapshot is not what the other says of it, and is passed over when it is read.
 */
export const ofBlocks = (blocks: BlockStorage): SnapshotStorage => {
  const failing = (name: string) =>
    Effect.mapError(({ message }: BlockStorageError) => new StorageError({ reason: "Unavailable", name, message }))
  return {
    create: (name, bytes) =>
      blocks.read(name).pipe(
        Effect.flatMap((there): Effect.Effect<void, BlockStorageError | NameTaken> =>
          there === undefined
            ? blocks.write(name, bytes)
            : Effect.fail(new NameTaken({ name, message: `there is a snapshot ${name} already` }))
        ),
        Effect.catchTag("BlockStorageError", ({ message }) =>
          Effect.fail(new StorageError({ reason: "Unavailable", name, message })))
      ),
    read: (name) => failing(name)(blocks.read(name)),
    remove: (name) => failing(name)(blocks.remove(name))
  }
}
