/**
 * StableStorage: the port to what outlives every process: logs, checkpoints, snapshots of states, logged blocks.
 *
 * A name is a path of parts divided by `/`; a part is made of letters, digits, `.`, `_`, `-` and `%` (see `nameOf`), and does not
 * begin with a dot. Folders are not things of their own: they are there as long as something is in them.
 *
 * | call | promised |
 * | --- | --- |
 * | create | the object is there whole and durable, name included, or not at all; of two that create one name, one gets `NameTaken` |
 * | open | an empty file under a new name, durable; of two that open one name, one gets `NameTaken` |
 * | append | with `sync`, the default: durable when it returns, and so is all that was appended before; without: some time later |
 * | read, size | what is durable is seen by all, from then on; of a file that is being appended to, a beginning of it |
 * | list | may be late: what was lately made may be missing, what was lately removed may be there |
 * | remove | not there any more, at the latest when it returns, unless a crash of the machine undoes it; of what is not there: no error |
 *
 * An append that fails, or in which the process dies, leaves any part of its bytes behind, also with others in their place: who reads
 * has to tell by check sums. After it the file takes no more appends. Nothing is ever renamed over a name, and no object changes but by
 * append. Where `appends` is false there is only `create`.
 * Makings: `memory` in `memoryStorage.ts`; a directory and an object store in `adapters/storage`; a faulty one in `adapters/simulation/storage`.
 */
import { Context, Effect, Schema, type Scope } from "effect"
import type { RecordCodec } from "../../core/protocol/RecordCodec.ts"

/** Storage did not do what was asked; whether it may if asked again, `reason` says. */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  /** Unavailable: perhaps later. Full, ReadOnly: not before somebody has made room, or given the right. Invalid: never. */
  reason: Schema.Literals(["Unavailable", "Full", "ReadOnly", "Invalid"]),
  name: Schema.String,
  message: Schema.String
}) {}

/** There is something of this name already. */
export class NameTaken extends Schema.TaggedError<NameTaken>()("NameTaken", {
  name: Schema.String,
  message: Schema.String
}) {}

/** Bytes from `offset` on, at most `length` of them. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** A file that only its maker appends to, one call after the other. The bytes are the caller's again when a call has ended. */
export interface AppendFile {
  readonly append: (
    bytes: Uint8Array,
    options?: { readonly sync?: boolean | undefined }
  ) => Effect.Effect<void, StorageError>
}

export interface StableStorage {
  /** For people: a directory, a bucket. */
  readonly place: string
  readonly appends: boolean
  readonly create: (name: string, bytes: Uint8Array) => Effect.Effect<void, StorageError | NameTaken>
  /** The file is closed with the scope. */
  readonly open: (name: string) => Effect.Effect<AppendFile, StorageError | NameTaken, Scope.Scope>
  /** undefined: there is none of this name. A range that ends behind the end gives what is there. */
  readonly read: (name: string, range?: ByteRange) => Effect.Effect<Uint8Array | undefined, StorageError>
  /** Bytes; undefined: there is none of this name. */
  readonly size: (name: string) => Effect.Effect<number | undefined, StorageError>
  /** Full names that begin with `prefix`, in order. */
  readonly list: (prefix: string) => Effect.Effect<ReadonlyArray<string>, StorageError>
  readonly remove: (name: string) => Effect.Effect<void, StorageError>
}

/** The storage of a place that the setting `checkpointDirectory` names, made where it is needed: in the driver and in each executor. */
export type OpenStorage = (place: string) => Effect.Effect<StableStorage, StorageError, Scope.Scope>

/** How places are opened, and in which form plain data is kept there. */
export interface Places {
  readonly open: OpenStorage
  readonly codec: RecordCodec
}

/** Provided with the placement: directories and object stores by `adapters/storage`. */
export const StoragePlaces = Context.Reference<Places>("dstreams/StoragePlaces", {
  defaultValue: () => ({
    open: (place) =>
      Effect.fail(
        new StorageError({
          reason: "Invalid",
          name: "",
          message: `nothing here can open the checkpoint place "${place}": provide StoragePlaces with the placement`
        })
      ),
    codec: {
      encode: () => {
        throw new Error("there is no place to encode anything for")
      },
      decode: () => {
        throw new Error("there is no place to decode anything from")
      }
    }
  })
})

/** Any text as one part of a name. */
export const nameOf = (text: string): string => {
  const escaped = encodeURIComponent(text).replaceAll(
    /[!'()*~]|^\./g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`
  )
  return escaped === "" ? "%" : escaped
}
