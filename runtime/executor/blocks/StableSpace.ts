/**
 * StableSpace: what an executor has of the checkpoint place: the storage, beneath which epoch it writes, and the check sum of its logs.
 * undefined: the app has no checkpoint place.
 */
import { Context } from "effect"
import type { StableStorage } from "../../storage/StableStorage.ts"

export interface StableSpace {
  readonly storage: StableStorage
  /** That of its driver: an executor writes beneath no other. */
  readonly epoch: number
  readonly checksum: (bytes: Uint8Array) => number
}

export const StableSpace = Context.Reference<StableSpace | undefined>("dstreams/StableSpace", {
  defaultValue: () => undefined
})
