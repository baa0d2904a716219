/**
 * BlockStorage: the port to where blocks are spilled. Names are block ids: any text, with slashes.
 *
 * Promised: after `write` succeeded, `read` gives just these bytes until `remove`. Not promised: that anything is left after
 * the process; spilled blocks are not durable. Removing what is not there is no error.
 * Makings: `memory` here, a directory in `adapters/storage/directory.ts`.
 */
import { Effect, Schema } from "effect"

export class BlockStorageError extends Schema.TaggedError<BlockStorageError>()("BlockStorageError", {
  message: Schema.String
}) {}

export interface BlockStorage {
  readonly write: (name: string, bytes: Uint8Array) => Effect.Effect<void, BlockStorageError>
  /** Undefined: there is none of this name. */
  readonly read: (name: string) => Effect.Effect<Uint8Array | undefined, BlockStorageError>
  readonly remove: (name: string) => Effect.Effect<void, BlockStorageError>
}

export interface MemoryBlockStorage extends BlockStorage {
  readonly blocks: ReadonlyMap<string, Uint8Array>
}

export const memory = (): MemoryBlockStorage => {
  const blocks = new Map<string, Uint8Array>()
  return {
    blocks,
    write: (name, bytes) => Effect.sync(() => void blocks.set(name, bytes.slice())),
    read: (name) => Effect.sync(() => blocks.get(name)?.slice()),
    remove: (name) => Effect.sync(() => void blocks.delete(name))
  }
}
